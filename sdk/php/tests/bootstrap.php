<?php

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require '/usr/share/php/libphp-phpmailer/autoload.php';
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'Postilion\\Tests\\', 16) === 0) {
        require __DIR__ . '/' . strtr(substr($class, 16), '\\', '/') . '.php';
    }
});

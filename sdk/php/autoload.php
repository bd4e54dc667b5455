<?php

/*
 * Loads the classes of this package where Composer does not: require this file
 * and use Postilion\Client.
 */

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'Postilion\\', 10) === 0) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 10), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});

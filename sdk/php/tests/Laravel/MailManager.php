<?php

declare(strict_types=1);

namespace Postilion\Tests\Laravel;

use Symfony\Component\Mailer\Transport\TransportInterface;

/** As much of illuminate/mail, 9 and newer, as a transport meets. */
final class MailManager
{
    /** @var \Closure[] */
    private $customCreators = [];

    public function extend(string $driver, \Closure $callback): self
    {
        $this->customCreators[$driver] = $callback;
        return $this;
    }

    /** @param array<string, mixed> $config */
    public function createSymfonyTransport(array $config): TransportInterface
    {
        return call_user_func($this->customCreators[$config['transport']], $config);
    }
}

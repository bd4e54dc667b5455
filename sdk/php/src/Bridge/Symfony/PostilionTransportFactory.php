<?php

declare(strict_types=1);

namespace Postilion\Bridge\Symfony;

use Postilion\Client;
use Postilion\Exception\PostilionException;
use Symfony\Component\Mailer\Exception\InvalidArgumentException;
use Symfony\Component\Mailer\Exception\UnsupportedSchemeException;
use Symfony\Component\Mailer\Transport\AbstractTransportFactory;
use Symfony\Component\Mailer\Transport\Dsn;
use Symfony\Component\Mailer\Transport\TransportInterface;

/**
 * Makes the transport of a DSN:
 *
 *     postilion://default
 *     postilion://default?socket=/run/postilion/postilion-http.sock&timeout=5&connection=main
 *     postilion+https://TOKEN@mail.example.com:9126
 *
 * Further options: connect_timeout, token_file, spool, origin, ca_file. In Symfony's
 * container it wants the tag mailer.transport_factory.
 */
final class PostilionTransportFactory extends AbstractTransportFactory
{
    private const OPTIONS = ['timeout', 'connect_timeout', 'token_file', 'spool', 'origin', 'ca_file'];

    public function create(Dsn $dsn): TransportInterface
    {
        if (!$this->supports($dsn)) {
            throw new UnsupportedSchemeException($dsn, 'postilion', $this->getSupportedSchemes());
        }
        $target = (string) $dsn->getOption('socket', '');
        if ($dsn->getHost() !== 'default') {
            $target = ($dsn->getScheme() === 'postilion' ? 'http://' : 'https://') . $dsn->getHost();
            $target .= $dsn->getPort() === null ? '' : ':' . $dsn->getPort();
        }
        $options = ['token' => (string) $dsn->getUser()];
        foreach (self::OPTIONS as $name) {
            if ($dsn->getOption($name) !== null) {
                $options[$name] = $dsn->getOption($name);
            }
        }
        try {
            $client = new Client($target, $options);
        } catch (PostilionException $e) {
            throw new InvalidArgumentException($e->getMessage(), $e->getCode(), $e);
        }
        $connection = (string) $dsn->getOption('connection', '');
        return new PostilionTransport($client, $connection, $this->dispatcher, $this->logger);
    }

    protected function getSupportedSchemes(): array
    {
        return ['postilion', 'postilion+https'];
    }
}

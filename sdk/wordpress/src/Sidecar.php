<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Client;
use Postilion\WordPress\Sdk\Exception\PostilionException;

/**
 * The daemon as the settings lead to it.
 */
final class Sidecar
{
    /**
     * @param array<string, mixed> $options further options of the client
     *
     * @throws PostilionException if a setting is wrong
     */
    public static function client(Settings $settings, array $options = []): Client
    {
        $timeout = $options['timeout'] ?? $settings->timeout();
        return new Client(self::target($settings), $options + [
            'token' => $settings->get('token'),
            'timeout' => $timeout,
            'connect_timeout' => min(2.0, $timeout),
        ]);
    }

    /** Where it is: the path of a socket or a URL. */
    public static function target(Settings $settings): string
    {
        return $settings->get('url') !== '' ? $settings->get('url') : $settings->get('socket');
    }

    /** Whether it is on this machine: behind a socket or on loopback. */
    public static function isNear(Settings $settings): bool
    {
        $url = $settings->get('url');
        $host = trim((string) wp_parse_url($url, PHP_URL_HOST), '[]');
        return $url === '' || in_array(strtolower($host), ['localhost', '::1'], true)
            || preg_match('/^127(\.\d{1,3}){3}$/', $host) === 1;
    }
}

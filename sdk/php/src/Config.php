<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;

/**
 * Where the daemon is and how it is spoken to. The properties are the options
 * of Client.
 */
final class Config
{
    /** Of a Unix socket on Linux (sockaddr_un). PHP would cut it and try another. */
    private const MAX_PATH = 107;

    /** What no token has: it would end the header field that it stands in. */
    private const BLANKS = " \t\r\n\0";

    /** @var string path of the Unix socket; empty for TCP */
    public $socket = '';
    /** @var string "http://host:port" or "https://host:port" without a path */
    public $url = 'http://localhost';
    /** @var string of the client, as `postilion clients create` has shown it; not needed where the daemon knows the Unix user */
    public $token = '';
    /** @var string file that holds the token, read when it is needed */
    public $token_file = '';
    /** @var float seconds that a call may take in all, with its second attempt */
    public $timeout = 5.0;
    /** @var float seconds to connect; never more than the timeout */
    public $connect_timeout = 5.0;
    /** @var string maildrop directory to leave messages in while the daemon is away; empty: none */
    public $spool = '';
    /** @var string where the application believes to be, such as the URL of the site */
    public $origin = '';
    /** @var string file with the certificates to trust for https, as PEM; empty: the system's */
    public $ca_file = '';
    /** @var string "curl" or "stream"; empty: curl if ext-curl is there */
    public $http = '';

    /** @param array<string, mixed> $options one that is null is as if it were left out */
    public function __construct(string $target, array $options)
    {
        foreach ($options as $name => $value) {
            $this->check((string) $name);
            if ($value !== null) {
                $this->set((string) $name, $value);
            }
        }
        // Here and not in set(): a stack trace shows arguments.
        if (strpbrk($this->token, self::BLANKS) !== false) {
            $text = 'the token has a blank or line break in it';
            throw self::wrong('token', $text, 'copy it again, without line breaks');
        }
        $this->aim($target);
        if ($this->timeout <= 0 || $this->connect_timeout <= 0) {
            throw self::wrong('timeout', 'timeout and connect_timeout are not above 0', 'give seconds, such as 5.0');
        }
        if (!in_array($this->http, ['', 'curl', 'stream'], true)) {
            throw self::wrong('http', "http is \"$this->http\"", 'give "curl" or "stream", or leave it out');
        }
        $plain = $this->socket === '' && strncmp($this->url, 'https:', 6) !== 0;
        if ($plain && ($this->token !== '' || $this->token_file !== '') && !$this->isLoopback()) {
            $text = "the token would go to $this->url in the clear";
            throw self::wrong('target', $text, 'use https:// or the Unix socket');
        }
    }

    /** The token, or an empty string. */
    public function token(): string
    {
        if ($this->token === '' && $this->token_file !== '') {
            $text = @file_get_contents($this->token_file, false, null, 0, 4096);
            $this->token = trim((string) $text);
            if ($this->token === '' || strpbrk($this->token, self::BLANKS) !== false) {
                $this->token = '';
                throw self::wrong(
                    'token_file',
                    "$this->token_file cannot be read or does not hold one token on one line",
                    'let the user that runs PHP read it, and write the token into it'
                );
            }
        }
        return $this->token;
    }

    private function check(string $name): void
    {
        if (!property_exists($this, $name) || $name === 'socket' || $name === 'url') {
            throw self::wrong($name, "there is no option \"$name\"", 'there are token, token_file, timeout, '
                . 'connect_timeout, spool, origin, ca_file and http');
        }
    }

    /** @param mixed $value */
    private function set(string $name, $value): void
    {
        if (is_float($this->$name)) {
            if (!is_numeric($value)) {
                throw self::wrong($name, "$name is not a number", 'give seconds, such as 5.0');
            }
            $this->$name = (float) $value;
            return;
        }
        if (!is_string($value)) {
            throw self::wrong($name, "$name is not a string", 'give one, or leave it out');
        }
        $this->$name = $value;
    }

    private function aim(string $target): void
    {
        if ($target === '') {
            $socket = getenv('POSTILION_SOCKET');
            $target = $socket !== false && $socket !== '' ? $socket : Client::DEFAULT_TARGET;
        }
        $path = $target;
        foreach (['unix://', 'unix:'] as $scheme) {
            if (strncmp($target, $scheme, strlen($scheme)) === 0) {
                $path = substr($target, strlen($scheme));
                break;
            }
        }
        // Without a regular expression, which would be the costliest part of a call.
        if ($path !== '' && $path[0] === '/' && strpos($path, "\0") === false) {
            if (strlen($path) > self::MAX_PATH) {
                $text = 'the path of the socket has more than ' . self::MAX_PATH . ' octets, which no socket can have';
                throw self::wrong('target', $text, 'give a shorter one');
            }
            $this->socket = $path;
        } elseif (preg_match('~^https?://[^/\s@]+/?$~Di', $target) === 1) {
            $this->url = rtrim($target, '/');
        } else {
            throw self::wrong('target', "the target \"$target\" is neither a socket nor a URL", 'give '
                . '"/path/of/socket", "unix:///path/of/socket", "http://host:port" or "https://host:port"');
        }
    }

    private function isLoopback(): bool
    {
        $host = trim((string) parse_url($this->url, PHP_URL_HOST), '[]');
        return $host === 'localhost' || $host === '::1' || preg_match('/^127(\.\d{1,3}){3}$/', $host) === 1;
    }

    private static function wrong(string $field, string $text, string $remedy): PostilionException
    {
        return PostilionException::make('invalid_argument', 'invalid_option', "Postilion: $text", $remedy, [$field]);
    }
}

<?php

declare(strict_types=1);

namespace Postilion\Http;

use Postilion\Client;
use Postilion\Config;
use Postilion\Exception\PostilionException;

/**
 * Calls of the Connect protocol over HTTP/1.1: JSON in POST, JSON back.
 *
 * @internal
 */
abstract class Http
{
    /** Octets of an answer that are read at most. */
    protected const MAX_ANSWER = 128 << 20;

    /** Numbers of Linux, macOS and the BSDs. */
    private const ENOENT = 2;
    private const EACCES = 13;

    /** @var Config */
    protected $config;

    final public function __construct(Config $config)
    {
        $this->config = $config;
    }

    /** The way that the configuration asks for, or the best that there is. */
    public static function open(Config $config): self
    {
        // Both may also stand in disable_functions.
        if ($config->http !== 'stream' && function_exists('curl_exec')) {
            return new CurlHttp($config);
        }
        if ($config->http !== 'curl' && function_exists('stream_socket_client')) {
            return new StreamHttp($config);
        }
        throw PostilionException::make(
            'failed_precondition',
            'no_http',
            'this PHP has no ' . (['curl' => 'curl_exec', 'stream' => 'stream_socket_client'][$config->http]
                ?? 'curl_exec and no stream_socket_client'),
            'install ext-curl (on Debian: apt-get install php-curl), or take one of them out of disable_functions'
        );
    }

    /** Seconds on a clock that nobody sets. */
    public static function now(): float
    {
        return hrtime(true) / 1e9;
    }

    /**
     * @param float $deadline on the clock of now()
     *
     * @return array<string, mixed>
     *
     * @throws PostilionException if the daemon says no
     * @throws Failure if it says nothing
     */
    public function call(string $method, string $body, float $deadline): array
    {
        $headers = [
            'Content-Type: application/json',
            'Connect-Protocol-Version: 1',
            'User-Agent: postilion-php/' . Client::VERSION,
        ];
        $token = $this->config->token();
        if ($token !== '') {
            $headers[] = 'Authorization: Bearer ' . $token;
        }
        [$status, $answer] = $this->post("/postilion.v1.$method", $headers, $body, $deadline);
        return $this->read($status, $answer);
    }

    /**
     * @param string[] $headers
     *
     * @return array{int, string} status and body
     *
     * @throws Failure
     */
    abstract protected function post(string $path, array $headers, string $body, float $deadline): array;

    /** Where the daemon is, for people. */
    protected function where(): string
    {
        return $this->config->socket !== '' ? $this->config->socket : $this->config->url;
    }

    /**
     * Says why no connection came about, better than the system does.
     *
     * @param int $errno of connect(2); 0 if it is not known
     */
    protected function unreachable(int $errno, string $detail): Failure
    {
        $where = $this->where();
        if ($this->config->socket === '') {
            $text = "Postilion at $where cannot be reached ($detail)";
            $remedy = 'see whether the daemon runs and listens there (http_listen), and no firewall is between';
            return Failure::away('unavailable', 'unreachable', $text, $remedy);
        }
        if ($errno === self::EACCES) {
            $text = "the user of this PHP may not open $where";
            $remedy = 'see the mode and group of the socket and of the directories above it, and the log of SELinux if '
                . 'there is one';
            return Failure::away('permission_denied', 'socket_permission', $text, $remedy);
        }
        clearstatcache();
        if (@is_file($where) || @is_dir($where)) { // silent about open_basedir
            $remedy = 'give the path of postilion-http.sock';
            return Failure::away('failed_precondition', 'not_a_socket', "$where is not a socket", $remedy);
        }
        if ($errno === self::ENOENT) {
            $remedy = 'start the daemon (systemctl start postilion), or give the right path';
            return Failure::away('unavailable', 'no_socket', "there is no socket $where", $remedy);
        }
        $remedy = 'start the daemon: systemctl start postilion';
        return Failure::away('unavailable', 'unreachable', "nobody answers at $where ($detail)", $remedy);
    }

    /** @return array<string, mixed> */
    private function read(int $status, string $answer): array
    {
        $data = json_decode($answer, true, 64);
        if ($status === 200 && is_array($data)) {
            return $data;
        }
        if (is_array($data) && is_string($data['code'] ?? null)) {
            throw PostilionException::fromConnect($data);
        }
        throw Failure::stranger($this->where(), "HTTP status $status")->toException();
    }
}

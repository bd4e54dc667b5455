<?php

declare(strict_types=1);

namespace Postilion\Http;

use Postilion\Quiet;

/**
 * By PHP's own streams, where ext-curl is not there: one connection a call.
 *
 * @internal
 */
final class StreamHttp extends Http
{
    private const BLOCK = 65536;

    /** @var resource */
    private $stream;
    /** @var float */
    private $deadline;
    /** @var string what was read and not used yet */
    private $buffer;
    /** @var bool whether the other side has closed */
    private $ended;

    protected function post(string $path, array $headers, string $body, float $deadline): array
    {
        $this->deadline = $deadline;
        $this->buffer = '';
        $this->ended = false;
        $this->connect();
        try {
            $host = $this->config->socket !== '' ? 'localhost' : preg_replace('~^https?://~i', '', $this->config->url);
            $headers[] = "Host: $host";
            $headers[] = 'Connection: close';
            $headers[] = 'Content-Length: ' . strlen($body);
            $head = "POST $path HTTP/1.1\r\n" . implode("\r\n", $headers) . "\r\n\r\n";
            // A daemon that refuses early closes before it has read all, but
            // what it said can still be read.
            if (strlen($body) < self::BLOCK) {
                $this->write($head . $body); // in one packet
            } else {
                $this->write($head);
                $this->write($body);
            }
            return $this->response();
        } finally {
            fclose($this->stream);
        }
    }

    private function connect(): void
    {
        $left = max(0.001, min($this->config->connect_timeout, $this->deadline - self::now()));
        $context = stream_context_create();
        if ($this->config->ca_file !== '') {
            stream_context_set_option($context, 'ssl', 'cafile', $this->config->ca_file);
        }
        $errno = 0;
        $text = '';
        $connect = function () use (&$errno, &$text, $left, $context) {
            return stream_socket_client($this->address(), $errno, $text, $left, STREAM_CLIENT_CONNECT, $context);
        };
        $stream = Quiet::call($connect, $warning);
        if ($stream === false) {
            if ($text === 'Connection timed out' || $text === 'Operation now in progress') {
                throw Failure::timeout($this->where(), false);
            }
            throw $this->unreachable((int) $errno, $text !== '' ? $text : $warning ?? 'no reason');
        }
        stream_set_blocking($stream, false);
        $this->stream = $stream;
    }

    private function address(): string
    {
        if ($this->config->socket !== '') {
            return 'unix://' . $this->config->socket;
        }
        $secure = stripos($this->config->url, 'https:') === 0;
        $port = parse_url($this->config->url, PHP_URL_PORT) ?? ($secure ? 443 : 80);
        return ($secure ? 'ssl://' : 'tcp://') . parse_url($this->config->url, PHP_URL_HOST) . ":$port";
    }

    private function write(string $data): void
    {
        for ($at = 0, $size = strlen($data); $at < $size;) {
            $written = @fwrite($this->stream, substr($data, $at, self::BLOCK));
            if ($written === false) {
                return;
            }
            $at += $written;
            if ($written === 0) {
                $this->await(true);
                if ($this->ended) {
                    return;
                }
            }
        }
    }

    /** @return array{int, string} */
    private function response(): array
    {
        do {
            while (strlen($this->buffer) < 5) {
                $this->need();
            }
            $head = strncmp($this->buffer, 'HTTP/', 5) === 0 ? $this->until("\r\n\r\n") : '';
        } while (strncmp($head, 'HTTP/1.1 100', 12) === 0);
        if (preg_match('~^HTTP/1\.[01] (\d{3})~', $head, $match) !== 1) {
            throw Failure::stranger($this->where(), 'the answer is not HTTP');
        }
        if (preg_match('~\r\nTransfer-Encoding:\s*chunked~i', $head) === 1) {
            return [(int) $match[1], $this->chunks()];
        }
        if (preg_match('~\r\nContent-Length:\s*(\d+)~i', $head, $length) === 1) {
            return [(int) $match[1], $this->take((int) $length[1])];
        }
        while (!$this->ended) {
            $this->fill();
        }
        return [(int) $match[1], $this->buffer];
    }

    private function chunks(): string
    {
        $body = '';
        do {
            $size = trim(explode(';', $this->until("\r\n"))[0]);
            if (preg_match('/^[0-9a-f]{1,8}$/i', $size) !== 1) {
                throw Failure::stranger($this->where(), 'the answer is not HTTP');
            }
            $chunk = $this->take((int) hexdec($size));
            $this->until("\r\n");
            $body .= $chunk;
            if (strlen($body) > self::MAX_ANSWER) {
                throw Failure::lost($this->where(), 'the answer is too long');
            }
        } while ($chunk !== '');
        return $body;
    }

    /** Gives what comes before a mark, and drops the mark. */
    private function until(string $mark): string
    {
        while (($end = strpos($this->buffer, $mark)) === false) {
            $this->need();
        }
        $text = substr($this->buffer, 0, $end);
        $this->buffer = substr($this->buffer, $end + strlen($mark));
        return $text;
    }

    private function take(int $size): string
    {
        if ($size > self::MAX_ANSWER) {
            throw Failure::lost($this->where(), 'the answer is too long');
        }
        while (strlen($this->buffer) < $size) {
            $this->need();
        }
        $text = substr($this->buffer, 0, $size);
        $this->buffer = (string) substr($this->buffer, $size);
        return $text;
    }

    private function need(): void
    {
        if ($this->ended) {
            throw Failure::lost($this->where(), '');
        }
        $this->fill();
    }

    private function fill(): void
    {
        $part = @fread($this->stream, self::BLOCK);
        if ($part !== false && $part !== '') {
            $this->buffer .= $part;
            if (strlen($this->buffer) > 2 * self::MAX_ANSWER) {
                throw Failure::lost($this->where(), 'the answer is too long');
            }
            return;
        }
        if (feof($this->stream)) {
            $this->ended = true;
            return;
        }
        $this->await(false);
    }

    /** Waits until something can be read, or also written. */
    private function await(bool $writing): void
    {
        $left = $this->deadline - self::now();
        if ($left <= 0) {
            throw Failure::timeout($this->where(), true);
        }
        $read = [$this->stream];
        $write = $writing ? [$this->stream] : null;
        $none = null;
        // A signal ends it early; the deadline is looked at again.
        @stream_select($read, $write, $none, (int) $left, (int) (1e6 * fmod($left, 1)));
        if ($writing && $read !== [] && $write === []) {
            $this->fill(); // it speaks although we have not ended: a refusal
        }
    }
}

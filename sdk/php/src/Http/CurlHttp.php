<?php

declare(strict_types=1);

namespace Postilion\Http;

/**
 * By ext-curl, which keeps the connection.
 *
 * @internal
 */
final class CurlHttp extends Http
{
    /** @var resource|\CurlHandle|null */
    private $handle = null;

    protected function post(string $path, array $headers, string $body, float $deadline): array
    {
        $left = max(1, (int) (1000 * ($deadline - self::now())));
        $headers[] = 'Expect:'; // no round trip before the body
        $answer = '';
        $tooLong = false;
        $this->handle = $this->handle ?? curl_init();
        $options = [
            CURLOPT_URL => $this->config->url . $path,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_TIMEOUT_MS => $left,
            CURLOPT_CONNECTTIMEOUT_MS => min($left, max(1, (int) (1000 * $this->config->connect_timeout))),
            CURLOPT_NOSIGNAL => true, // timeouts below a second
            CURLOPT_HTTP_VERSION => CURL_HTTP_VERSION_1_1,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_PROXY => '', // not that of the environment
            CURLOPT_WRITEFUNCTION => static function ($handle, string $part) use (&$answer, &$tooLong): int {
                $answer .= $part;
                $tooLong = strlen($answer) > self::MAX_ANSWER;
                return $tooLong ? 0 : strlen($part);
            },
        ];
        if ($this->config->socket !== '') {
            $options[CURLOPT_UNIX_SOCKET_PATH] = $this->config->socket;
        }
        if ($this->config->ca_file !== '') {
            $options[CURLOPT_CAINFO] = $this->config->ca_file;
        }
        curl_setopt_array($this->handle, $options);
        if (curl_exec($this->handle) !== false) {
            return [(int) curl_getinfo($this->handle, CURLINFO_RESPONSE_CODE), $answer];
        }
        $failure = $this->failure($tooLong);
        $this->handle = null;
        throw $failure;
    }

    private function failure(bool $tooLong): Failure
    {
        $error = curl_error($this->handle);
        // Before the connection stands nothing was sent.
        $sent = curl_getinfo($this->handle, CURLINFO_PRETRANSFER_TIME) > 0;
        switch (curl_errno($this->handle)) {
            case CURLE_UNSUPPORTED_PROTOCOL:
                return Failure::stranger($this->where(), $error);
            case CURLE_OPERATION_TIMEDOUT:
                return Failure::timeout($this->where(), $sent);
            case CURLE_COULDNT_CONNECT:
                return $this->unreachable((int) curl_getinfo($this->handle, CURLINFO_OS_ERRNO), $error);
        }
        if ($tooLong) {
            $error = 'the answer is too long';
        }
        return $sent ? Failure::lost($this->where(), $error) : $this->unreachable(0, $error);
    }
}

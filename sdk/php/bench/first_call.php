<?php

/*
 * How long a mail keeps PHP from going on, in a process that has done nothing
 * before, as a web request without opcache:
 *
 *     first_call.php SOCKET [RUNS [TOKEN]]
 *
 * prints medians as JSON: of the wait in milliseconds, and of the processor time
 * in the same. "client" is the first call of this package, whose classes are
 * loaded for it; "bare" the same request by ext-curl alone, which loads nothing.
 */

declare(strict_types=1);

if (($argv[1] ?? '') === '--one') {
    [, , $way, $socket, $token] = $argv;
    $cpu = static function (): float {
        $usage = getrusage();
        return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e3
            + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e3;
    };
    $used = $cpu();
    $began = hrtime(true);
    if ($way === 'bare') {
        $call = curl_init('http://localhost/postilion.v1.MailerService/Send');
        $headers = ['Content-Type: application/json'];
        curl_setopt_array($call, [
            CURLOPT_UNIX_SOCKET_PATH => $socket,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HTTPHEADER => $token === '' ? $headers : array_merge($headers, ["Authorization: Bearer $token"]),
            CURLOPT_POSTFIELDS => '{"message":{"from":{"address":"shop@example.com"},'
                . '"to":[{"address":"jane@example.net"}],"subject":"Your order","text":"Thank you."}}',
        ]);
        $answer = curl_exec($call);
        if (curl_getinfo($call, CURLINFO_RESPONSE_CODE) !== 200) {
            throw new RuntimeException("the daemon said: $answer " . curl_error($call));
        }
    } else {
        require __DIR__ . '/../autoload.php';
        $client = new Postilion\Client($socket, ['token' => $token, 'http' => $way === 'client' ? '' : 'stream']);
        $client->send((new Postilion\Message())->from('shop@example.com')->to('jane@example.net')
            ->subject('Your order')->text('Thank you.'));
    }
    echo (hrtime(true) - $began) / 1e6, ' ', $cpu() - $used;
    exit;
}

if ($argc < 2) {
    fwrite(STDERR, "usage: first_call.php SOCKET [RUNS [TOKEN]]\n");
    exit(64);
}
$series = [];
for ($i = 0; $i < (int) ($argv[2] ?? 100); $i++) {
    // In turn, so that what else the machine does hits all of them.
    foreach (['bare', 'client', 'client_without_curl'] as $way) {
        $command = [PHP_BINARY, __FILE__, '--one', $way, $argv[1], $argv[3] ?? ''];
        $output = [];
        exec(implode(' ', array_map('escapeshellarg', $command)), $output, $exit);
        if ($exit !== 0) {
            throw new RuntimeException("$way: " . implode("\n", $output));
        }
        [$wait, $cpu] = explode(' ', $output[0]);
        $series[$way][] = (float) $wait;
        $series["{$way}_cpu"][] = (float) $cpu;
    }
}
echo json_encode(array_map(static function (array $figures): float {
    sort($figures);
    return round($figures[intdiv(count($figures), 2)], 3);
}, $series)), "\n";

<?php

/*
 * How long a mail keeps PHP from going on, in a process that has done nothing
 * before, as in a web request:
 *
 *     first_call.php SOCKET [RUNS [TOKEN]]
 *
 * prints the medians in milliseconds as JSON. "client" is the first call of this
 * package, with its classes to be loaded; "bare" the same request by ext-curl
 * alone; both send the same message.
 */

declare(strict_types=1);

if (($argv[1] ?? '') === '--one') {
    [, , $way, $socket, $token] = $argv;
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
    echo (hrtime(true) - $began) / 1e6;
    exit;
}

if ($argc < 2) {
    fwrite(STDERR, "usage: first_call.php SOCKET [RUNS [TOKEN]]\n");
    exit(64);
}
$ways = ['bare', 'client', 'client_without_curl'];
$times = [];
for ($i = 0; $i < (int) ($argv[2] ?? 100); $i++) {
    foreach ($ways as $way) {
        $command = [PHP_BINARY, __FILE__, '--one', $way, $argv[1], $argv[3] ?? ''];
        $output = [];
        exec(implode(' ', array_map('escapeshellarg', $command)), $output, $exit);
        if ($exit !== 0) {
            throw new RuntimeException("$way: " . implode("\n", $output));
        }
        $times[$way][] = (float) $output[0];
    }
}
foreach ($times as $way => $series) {
    sort($series);
    $medians[$way] = round($series[intdiv(count($series), 2)], 3);
}
$medians['client_over_bare'] = round($medians['client'] - $medians['bare'], 3);
echo json_encode(['unit' => 'ms', 'runs' => count($times['bare'])] + $medians), "\n";

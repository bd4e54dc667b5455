<?php
// Sends the same mail some times and prints for each how many milliseconds the
// caller waited: send.php WAY N SETTINGS.json
[, $way, $n, $file] = $argv;
$settings = json_decode(file_get_contents($file));

function phpmailer(object $s): PHPMailer\PHPMailer\PHPMailer
{
    $mail = new PHPMailer\PHPMailer\PHPMailer(true);
    $mail->isSMTP();
    $mail->Host = 'localhost';
    $mail->Port = $s->port;
    $mail->SMTPSecure = 'tls';
    $mail->SMTPAuth = true;
    $mail->Username = $s->user;
    $mail->Password = $s->password;
    $mail->SMTPOptions = ['ssl' => ['cafile' => $s->ca]];
    $mail->setFrom('from@example.com', 'The Shop');
    $mail->addAddress('to@example.net');
    $mail->Subject = 'Your order';
    $mail->Body = $s->text;
    return $mail;
}

function symfony(object $s): void
{
    $transport = new Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport('localhost', $s->port);
    $transport->setUsername($s->user)->setPassword($s->password);
    $transport->getStream()->setStreamOptions(['ssl' => ['cafile' => $s->ca]]);
    $transport->send((new Symfony\Component\Mime\Email())
        ->from('The Shop <from@example.com>')->to('to@example.net')->subject('Your order')->text($s->text));
}

function json(object $s): void
{
    $call = curl_init('http://postilion/postilion.v1.MailerService/Send');
    curl_setopt_array($call, [
        CURLOPT_UNIX_SOCKET_PATH => $s->socket,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', "Authorization: Bearer $s->token"],
        CURLOPT_POSTFIELDS => json_encode(['message' => [
            'from' => ['address' => 'from@example.com', 'name' => 'The Shop'],
            'to' => [['address' => 'to@example.net']],
            'subject' => 'Your order',
            'text' => $s->text,
        ]]),
    ]);
    $answer = curl_exec($call);
    if (curl_getinfo($call, CURLINFO_RESPONSE_CODE) !== 200) {
        throw new RuntimeException("the answer is: $answer " . curl_error($call));
    }
}

if ($way === 'phpmailer' || $way === 'kept') {
    require '/usr/share/php/libphp-phpmailer/autoload.php';
} elseif ($way === 'symfony') {
    require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
}
$kept = null;
$send = match ($way) {
    'phpmailer' => fn () => phpmailer($settings)->send(),
    'kept' => function () use (&$kept, $settings) {
        $kept ??= phpmailer($settings);
        $kept->SMTPKeepAlive = true;
        $kept->send();
    },
    'symfony' => fn () => symfony($settings),
    'json' => fn () => json($settings),
    'mail' => fn () => mail('to@example.net', 'Your order', $settings->text, 'From: The Shop <from@example.com>', '-ffrom@example.com')
        || throw new RuntimeException('mail() says no'),
};
for ($i = 0; $i < $n; $i++) {
    $began = hrtime(true);
    $send();
    printf("%.3f\n", (hrtime(true) - $began) / 1e6);
}

#!/usr/bin/env php
<?php

// Sends by PHPMailer. What an application changes is the class that it makes,
// and it drops isSMTP() with its settings.

use PHPMailer\PHPMailer\Exception;
use Postilion\Bridge\PHPMailer\PostilionMailer;

require __DIR__ . '/../../sdk/php/autoload.php'; // with Composer: vendor/autoload.php alone
require '/usr/share/php/libphp-phpmailer/autoload.php';

$to = $argv[1] ?? '';
if ($to === '') {
    fwrite(STDERR, "usage: send.php ADDRESS\n");
    exit(64);
}

try {
    $mail = new PostilionMailer(true);
    $mail->CharSet = 'UTF-8';
    $mail->setFrom('shop@example.com', 'The Shop');
    $mail->addAddress($to);
    $mail->Subject = 'Your order, with greetings from PHPMailer: Grüße';
    $mail->Body = "Thank you for your order.\n";
    $mail->send();
} catch (Exception $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
echo 'accepted as ', $mail->getReceipt()->id, "\n";

#!/usr/bin/env php
<?php

// Sends by Symfony Mailer, whose DSN is all that an application changes. In a
// Symfony application, MAILER_DSN has it, and config/services.yaml this:
//
//     Postilion\Bridge\Symfony\PostilionTransportFactory:
//         parent: mailer.transport_factory.abstract
//         tags: ['mailer.transport_factory']

use Postilion\Bridge\Symfony\PostilionTransportFactory;
use Symfony\Component\Mailer\Exception\TransportExceptionInterface;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Email;

require __DIR__ . '/../../sdk/php/autoload.php'; // with Composer: vendor/autoload.php alone
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

$to = $argv[1] ?? '';
if ($to === '') {
    fwrite(STDERR, "usage: send.php ADDRESS\n");
    exit(64);
}

$dsn = getenv('MAILER_DSN') ?: 'postilion://default'; // or postilion://default?socket=/path/of/socket
$mailer = new Mailer((new Transport([new PostilionTransportFactory()]))->fromString($dsn));
try {
    $mailer->send((new Email())
        ->from('The Shop <shop@example.com>')
        ->to($to)
        ->subject('Your order, with greetings from Symfony: Grüße')
        ->text("Thank you for your order.\n"));
} catch (TransportExceptionInterface $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
echo "accepted\n";

<?php
// Symfony Mailer by sendmail: symfony.php SUBJECT DOMAIN FILE COMMAND
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Envelope;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Email;

[, $subject, $domain, $file, $command] = $argv;
$email = (new Email())
    ->from(new Address('from@shop.example', 'Lädchen'))
    ->returnPath('bounce@shop.example')
    ->to(new Address("to@$domain", 'Grüße'))
    ->cc("copy@$domain")
    ->bcc("hidden@$domain")
    ->subject($subject)
    ->text("Grüße an Zoë — 日本\n.\nEnde\n")
    ->html('<p>Grüße an Zoë — 日本</p>')
    ->attachFromPath($file, 'Rechnung für Zoë.bin', 'application/octet-stream');
(new Mailer(Transport::fromDsn('sendmail://default?command=' . rawurlencode($command))))->send($email);

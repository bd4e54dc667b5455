<?php
// PHPMailer and Symfony Mailer by SMTP: smtp.php SUBJECT HOST PORT USER PASSWORD
require '/usr/share/php/libphp-phpmailer/autoload.php';
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Email;

[, $subject, $host, $port, $user, $password] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
[$mail->Host, $mail->Port, $mail->SMTPAuth, $mail->Username, $mail->Password] = [$host, (int) $port, true, $user, $password];
$mail->CharSet = 'UTF-8';
$mail->setFrom('from@shop.example');
$mail->addAddress('to@example.net');
$mail->Subject = "$subject by PHPMailer";
$mail->Body = "Grüße an Zoë\n.\nEnde\n";
$mail->send();

$email = (new Email())->from('from@shop.example')->to('to@example.net')->subject("$subject by Symfony")->text("Grüße an Zoë\n.\nEnde\n");
(new Mailer(Transport::fromDsn('smtp://' . rawurlencode($user) . ':' . rawurlencode($password) . "@$host:$port")))->send($email);

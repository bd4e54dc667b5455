<?php
// PHPMailer by sendmail: phpmailer.php SUBJECT DOMAIN FILE
require '/usr/share/php/libphp-phpmailer/autoload.php';
[, $subject, $domain, $file] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSendmail(); // takes sendmail_path
$mail->CharSet = 'UTF-8';
$mail->setFrom('from@shop.example', 'Lädchen', false);
$mail->Sender = 'bounce@shop.example';
$mail->addAddress("to@$domain", 'Grüße');
$mail->addCC("copy@$domain");
$mail->addBCC("hidden@$domain");
$mail->Subject = $subject;
$mail->isHTML();
$mail->Body = '<p>Grüße an Zoë — 日本</p>';
$mail->AltBody = "Grüße an Zoë — 日本\n.\nEnde\n";
$mail->addAttachment($file, 'Rechnung für Zoë.bin');
$mail->send();

<?php
// PHP's own mail(): mail.php SUBJECT DOMAIN
[, $subject, $domain] = $argv;
$headers = [
    'From' => 'Lädchen <from@shop.example>',
    'Cc' => "copy@$domain",
    'Bcc' => "hidden@$domain",
    'MIME-Version' => '1.0',
    'Content-Type' => 'text/plain; charset=UTF-8',
    'Content-Transfer-Encoding' => '8bit',
];
exit(mail("Grüße <to@$domain>", $subject, "Grüße an Zoë — 日本\n.\nEnde\n", $headers, '-fbounce@shop.example') ? 0 : 1);

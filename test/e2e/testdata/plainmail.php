<?php
// mail() as in a first attempt, without any header: plainmail.php SUBJECT DOMAIN
[, $subject, $domain] = $argv;
exit(mail("Grüße <to@$domain>", $subject, "Grüße an Zoë — 日本\n.\nEnde\n") ? 0 : 1);

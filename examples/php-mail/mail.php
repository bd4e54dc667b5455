<?php
// Sends by PHP's own mail(), as most PHP applications do. Nothing in the code
// knows of Postilion: php.ini's sendmail_path leads to it. See run.sh.

$to = $argv[1] ?? '';
if ($to === '') {
    fwrite(STDERR, "usage: run.sh ADDRESS\n");
    exit(64);
}
$headers = [
    'From' => 'Shop <shop@example.com>',
    'Content-Type' => 'text/plain; charset=UTF-8',
];
if (!mail($to, 'Your order, with greetings from PHP: Grüße', "Thank you for your order.\n", $headers)) {
    fwrite(STDERR, "mail() failed\n");
    exit(1);
}
echo "mail() says true\n";

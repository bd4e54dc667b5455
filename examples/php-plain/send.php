#!/usr/bin/env php
<?php

// Sends by the client alone, without any other mailer.

use Postilion\Attachment;
use Postilion\Client;
use Postilion\Exception\PostilionException;
use Postilion\Message;
use Postilion\SendOptions;

require __DIR__ . '/../../sdk/php/autoload.php'; // with Composer: vendor/autoload.php

$to = $argv[1] ?? '';
if ($to === '') {
    fwrite(STDERR, "usage: send.php ADDRESS\n");
    exit(64);
}

$order = bin2hex(random_bytes(4)); // stands for the number of one
$client = new Client(); // the daemon of this machine, or the one at POSTILION_SOCKET
$message = (new Message())
    ->from('shop@example.com', 'The Shop')
    ->to($to)
    ->subject('Your order, with greetings from PHP\'s client: Grüße')
    ->text("Thank you for your order.\n")
    ->html('<p>Thank you for your order.</p>')
    ->attach(new Attachment("item,price\nsaddle,120\n", 'order.csv'));

try {
    // The key makes it one mail however often the job is repeated.
    $receipt = $client->send($message, new SendOptions(['idempotencyKey' => "order-$order", 'tags' => ['order']]));
} catch (PostilionException $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
echo "accepted as $receipt->id, $receipt->state\n";

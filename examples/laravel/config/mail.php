<?php

// config/mail.php of a Laravel application, 9 or newer. The rest of it stays
// as it is: Mail::to(...)->send(...) goes to Postilion then.

return [

    'default' => env('MAIL_MAILER', 'postilion'),

    'mailers' => [
        'postilion' => [
            'transport' => 'postilion',
            // All of it can be left out: the socket of Debian's place, and the
            // Unix user that PHP runs as.
            'target' => env('POSTILION_SOCKET'),
            'token' => env('POSTILION_TOKEN'),
            'spool' => env('POSTILION_MAILDROP_DIR'),
            'connection' => env('POSTILION_CONNECTION'),
        ],
    ],

    'from' => [
        'address' => env('MAIL_FROM_ADDRESS', 'shop@example.com'),
        'name' => env('MAIL_FROM_NAME', 'The Shop'),
    ],

];

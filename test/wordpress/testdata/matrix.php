<?php
/*
 * Sends each case twice: with the mailer of WordPress to an SMTP server, and
 * through the plugin. Every case takes what it has changed back.
 */
$port = (int) getenv('SMTP_PORT');
$folder = getenv('FILES');
$png = base64_decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==');
file_put_contents("$folder/image.png", $png);
file_put_contents("$folder/list.csv", "name;price\r\nGrüße;1,00\n");
$long = str_repeat('0123456789', 100) . "\nend";

// wp_mail()'s arguments, and what is hooked: name => callback.
$cases = [
    'plain' => [[], []],
    'AltBody' => [['message' => '<p>Grüße</p>'], ['phpmailer_init' => function ($m) {
        $m->isHTML(true);
        $m->AltBody = 'Grüße as text';
    }]],
    'string attachment' => [[], ['phpmailer_init' => function ($m) {
        $m->addStringAttachment("a,b\r\n1,2\n", 'Zahlen für Zoë.csv', 'base64', 'text/csv');
    }]],
    'string embed' => [['message' => '<img src="cid:dot">'], ['phpmailer_init' => function ($m) use ($png) {
        $m->isHTML(true);
        $m->addStringEmbeddedImage($png, 'dot', 'dot.png', 'base64', 'image/png');
    }]],
    'cid embed' => [['message' => '<img src="cid:file">'], ['phpmailer_init' => function ($m) use ($folder) {
        $m->isHTML(true);
        $m->AltBody = 'an image';
        $m->addEmbeddedImage("$folder/image.png", 'file');
    }]],
    'named attachment' => [['attachments' => ["$folder/list.csv"]], ['phpmailer_init' => function ($m) use ($folder) {
        $m->addAttachment("$folder/image.png", 'Bild "1".png');
    }]],
    'Sender' => [[], ['phpmailer_init' => function ($m) {
        $m->Sender = 'bounces+1=x@example.org';
    }]],
    'Bcc' => [['headers' => ['Bcc: hidden@example.net', 'Cc: Zoë <copy@example.net>']], ['phpmailer_init' => function ($m) {
        $m->addBCC('secret@example.net');
    }]],
    'setFrom' => [[], ['phpmailer_init' => function ($m) {
        $m->setFrom('other@example.org', 'Ändere "Dich"');
    }]],
    'two Reply-To' => [['headers' => "Reply-To: One <one@example.org>\r\nReply-To: two@example.org"], []],
    'Priority' => [[], ['phpmailer_init' => function ($m) {
        $m->Priority = 1;
    }]],
    'List-Unsubscribe' => [['headers' => [
        'List-Unsubscribe: <https://example.org/u?' . str_repeat('t', 90) . '>, <mailto:u@example.org>',
        'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    ]], []],
    'DKIM' => [[], ['phpmailer_init' => function ($m) {
        $m->DKIM_domain = 'example.org';
        $m->DKIM_selector = 's1';
        $m->DKIM_private_string = getenv('DKIM_KEY');
        $m->DKIM_passphrase = '';
        $m->DKIM_identity = $m->From;
    }]],
    'MessageID' => [[], ['phpmailer_init' => function ($m) {
        $m->MessageID = '<own-' . getenv('RUN') . '@example.org>';
    }]],
    'Encoding' => [['message' => "Grüße = 1\n."], ['phpmailer_init' => function ($m) {
        $m->Encoding = 'quoted-printable';
    }]],
    'Subject' => [[], ['phpmailer_init' => function ($m) {
        $m->Subject = 'Ganz anders: ' . str_repeat('Größe ', 20);
    }]],
    'charset' => [['message' => "Gr\xfc\xdfe"], ['wp_mail_charset' => function () {
        return 'ISO-8859-1';
    }]],
    'HTML' => [['message' => '<h1>Grüße</h1>'], ['wp_mail_content_type' => function () {
        return 'text/html';
    }]],
    'own multipart' => [[
        'to' => 'to@example.net', 'subject' => 'Greetings', // WordPress fails on others here, with and without the plugin
        'message' => "--own=_1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--own=_1\r\n"
            . "Content-Type: text/html\r\n\r\n<p>hello</p>\r\n--own=_1--\r\n",
        'headers' => ['MIME-Version: 1.0', 'Content-Type: multipart/alternative; boundary="own=_1"'],
    ], []],
    'long line' => [['message' => $long], []],
    'custom headers' => [['headers' => ['X-Shop: Größe 1', 'X-Empty:', 'X-Long: ' . str_repeat('word ', 60), 'References: <a@example.org> <b@example.org>']], []],
    'From filters' => [['headers' => ['From: "Doe, Jane" <jane@example.org>']], [
        'wp_mail_from' => function () {
            return 'filter@example.org';
        },
        'wp_mail_from_name' => function () {
            return 'Zoë';
        },
    ]],
    'isSMTP' => [[], ['phpmailer_init' => function ($m) use ($port) {
        $m->isSMTP();
        $m->Host = '127.0.0.1';
        $m->Port = $port;
    }]],
];

$stock = function ($m) use ($port) {
    $m->isSMTP();
    $m->Host = '127.0.0.1';
    $m->Port = $port;
    $m->SMTPAutoTLS = false;
};
foreach ($cases as $name => [$args, $hooks]) {
    foreach (['stock', 'postilion'] as $arm) {
        if ($arm === 'stock') {
            $GLOBALS['phpmailer'] = null;
            add_action('phpmailer_init', $stock, 999999);
        } else {
            Postilion\WordPress\Plugin::takeMail();
        }
        $mark = function ($m) use ($name, $arm) {
            $m->addCustomHeader('X-Case', $name);
            $m->addCustomHeader('X-Arm', $arm);
        };
        add_action('phpmailer_init', $mark);
        foreach ($hooks as $hook => $do) {
            add_filter($hook, $do, 500);
        }
        $args += ['to' => 'Zoë <to@example.net>', 'subject' => 'Grüße', 'message' => "Hello\n.\nFrom me", 'headers' => '', 'attachments' => []];
        $said = wp_mail($args['to'], $args['subject'], $args['message'], $args['headers'], $args['attachments']);
        foreach ($hooks as $hook => $do) {
            remove_filter($hook, $do, 500);
        }
        remove_action('phpmailer_init', $mark);
        remove_action('phpmailer_init', $stock, 999999);
        printf("%s\t%s\t%s\n", $name, $arm, $said ? 'true' : 'false');
    }
}

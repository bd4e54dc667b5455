<?php

/*
 * Hands the mail of MediaWiki over to Postilion. In LocalSettings.php:
 *
 *     require_once '/path/of/PostilionMailer.php';
 */

require_once __DIR__ . '/../../sdk/php/autoload.php'; // with Composer: vendor/autoload.php

use Postilion\Client;
use Postilion\Envelope;
use Postilion\Exception\PostilionException;

// False says that the mail is done, a string is an error for the user.
$wgHooks['AlternateUserMailer'][] = static function ($headers, $to, $from, $subject, $body) {
    $headers['Subject'] = UserMailer::quotedPrintable($subject);
    // Several recipients are not to see each other, as with PHP's mail().
    $headers['To'] = count($to) === 1 ? reset($to)->toString() : 'undisclosed-recipients:;';
    $sender = $headers['Return-Path'] ?? $from->address;
    unset($headers['Return-Path']);
    $mime = '';
    foreach ($headers as $name => $value) {
        $mime .= "$name: $value\r\n";
    }
    $recipients = array_map(static function ($address) {
        return $address->address;
    }, $to);
    try {
        (new Client())->sendRaw("$mime\r\n$body", new Envelope($sender, $recipients));
    } catch (PostilionException $e) {
        return $e->getMessage();
    }
    return false;
};

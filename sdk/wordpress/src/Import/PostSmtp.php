<?php

namespace Postilion\WordPress\Import;

use Postilion\WordPress\ConnectionForm;

/** Post SMTP: the option postman_options, whose password is in base64 only. */
final class PostSmtp extends Source
{
    private const OPTION = 'postman_options';

    private const AUTHENTICATION = [
        'none' => 'none', 'plain' => 'plain', 'login' => 'login', 'crammd5' => 'cram-md5', 'oauth2' => 'xoauth2',
    ];

    public function id(): string
    {
        return 'post-smtp';
    }

    public function title(): string
    {
        return 'Post SMTP';
    }

    public function exists(): bool
    {
        return self::option(self::OPTION) !== [];
    }

    public function form(): ?ConnectionForm
    {
        $option = self::option(self::OPTION);
        if (self::text($option, 'hostname') === '' || !in_array(self::text($option, 'transport_type'), ['smtp', ''], true)) {
            return null;
        }
        $form = new ConnectionForm();
        $form->values = [
            'host' => self::text($option, 'hostname'),
            'port' => self::text($option, 'port'),
            'security' => self::security(self::text($option, 'enc_type'), false),
            'authentication' => self::AUTHENTICATION[self::text($option, 'auth_type')] ?? 'auto',
            'username' => self::text($option, 'basic_auth_username'),
            'from_address' => self::text($option, 'sender_email'),
            'from_name' => self::text($option, 'sender_name'),
            'force_from_address' => self::isOn(self::text($option, 'prevent_sender_email_override')),
            'force_from_name' => self::isOn(self::text($option, 'prevent_sender_name_override')),
            'reply_to' => self::text($option, 'reply_to'),
        ] + $form->values;
        return $form;
    }

    public function password(): string
    {
        $stored = self::text(self::option(self::OPTION), 'basic_auth_password');
        $text = base64_decode($stored, true);
        return $text !== false && base64_encode($text) === $stored && preg_match('/^[^\x00-\x1f\x7f]+$/u', $text) ? $text : '';
    }
}

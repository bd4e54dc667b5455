<?php

namespace Postilion\WordPress\Import;

use Postilion\WordPress\ConnectionForm;

/** WP Mail SMTP: the option wp_mail_smtp, whose password is encrypted. */
class WpMailSmtp extends Source
{
    protected const OPTION = 'wp_mail_smtp';

    public function id(): string
    {
        return 'wp-mail-smtp';
    }

    public function title(): string
    {
        return 'WP Mail SMTP';
    }

    public function exists(): bool
    {
        return self::option(static::OPTION) !== [];
    }

    public function form(): ?ConnectionForm
    {
        $option = self::option(static::OPTION);
        if (self::text($option, 'mail', 'mailer') !== 'smtp') {
            return null;
        }
        $form = new ConnectionForm();
        $form->values = [
            'host' => self::text($option, 'smtp', 'host'),
            'port' => self::text($option, 'smtp', 'port'),
            'security' => self::security(
                self::text($option, 'smtp', 'encryption'),
                self::isOn(self::text($option, 'smtp', 'autotls'))
            ),
            'authentication' => self::isOn(self::text($option, 'smtp', 'auth')) ? 'auto' : 'none',
            'username' => self::text($option, 'smtp', 'user'),
            'from_address' => self::text($option, 'mail', 'from_email'),
            'from_name' => self::text($option, 'mail', 'from_name'),
            'force_from_address' => self::isOn(self::text($option, 'mail', 'from_email_force')),
            'force_from_name' => self::isOn(self::text($option, 'mail', 'from_name_force')),
        ] + $form->values;
        return $form;
    }
}

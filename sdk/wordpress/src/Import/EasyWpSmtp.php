<?php

namespace Postilion\WordPress\Import;

use Postilion\WordPress\ConnectionForm;

/**
 * Easy WP SMTP: since version 2 the option easy_wp_smtp in the form of WP Mail
 * SMTP, before that swpsmtp_options.
 */
final class EasyWpSmtp extends WpMailSmtp
{
    protected const OPTION = 'easy_wp_smtp';
    private const OLD_OPTION = 'swpsmtp_options';

    public function id(): string
    {
        return 'easy-wp-smtp';
    }

    public function title(): string
    {
        return 'Easy WP SMTP';
    }

    public function exists(): bool
    {
        return parent::exists() || self::option(self::OLD_OPTION) !== [];
    }

    public function form(): ?ConnectionForm
    {
        if (!parent::exists()) {
            return self::oldForm();
        }
        $form = parent::form();
        if ($form !== null) {
            $form->values['reply_to'] = self::text(self::option(self::OPTION), 'mail', 'reply_to_email');
        }
        return $form;
    }

    private static function oldForm(): ?ConnectionForm
    {
        $option = self::option(self::OLD_OPTION);
        if (self::text($option, 'smtp_settings', 'host') === '') {
            return null;
        }
        $form = new ConnectionForm();
        $form->values = [
            'host' => self::text($option, 'smtp_settings', 'host'),
            'port' => self::text($option, 'smtp_settings', 'port'),
            'security' => self::security(self::text($option, 'smtp_settings', 'type_encryption'), false),
            'authentication' => self::isOn(self::text($option, 'smtp_settings', 'autentication')) ? 'auto' : 'none',
            'username' => self::text($option, 'smtp_settings', 'username'),
            'from_address' => self::text($option, 'from_email_field'),
            'from_name' => self::text($option, 'from_name_field'),
            'force_from_name' => self::isOn(self::text($option, 'force_from_name_replace')),
            'reply_to' => self::text($option, 'reply_to_email'),
        ] + $form->values;
        return $form;
    }
}

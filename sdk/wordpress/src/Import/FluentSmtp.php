<?php

namespace Postilion\WordPress\Import;

use Postilion\WordPress\ConnectionForm;

/** FluentSMTP: its default connection in the option fluentmail-settings, whose password is encrypted. */
final class FluentSmtp extends Source
{
    private const OPTION = 'fluentmail-settings';

    public function id(): string
    {
        return 'fluent-smtp';
    }

    public function title(): string
    {
        return 'FluentSMTP';
    }

    public function exists(): bool
    {
        return self::option(self::OPTION) !== [];
    }

    public function form(): ?ConnectionForm
    {
        $settings = $this->connection();
        if (self::text($settings, 'provider') !== 'smtp') {
            return null;
        }
        $form = new ConnectionForm();
        $form->values = [
            'host' => self::text($settings, 'host'),
            'port' => self::text($settings, 'port'),
            'security' => self::security(self::text($settings, 'encryption'), self::isOn(self::text($settings, 'auto_tls'))),
            'authentication' => self::isOn(self::text($settings, 'auth')) ? 'auto' : 'none',
            'username' => self::text($settings, 'username'),
            'from_address' => self::text($settings, 'sender_email'),
            'from_name' => self::text($settings, 'sender_name'),
            'force_from_address' => self::isOn(self::text($settings, 'force_from_email')),
            'force_from_name' => self::isOn(self::text($settings, 'force_from_name')),
        ] + $form->values;
        return $form;
    }

    public function passwordNote(): string
    {
        return $this->keepsInConfig()
            ? __('The password stands in wp-config.php (FLUENTMAIL_SMTP_PASSWORD) and is not taken over: enter it once.', 'postilion')
            : parent::passwordNote();
    }

    private function keepsInConfig(): bool
    {
        return self::text($this->connection(), 'key_store') === 'wp_config';
    }

    /** @return array<mixed> provider_settings of the default connection, else of the first */
    private function connection(): array
    {
        $option = self::option(self::OPTION);
        $connections = isset($option['connections']) && is_array($option['connections']) ? $option['connections'] : [];
        $default = self::text($option, 'misc', 'default_connection');
        $connection = $connections[$default] ?? reset($connections);
        $settings = is_array($connection) ? $connection['provider_settings'] ?? [] : [];
        return is_array($settings) ? $settings : [];
    }
}

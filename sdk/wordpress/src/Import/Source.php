<?php

namespace Postilion\WordPress\Import;

use Postilion\WordPress\ConnectionForm;

/**
 * Settings of another mail plugin, as it has stored them in the options.
 */
abstract class Source
{
    /** @return self[] */
    public static function all(): array
    {
        return [new WpMailSmtp(), new EasyWpSmtp(), new FluentSmtp(), new PostSmtp()];
    }

    public static function find(string $id): ?self
    {
        foreach (self::all() as $source) {
            if ($source->id() === $id && $source->exists()) {
                return $source;
            }
        }
        return null;
    }

    /** Name in addresses, such as "fluent-smtp". */
    abstract public function id(): string;

    /** Name of the plugin. */
    abstract public function title(): string;

    /** Whether the plugin has stored settings on this site. */
    abstract public function exists(): bool;

    /** The settings as ours; null if it does not send by SMTP. */
    abstract public function form(): ?ConnectionForm;

    /** The password, if it is stored so that it can be read. */
    public function password(): string
    {
        return '';
    }

    /** What happens to the password, for people. */
    public function passwordNote(): string
    {
        return $this->password() !== ''
            ? __('The stored password is taken over when you save.', 'postilion')
            : __('The password is stored encrypted and is not taken over: enter it once.', 'postilion');
    }

    /**
     * An option as an array; empty if it is none. Never objects: the option is
     * another plugin's.
     *
     * @return array<mixed>
     */
    protected static function option(string $name): array
    {
        $value = get_option($name);
        return is_array($value) ? $value : [];
    }

    /**
     * A text deep within an option.
     *
     * @param array<mixed> $option
     */
    protected static function text(array $option, string ...$path): string
    {
        foreach ($path as $key) {
            if (!is_array($option) || !isset($option[$key])) {
                return '';
            }
            $option = $option[$key];
        }
        return is_scalar($option) ? trim((string) $option) : '';
    }

    /** What stands for yes in options: true, 1, "1", "yes", "on", "true". */
    protected static function isOn(string $text): bool
    {
        return in_array(strtolower($text), ['1', 'yes', 'on', 'true'], true);
    }

    /** Our name for "ssl", "tls" and "none" or an empty one. */
    protected static function security(string $encryption, bool $opportunistic): string
    {
        switch (strtolower($encryption)) {
            case 'ssl':
                return 'tls';
            case 'tls':
                return 'starttls';
        }
        return $opportunistic ? 'opportunistic' : 'none';
    }
}

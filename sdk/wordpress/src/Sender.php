<?php

namespace Postilion\WordPress;

/**
 * Puts the site's own sender in the place of the one that WordPress makes up.
 * Mail that names a sender keeps it here; the sidecar replaces that, too, if
 * the connection says so.
 */
final class Sender
{
    public static function start(): void
    {
        // Early, so that others who filter have the last word.
        add_filter('wp_mail_from', [self::class, 'address'], 1);
        add_filter('wp_mail_from_name', [self::class, 'name'], 1);
    }

    /** @param mixed $address */
    public static function address($address)
    {
        $own = $address === Site::defaultFrom() ? Settings::site()->get('from_address') : '';
        return $own !== '' ? $own : $address;
    }

    /** @param mixed $name */
    public static function name($name)
    {
        $own = $name === 'WordPress' ? Settings::site()->get('from_name') : '';
        return $own !== '' ? $own : $name;
    }
}

<?php

namespace Postilion\WordPress;

/**
 * How the current site is known to the sidecar.
 */
final class Site
{
    /**
     * Its address as it is stored, which `postilion wordpress connect` reads too;
     * of home_url() plugins make one for each language.
     */
    public static function home(): string
    {
        return untrailingslashit((string) get_option('home'));
    }

    /** Where the sidecar believes it to be. A network is one client, known by its main site. */
    public static function origin(): string
    {
        return is_multisite() ? untrailingslashit((string) get_blog_option(get_main_site_id(), 'home')) : self::home();
    }

    /** A tag for the site's messages: its address without scheme, such as "example.com/blog". */
    public static function tag(): string
    {
        $parts = wp_parse_url(self::home());
        $host = is_array($parts) ? ($parts['host'] ?? '') . (isset($parts['port']) ? ':' . $parts['port'] : '') : '';
        $tag = rtrim($host . (is_array($parts) ? $parts['path'] ?? '' : ''), '/');
        $tag = preg_replace('/[^A-Za-z0-9.:\/_-]/', '_', $tag);
        return strlen($tag) > 64 ? substr($tag, 0, 31) . '~' . substr(md5($tag), 0, 32) : $tag;
    }

    /** A name for the connection that the site makes: its host, such as "example-com". */
    public static function connectionName(): string
    {
        $name = trim(preg_replace('/[^a-z0-9]+/', '-', strtolower(self::tag())), '-');
        return $name === '' ? 'wordpress' : rtrim(substr($name, 0, 63), '-');
    }

    /** The site's address before anything is set, as WordPress has it. */
    public static function defaultFrom(): string
    {
        $host = (string) wp_parse_url(network_home_url(), PHP_URL_HOST);
        return 'wordpress@' . preg_replace('/^www\./', '', $host);
    }
}

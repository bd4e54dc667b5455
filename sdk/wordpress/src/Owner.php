<?php

namespace Postilion\WordPress;

/**
 * Whose wp_mail() it is: another plugin may have its own, and then mail may
 * pass by the sidecar.
 */
final class Owner
{
    /** Name or path of who else sends the site's mail; empty if it is this plugin. */
    public static function other(): string
    {
        global $phpmailer;
        $file = self::file('wp_mail');
        if ($file !== self::real(ABSPATH . WPINC . '/pluggable.php')) {
            return self::name($file);
        }
        if (is_object($phpmailer) && !$phpmailer instanceof Mailer) {
            return self::name(self::fileOfClass(get_class($phpmailer)));
        }
        return '';
    }

    /** Whether somebody may answer for wp_mail() before it builds a message. */
    public static function preempts(): bool
    {
        return has_filter('pre_wp_mail') !== false;
    }

    private static function file(string $function): string
    {
        try {
            return self::real((string) (new \ReflectionFunction($function))->getFileName());
        } catch (\ReflectionException $e) {
            return '';
        }
    }

    private static function fileOfClass(string $class): string
    {
        return self::real((string) (new \ReflectionClass($class))->getFileName());
    }

    /** A path without links: installations share folders by them. */
    private static function real(string $path): string
    {
        return wp_normalize_path(realpath($path) ?: $path);
    }

    /** The name of the plugin that a file belongs to, else the file. */
    private static function name(string $file): string
    {
        $folder = self::real(WP_PLUGIN_DIR) . '/';
        if (strncmp($file, $folder, strlen($folder)) !== 0) {
            return str_replace(self::real(ABSPATH) . '/', '', $file);
        }
        $plugin = explode('/', substr($file, strlen($folder)))[0];
        if (!function_exists('get_plugins')) {
            require_once ABSPATH . 'wp-admin/includes/plugin.php';
        }
        foreach (get_plugins() as $path => $data) {
            if (explode('/', $path)[0] === $plugin) {
                return $data['Name'];
            }
        }
        return $plugin;
    }
}

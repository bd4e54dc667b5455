<?php

namespace Postilion\WordPress;

/**
 * Hooks the plugin into WordPress.
 */
final class Plugin
{
    public const VERSION = '0.1.0';

    /** Seconds between two looks for late failures from the admin's pages. */
    private const ADMIN_POLL = 60;

    /** Seconds that an admin's page waits for the sidecar because of that. */
    private const ADMIN_PATIENCE = 1.0;

    /** @var string path of the plugin's main file */
    private static $file = '';

    public static function start(string $file): void
    {
        self::$file = $file;
        register_activation_hook($file, [self::class, 'activate']);
        register_deactivation_hook($file, [self::class, 'deactivate']);

        // After all plugins that put their own mailer there, whatever priority they use.
        add_action('plugins_loaded', [self::class, 'takeMail'], PHP_INT_MAX);
        Sender::start();
        add_action('wp_mail_succeeded', [PendingMail::class, 'complete']);
        add_action('shutdown', [PendingMail::class, 'flush'], PHP_INT_MAX);

        add_filter('cron_schedules', [self::class, 'schedules']);
        add_action(Failures::HOOK, [Failures::class, 'poll']);
        add_action('init', [self::class, 'schedule']);
        add_action('init', [self::class, 'loadTranslations']);
        add_action('admin_init', [self::class, 'pollFromAdmin']);
        add_action('wp_initialize_site', [self::class, 'initializeSite'], 20);
        add_filter('wpmu_drop_tables', [self::class, 'dropTables'], 10, 2);

        add_filter('site_status_tests', [SiteHealth::class, 'tests']);
        add_filter('debug_information', [SiteHealth::class, 'information']);
        if (is_admin()) {
            Admin\Screen::start();
        }
        if (defined('WP_CLI') && WP_CLI) {
            \WP_CLI::add_command('postilion', Cli::class);
        }
    }

    public static function takeMail(): void
    {
        $GLOBALS['phpmailer'] = new Mailer(); // phpcs:ignore WordPress.WP.GlobalVariablesOverride
    }

    /** The plugin's folder as a URL, with a slash. */
    public static function url(): string
    {
        return plugin_dir_url(self::$file);
    }

    public static function basename(): string
    {
        return plugin_basename(self::$file);
    }

    public static function activate(bool $network = false): void
    {
        self::eachSite($network, [self::class, 'installSite']);
    }

    public static function deactivate(bool $network = false): void
    {
        self::eachSite($network, static function (): void {
            wp_clear_scheduled_hook(Failures::HOOK);
        });
    }

    /** Makes what the plugin needs on the current site. */
    public static function installSite(): void
    {
        PendingMail::install();
        Failures::begin();
    }

    /** A site that joins a network where the plugin is active. */
    public static function initializeSite(\WP_Site $site): void
    {
        if (!function_exists('is_plugin_active_for_network')) {
            require_once ABSPATH . 'wp-admin/includes/plugin.php';
        }
        if (is_plugin_active_for_network(self::basename())) {
            switch_to_blog((int) $site->blog_id);
            self::installSite();
            restore_current_blog();
        }
    }

    /**
     * A site that leaves takes its table along.
     *
     * @param string[] $tables
     *
     * @return string[]
     */
    public static function dropTables($tables, int $site = 0): array
    {
        $tables[] = $GLOBALS['wpdb']->get_blog_prefix($site) . 'postilion_pending';
        return $tables;
    }

    /**
     * @param array<string, array<string, mixed>> $schedules
     *
     * @return array<string, array<string, mixed>>
     */
    public static function schedules($schedules): array
    {
        $schedules['postilion'] = ['interval' => Failures::INTERVAL, 'display' => __('Every five minutes', 'postilion')];
        return $schedules;
    }

    public static function schedule(): void
    {
        if (!wp_next_scheduled(Failures::HOOK)) {
            wp_schedule_event(time() + Failures::INTERVAL, 'postilion', Failures::HOOK);
        }
    }

    public static function loadTranslations(): void
    {
        load_plugin_textdomain('postilion', false, dirname(self::basename()) . '/languages');
    }

    /** Admins see failures at once, also where WP-Cron does not run. */
    public static function pollFromAdmin(): void
    {
        if (wp_doing_ajax() || !current_user_can('manage_options') || get_transient('postilion_polled')) {
            return;
        }
        set_transient('postilion_polled', 1, self::ADMIN_POLL);
        Failures::poll(self::ADMIN_PATIENCE);
    }

    /** Asks the sidecar about itself when the visitor has got the page. */
    public static function askLater(): void
    {
        if (has_action('shutdown', [self::class, 'ask']) === false) {
            add_action('shutdown', [self::class, 'ask'], 20);
        }
    }

    public static function ask(): void
    {
        try {
            Peer::ask(Settings::site());
        } catch (Sdk\Exception\PostilionException $e) {
            // It is asked again with the next message.
        }
    }

    /** Removes everything that the plugin has stored for the current site. */
    public static function deleteSite(): void
    {
        wp_clear_scheduled_hook(Failures::HOOK);
        delete_transient('postilion_polled');
        Settings::delete();
        Failures::delete();
        Peer::forget();
        PendingMail::uninstall();
    }

    private static function eachSite(bool $network, callable $do): void
    {
        if (!$network || !is_multisite()) {
            $do();
            return;
        }
        foreach (get_sites(['fields' => 'ids', 'number' => 0]) as $id) {
            switch_to_blog((int) $id);
            $do();
            restore_current_blog();
        }
    }
}

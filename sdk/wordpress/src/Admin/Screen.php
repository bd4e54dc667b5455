<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Peer;
use Postilion\WordPress\Plugin;
use Postilion\WordPress\Settings;

/**
 * The page Settings > Postilion, of a site or of the network.
 */
final class Screen
{
    public const SLUG = 'postilion';

    /** @var Settings */
    private $settings;

    /** @var array<string, Tab> */
    private $tabs;

    private function __construct(Settings $settings)
    {
        $this->settings = $settings;
        // A site's admin changes only what the network has left to the site.
        $this->tabs = array_filter([
            'sidecar' => $settings->isOpen() ? new SidecarTab($this) : null,
            'connection' => $settings->ownsConnection() ? new ConnectionTab($this) : null,
            'test' => $settings->isNetwork() ? null : new TestTab($this),
            'messages' => $settings->isNetwork() ? null : new MessagesTab($this),
            'import' => !$settings->isNetwork() && $settings->ownsConnection() ? new ImportTab($this) : null,
        ]);
    }

    public static function start(): void
    {
        add_action('admin_menu', static function (): void {
            self::register(Settings::site());
        });
        add_action('network_admin_menu', static function (): void {
            self::register(Settings::network());
        });
        add_filter('plugin_action_links_' . Plugin::basename(), static function ($links): array {
            $link = sprintf('<a href="%s">%s</a>', esc_url(self::address(false)), esc_html__('Settings', 'postilion'));
            return array_merge([$link], (array) $links);
        });
        Notices::start();
    }

    /** The page's address. */
    public static function address(bool $network, string $tab = '', array $more = []): string
    {
        $base = $network ? network_admin_url('settings.php') : admin_url('options-general.php');
        return add_query_arg(array_filter(['page' => self::SLUG, 'tab' => $tab]) + array_map('rawurlencode', $more), $base);
    }

    public function url(string $tab, array $more = []): string
    {
        return self::address($this->settings->isNetwork(), $tab, $more);
    }

    public function settings(): Settings
    {
        return $this->settings;
    }

    /**
     * Goes to a tab, where a notice is shown.
     *
     * @param string[] $paragraphs
     */
    public function go(string $tab, string $kind, array $paragraphs, array $more = []): void
    {
        set_transient(self::flash(), [$kind, $paragraphs], MINUTE_IN_SECONDS);
        wp_redirect($this->url($tab, $more)); // not the safe one: the admin may be on another host than the site
        exit;
    }

    /** Value of a field of the form that was sent, as it was typed. */
    public static function posted(string $name): string
    {
        // The nonce was checked by handle().
        $value = wp_unslash($_POST[$name] ?? ''); // phpcs:ignore WordPress.Security
        return is_string($value) ? trim($value) : '';
    }

    private static function register(Settings $settings): void
    {
        $screen = new self($settings);
        $capability = $settings->isNetwork() ? 'manage_network_options' : 'manage_options';
        $parent = $settings->isNetwork() ? 'settings.php' : 'options-general.php';
        $hook = add_submenu_page(
            $parent,
            __('Postilion', 'postilion'),
            __('Postilion', 'postilion'),
            $capability,
            self::SLUG,
            [$screen, 'render']
        );
        if ($hook !== false) {
            add_action('load-' . $hook, [$screen, 'handle']);
        }
    }

    /** Deals with what was sent, before anything is printed. */
    public function handle(): void
    {
        wp_enqueue_style('postilion', Plugin::url() . 'assets/admin.css', ['dashicons'], Plugin::VERSION);
        wp_enqueue_script('postilion', Plugin::url() . 'assets/admin.js', [], Plugin::VERSION, true);
        wp_localize_script('postilion', 'postilionTexts', [
            'working' => __('Working…', 'postilion'),
            'failed' => __('The page did not answer. Try again.', 'postilion'),
        ]);
        if (($_SERVER['REQUEST_METHOD'] ?? '') !== 'POST') {
            return;
        }
        check_admin_referer(self::SLUG);
        if (!current_user_can($this->settings->isNetwork() ? 'manage_network_options' : 'manage_options')) {
            self::forbid();
        }
        $tab = self::asked();
        if (!isset($this->tabs[$tab])) {
            self::forbid();
        }
        $this->tabs[$tab]->handle();
    }

    public function render(): void
    {
        $current = $this->current();
        echo '<div class="wrap postilion"><h1>', esc_html__('Postilion', 'postilion'), '</h1>';
        printf('<nav class="nav-tab-wrapper" aria-label="%s">', esc_attr__('Settings of Postilion', 'postilion'));
        foreach ($this->tabs as $name => $tab) {
            printf(
                '<a href="%s" class="nav-tab%s"%s>%s</a>',
                esc_url($this->url($name)),
                $name === $current ? ' nav-tab-active' : '',
                $name === $current ? ' aria-current="page"' : '',
                esc_html($tab->title())
            );
        }
        echo '</nav><hr class="wp-header-end">';
        $flash = get_transient(self::flash());
        if (is_array($flash)) {
            delete_transient(self::flash());
            printf(
                '<div class="notice notice-%s is-dismissible" role="status">%s</div>',
                esc_attr($flash[0]),
                Html::paragraphs($flash[1]) // phpcs:ignore WordPress.Security.EscapeOutput
            );
        }
        $this->tabs[$current]->render();
        echo '</div>';
    }

    private static function forbid(): void
    {
        wp_die(esc_html__('Sorry, you are not allowed to do that.', 'postilion'), 403);
    }

    private function current(): string
    {
        $first = Peer::known($this->settings) === null ? 'sidecar' : 'connection';
        foreach ([self::asked(), $first] as $tab) {
            if (isset($this->tabs[$tab])) {
                return $tab;
            }
        }
        return (string) array_key_first($this->tabs);
    }

    /** The tab that the address names. */
    private static function asked(): string
    {
        return isset($_GET['tab']) && is_string($_GET['tab']) ? sanitize_key($_GET['tab']) : ''; // phpcs:ignore WordPress.Security.NonceVerification
    }

    private static function flash(): string
    {
        return 'postilion_flash_' . get_current_user_id();
    }
}

<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Failures;
use Postilion\WordPress\Owner;
use Postilion\WordPress\Peer;
use Postilion\WordPress\Settings;

/**
 * What admins must hear of on the pages where they are: another plugin that
 * sends the mail, and mail that failed.
 */
final class Notices
{
    private const DISMISS = 'postilion_dismiss';

    /** Failures that a notice names; the rest is in the list of messages. */
    private const SHOWN = 3;

    public static function start(): void
    {
        add_action('admin_notices', [self::class, 'show']);
        add_action('admin_post_' . self::DISMISS, [self::class, 'dismiss']);
    }

    /** The text about somebody else who sends the mail. */
    public static function otherOwner(string $owner): string
    {
        return sprintf(
            /* translators: %s: name of a plugin, or a path */
            __('Mail of this site may not go through Postilion: %s sends it. Deactivate that one, or its sending.', 'postilion'),
            $owner
        );
    }

    public static function show(): void
    {
        if (!current_user_can('manage_options')) {
            return;
        }
        $screen = get_current_screen();
        $ours = $screen !== null && $screen->id === 'settings_page_' . Screen::SLUG;
        if (!$ours && ($screen === null || !in_array($screen->base, ['dashboard', 'plugins'], true))) {
            return;
        }
        // phpcs:disable WordPress.Security.EscapeOutput
        if (Owner::other() !== '') {
            echo self::notice('warning', Html::paragraphs([self::otherOwner(Owner::other())]));
        }
        $peer = Peer::known(Settings::site());
        if ($peer !== null && $peer->notices() !== []) {
            echo self::notice('warning', Html::paragraphs(
                /* translators: %s: what the sidecar says */
                [sprintf(__('Postilion: %s', 'postilion'), implode(' ', $peer->notices()))]
            ));
        }
        $failures = Failures::recent();
        if ($failures !== []) {
            echo self::notice('error', self::failures($failures));
        }
        // phpcs:enable
    }

    public static function dismiss(): void
    {
        check_admin_referer(self::DISMISS);
        if (!current_user_can('manage_options')) {
            wp_die(esc_html__('Sorry, you are not allowed to do that.', 'postilion'), 403);
        }
        Failures::dismiss();
        wp_redirect(admin_url());
        exit;
    }

    /** @param array<int, array<string, mixed>> $failures */
    private static function failures(array $failures): string
    {
        $items = array_map(static function (array $failure): string {
            return '<li><strong>' . esc_html($failure['subject']) . '</strong> ' . esc_html($failure['text']) . '</li>';
        }, array_slice($failures, 0, self::SHOWN));
        return '<p>' . esc_html(sprintf(
            /* translators: %s: a number */
            _n('%s message could not be delivered:', '%s messages could not be delivered:', count($failures), 'postilion'),
            number_format_i18n(count($failures))
        )) . '</p><ul class="ul-disc">' . implode('', $items) . '</ul><p>' . sprintf(
            '<a class="button" href="%s">%s</a> <a class="button-link" href="%s">%s</a></p>',
            esc_url(Screen::address(false, 'messages', ['state' => 'failed'])),
            esc_html__('See them', 'postilion'),
            esc_url(wp_nonce_url(admin_url('admin-post.php?action=' . self::DISMISS), self::DISMISS)),
            esc_html__('Dismiss', 'postilion')
        );
    }

    private static function notice(string $kind, string $html): string
    {
        return '<div class="notice notice-' . esc_attr($kind) . '">' . $html . '</div>';
    }
}

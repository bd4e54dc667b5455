<?php

namespace Postilion\WordPress;

/**
 * Remembers what was handed over until it has reached its end, so that a
 * failure hours later comes back to the site with the arguments of wp_mail(),
 * as wp_mail_failed tells them. They are stored encrypted, since mail carries
 * links to reset passwords, and at the end of the request, since the visitor
 * waits for it.
 */
final class PendingMail
{
    /** How long what never ended is remembered. */
    private const DAYS = 40;

    /** Texts beyond this are not worth keeping for a report. */
    private const MAX_TEXT = 1 << 20;

    /** What waits in memory before it is stored. */
    private const BATCH = 20;

    /** @var array<string, array{recipients: int, context: array<string, mixed>}> by Message-ID */
    private static $unsaved = [];

    /** @var string Message-ID of the message that was handed over last */
    private static $last = '';

    public static function table(): string
    {
        return $GLOBALS['wpdb']->prefix . 'postilion_pending';
    }

    public static function install(): void
    {
        require_once ABSPATH . 'wp-admin/includes/upgrade.php';
        $charset = $GLOBALS['wpdb']->get_charset_collate();
        // dbDelta demands this very form.
        dbDelta('CREATE TABLE ' . self::table() . " (
            digest binary(32) NOT NULL,
            recipients int unsigned NOT NULL,
            created datetime NOT NULL,
            context longblob NOT NULL,
            PRIMARY KEY  (digest),
            KEY created (created)
        ) $charset;");
    }

    public static function uninstall(): void
    {
        $GLOBALS['wpdb']->query('DROP TABLE IF EXISTS ' . self::table()); // phpcs:ignore WordPress.DB
    }

    /** @param int $recipients that will come to an end, each with an event */
    public static function remember(Letter $letter, int $recipients): void
    {
        if ($letter->messageId === '') {
            return;
        }
        self::$last = $letter->messageId;
        self::$unsaved[$letter->messageId] = ['recipients' => $recipients, 'context' => $letter->context];
        if (count(self::$unsaved) > self::BATCH) {
            self::flush();
        }
    }

    /**
     * Takes the very arguments that wp_mail() has, which wp_mail_succeeded
     * gives just after the message was handed over.
     *
     * @param mixed $data to, subject, message, headers, attachments, ...
     */
    public static function complete($data): void
    {
        if (is_array($data) && isset(self::$unsaved[self::$last])) {
            self::$unsaved[self::$last]['context'] = $data;
        }
        self::$last = '';
    }

    /** Stores what waits in memory. */
    public static function flush(): void
    {
        global $wpdb;
        if (self::$unsaved === []) {
            return;
        }
        $rows = [];
        foreach (self::$unsaved as $messageId => $mail) {
            $context = $mail['context'];
            if (isset($context['message']) && strlen(wp_json_encode($context['message']) ?: '') > self::MAX_TEXT) {
                $context['message'] = __('(too long to be kept)', 'postilion');
            }
            try {
                // The text need not be UTF-8, and plugins put into it what they like.
                $context = serialize($context);
            } catch (\Throwable $e) {
                continue;
            }
            $rows[] = $wpdb->prepare(
                '(UNHEX(%s), %d, UTC_TIMESTAMP(), %s)',
                hash('sha256', $messageId),
                $mail['recipients'],
                Vault::seal($context)
            );
        }
        self::$unsaved = [];
        if ($rows === []) {
            return;
        }
        $hide = $wpdb->suppress_errors(true);
        $wpdb->query('REPLACE INTO ' . self::table() . ' (digest, recipients, created, context) VALUES ' . implode(', ', $rows));
        $wpdb->suppress_errors($hide);
    }

    /**
     * The arguments of a message, or null if it is not one of this site's.
     *
     * @return array<string, mixed>|null
     */
    public static function find(string $messageId): ?array
    {
        global $wpdb;
        self::flush();
        $sealed = $wpdb->get_var($wpdb->prepare(
            'SELECT context FROM ' . self::table() . ' WHERE digest = UNHEX(%s)',
            hash('sha256', $messageId)
        ));
        if ($sealed === null) {
            return null;
        }
        $context = @unserialize(Vault::open($sealed), ['allowed_classes' => false]);
        return is_array($context) ? $context : [];
    }

    /**
     * Recipients have come to an end; after a message's last one nothing is kept
     * of it.
     *
     * @param string[] $messageIds the Message-ID for each of them
     */
    public static function ended(array $messageIds): void
    {
        global $wpdb;
        self::flush();
        foreach (array_count_values($messageIds) as $messageId => $count) {
            $wpdb->query($wpdb->prepare(
                'UPDATE ' . self::table() . ' SET recipients = GREATEST(recipients, %d) - %d WHERE digest = UNHEX(%s)',
                $count,
                $count,
                hash('sha256', (string) $messageId)
            ));
        }
        $wpdb->query('DELETE FROM ' . self::table() . ' WHERE recipients = 0');
    }

    /** Forgets what is too old to come back. */
    public static function prune(): void
    {
        global $wpdb;
        $wpdb->query($wpdb->prepare(
            'DELETE FROM ' . self::table() . ' WHERE created < UTC_TIMESTAMP() - INTERVAL %d DAY',
            self::DAYS
        ));
    }
}

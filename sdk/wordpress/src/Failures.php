<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Exception\NotFoundException;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Sdk\Messages;

/**
 * Brings back what failed after wp_mail() had returned: asks the sidecar for
 * the events since the last time, fires wp_mail_failed as WordPress would have
 * done, and keeps a list for the admin.
 */
final class Failures
{
    public const HOOK = 'postilion_poll';
    public const INTERVAL = 300;

    private const SEQUENCE = 'postilion_sequence';
    private const RECENT = 'postilion_failures';
    private const LOCK = 'postilion_poll_lock';

    /** Seconds after which a lock is that of a process that died. */
    private const LOCK_LIFE = 120;

    /** Seconds that a request may need until it has stored what it handed over. */
    private const GRACE = 120;

    private const MAX_RECENT = 20;
    private const PAGE = 200;
    private const MAX_PAGES = 20;

    /** @var Settings */
    private $settings;

    /** @var Messages */
    private $messages;

    private function __construct(Settings $settings, Messages $messages)
    {
        $this->settings = $settings;
        $this->messages = $messages;
    }

    /**
     * Asks and reports, unless another process is at it. A sidecar that is away
     * is asked again next time.
     */
    public static function poll(?float $timeout = null): void
    {
        $settings = Settings::site();
        if (!self::lock()) {
            return;
        }
        try {
            $peer = Peer::ask($settings, $timeout);
            if ($peer->may('read')) {
                $client = Sidecar::client($settings, $timeout === null ? [] : ['timeout' => $timeout]);
                (new self($settings, $client->messages()))->run();
            }
            PendingMail::prune();
        } catch (PostilionException $e) {
            // The state of the sidecar is shown in the settings and in Site Health.
        } finally {
            delete_option(self::LOCK);
        }
    }

    /**
     * The failures that came back, newest first.
     *
     * @return array<int, array{time: int, id: string, subject: string, recipients: string[], text: string}>
     */
    public static function recent(): array
    {
        $list = get_option(self::RECENT, []);
        return is_array($list) ? $list : [];
    }

    /** Forgets the list: the admin has seen it. */
    public static function dismiss(): void
    {
        delete_option(self::RECENT);
    }

    /** Removes all that this class has stored. */
    public static function delete(): void
    {
        foreach ([self::SEQUENCE, self::RECENT, self::LOCK] as $option) {
            delete_option($option);
        }
    }

    private function run(): void
    {
        $began = time();
        $since = $this->start();
        for ($page = 0; $page < self::MAX_PAGES; $page++) {
            $answer = $this->messages->events($since['sequence'], 0.0, [
                'types' => ['SENT', 'FAILED', 'EXPIRED', 'CANCELLED'],
                'pageSize' => self::PAGE,
            ]);
            $done = $this->take($answer['events'], $since['time']);
            $next = $done ?? $answer['lastSequence'];
            $end = $done !== null || count($answer['events']) < self::PAGE;
            $since['sequence'] = max($next, $since['sequence']);
            $since['polled'] = $end ? $began : $since['polled'];
            update_option(self::SEQUENCE, $since, false);
            if ($end) {
                return;
            }
        }
    }

    /** What fails from now on is the site's concern. */
    public static function begin(): void
    {
        add_option(self::SEQUENCE, ['sequence' => 0, 'time' => time(), 'polled' => 0, 'fingerprint' => ''], '', false);
    }

    /**
     * Where to go on. What happened before the plugin came is not its concern.
     * Another sidecar counts anew, and so does the same one under another
     * address or token: what was dealt with until the last time is told by its
     * time then.
     *
     * @return array{sequence: int, time: int, polled: int, fingerprint: string}
     */
    private function start(): array
    {
        $since = get_option(self::SEQUENCE);
        if (!is_array($since) || $since['fingerprint'] !== $this->settings->fingerprint()) {
            $time = is_array($since) ? max($since['time'], ($since['polled'] ?? 0) - self::GRACE) : time() - self::GRACE;
            $since = ['sequence' => 0, 'time' => $time, 'polled' => 0, 'fingerprint' => $this->settings->fingerprint()];
            update_option(self::SEQUENCE, $since, false);
        }
        return $since + ['polled' => 0];
    }

    /**
     * Deals with events.
     *
     * @param array<int, array<string, mixed>> $events
     *
     * @return int|null the sequence number to go on after, if it stopped before the end
     */
    private function take(array $events, int $from): ?int
    {
        $failed = [];
        $ended = [];
        $stop = null;
        foreach ($events as $event) {
            $messageId = (string) ($event['messageId'] ?? '');
            $time = (int) strtotime((string) ($event['time'] ?? ''));
            if ($time < $from) {
                continue;
            }
            if (in_array($event['type'] ?? '', ['EVENT_TYPE_FAILED', 'EVENT_TYPE_EXPIRED'], true)) {
                $known = isset($failed[$messageId]) || PendingMail::find($messageId) !== null;
                if (!$known && !$this->isOurs((string) ($event['id'] ?? ''))) {
                    continue;
                }
                if (!$known && $time > time() - self::GRACE) {
                    $stop = (int) $event['sequence'] - 1; // the request that has sent it goes on
                    break;
                }
                $failed[$messageId][] = $event;
            }
            $ended[] = $messageId;
        }
        foreach ($failed as $messageId => $about) {
            $this->report((string) $messageId, $about);
        }
        if ($ended !== []) {
            PendingMail::ended($ended);
        }
        return $stop;
    }

    /** Whether a message that is not remembered carries this site's tag. */
    private function isOurs(string $id): bool
    {
        try {
            return in_array(Site::tag(), $this->messages->get($id)['tags'] ?? [], true);
        } catch (NotFoundException $e) {
            return false;
        }
    }

    /**
     * @param array<int, array<string, mixed>> $events of one message, one for each recipient
     */
    private function report(string $messageId, array $events): void
    {
        $context = PendingMail::find($messageId);
        if ($context === null || $context === []) {
            $context = $this->fromSidecar((string) $events[0]['id']);
        }
        $recipients = array_map([self::class, 'recipient'], $events);
        $lines = array_map(static function (array $recipient): string {
            return $recipient['address'] . ': ' . $recipient['reply'];
        }, $recipients);
        $text = sprintf(
            /* translators: %s: addresses, each with what the mail server said */
            __('The message could not be delivered. %s', 'postilion'),
            implode('; ', $lines)
        );
        $context['phpmailer_exception_code'] = 0;
        $context['postilion'] = [
            'id' => (string) $events[0]['id'],
            'message_id' => $messageId,
            'recipients' => $recipients,
        ];
        $this->note($context, $text);
        try {
            /** This action is documented in wp-includes/pluggable.php */
            do_action('wp_mail_failed', new \WP_Error('wp_mail_failed', $text, $context));
        } catch (\Throwable $e) {
            // Else the same failure would come again at each look, and none after it.
            trigger_error(esc_html('wp_mail_failed: ' . $e->getMessage()), E_USER_WARNING);
        }
    }

    /**
     * @param array<string, mixed> $event
     *
     * @return array{address: string, state: string, code: int, enhanced_code: string, reply: string}
     */
    private static function recipient(array $event): array
    {
        $outcome = $event['outcome'] ?? [];
        $reply = (string) ($outcome['reply'] ?? '');
        return [
            'address' => (string) ($event['address'] ?? ''),
            'state' => strtolower(str_replace('EVENT_TYPE_', '', (string) $event['type'])),
            'code' => (int) ($outcome['code'] ?? 0),
            'enhanced_code' => (string) ($outcome['enhancedCode'] ?? ''),
            'reply' => $reply !== '' ? $reply : (string) ($event['reason'] ?? ''),
        ];
    }

    /**
     * What the sidecar knows of a message whose arguments are not remembered.
     *
     * @return array<string, mixed>
     */
    private function fromSidecar(string $id): array
    {
        $message = $this->messages->get($id);
        return [
            'to' => array_column($message['recipients'] ?? [], 'address'),
            'subject' => (string) ($message['subject'] ?? ''),
            'message' => '',
            'headers' => [],
            'attachments' => [],
        ];
    }

    /** @param array<string, mixed> $context */
    private function note(array $context, string $text): void
    {
        $list = self::recent();
        array_unshift($list, [
            'time' => time(),
            'id' => $context['postilion']['id'],
            'subject' => is_string($context['subject'] ?? null) ? mb_substr($context['subject'], 0, 200) : '',
            'recipients' => array_column($context['postilion']['recipients'], 'address'),
            'text' => mb_substr($text, 0, 1000),
        ]);
        update_option(self::RECENT, array_slice($list, 0, self::MAX_RECENT), false);
    }

    /** Takes the lock, also from a process that has died. */
    private static function lock(): bool
    {
        global $wpdb;
        $insert = $wpdb->prepare(
            "INSERT IGNORE INTO $wpdb->options (option_name, option_value, autoload) VALUES (%s, %d, 'no')",
            self::LOCK,
            time()
        );
        if ($wpdb->query($insert)) {
            return true;
        }
        return (bool) $wpdb->query($wpdb->prepare(
            "UPDATE $wpdb->options SET option_value = %d WHERE option_name = %s AND option_value < %d",
            time(),
            self::LOCK,
            time() - self::LOCK_LIFE
        ));
    }
}

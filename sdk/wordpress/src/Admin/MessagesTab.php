<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Peer;
use Postilion\WordPress\Sdk\Exception\NotFoundException;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Sdk\Messages;
use Postilion\WordPress\Sidecar;
use Postilion\WordPress\Site;

/** The site's recent messages: what became of them, and sending them again. */
final class MessagesTab implements Tab
{
    private const PAGE = 20;

    /** The actions that a message's state allows, by their forms' names. What has come to an end needs its content. */
    private const ACTIONS = [
        'QUEUED' => ['cancel'],
        'DEFERRED' => ['resend', 'cancel'],
        'HELD' => ['release', 'cancel'],
        'FAILED' => ['resend'],
        'EXPIRED' => ['resend'],
    ];

    /** @var Screen */
    private $screen;

    public function __construct(Screen $screen)
    {
        $this->screen = $screen;
    }

    public function title(): string
    {
        return __('Messages', 'postilion');
    }

    public function handle(): void
    {
        $id = Screen::posted('id');
        try {
            $messages = Sidecar::client($this->screen->settings())->messages();
            $this->find($messages, $id);
            if (Screen::posted('resend') !== '') {
                $messages->resend($id);
                $text = __('The message is sent again.', 'postilion');
            } elseif (Screen::posted('release') !== '') {
                $messages->release($id);
                $text = __('The message goes out.', 'postilion');
            } else {
                $messages->cancel($id);
                $text = __('The message was cancelled.', 'postilion');
            }
        } catch (PostilionException $e) {
            $this->screen->go('messages', 'error', [$e->getMessage()]);
            return;
        }
        $this->screen->go('messages', 'success', [$text]);
    }

    public function render(): void
    {
        try {
            $peer = Peer::ask($this->screen->settings());
            if (!$peer->may('read')) {
                echo Html::notice('info', [sprintf( // phpcs:ignore WordPress.Security.EscapeOutput
                    /* translators: %s: a command */
                    __('This site has not the right to see its messages. To give it, run on the server: %s', 'postilion'),
                    'postilion clients update ' . $peer->client() . ' --scope ' . implode(',', array_merge($peer->scopes(), ['read']))
                )]);
                return;
            }
            $messages = Sidecar::client($this->screen->settings())->messages();
            if (self::asked('message') !== '') {
                $this->details($this->find($messages, self::asked('message'), 'full'));
                return;
            }
            $this->table($messages);
        } catch (PostilionException $e) {
            echo Html::notice('error', [$e->getMessage()]); // phpcs:ignore WordPress.Security.EscapeOutput
        }
    }

    /** A state for people. */
    public static function stateName(string $state): string
    {
        $names = [
            'QUEUED' => __('Waiting', 'postilion'),
            'SENDING' => __('Being sent', 'postilion'),
            'DEFERRED' => __('Tried again later', 'postilion'),
            'HELD' => __('Held', 'postilion'),
            'SENT' => __('Sent', 'postilion'),
            'FAILED' => __('Failed', 'postilion'),
            'EXPIRED' => __('Given up', 'postilion'),
            'CANCELLED' => __('Cancelled', 'postilion'),
            'SUPPRESSED' => __('Suppressed', 'postilion'),
        ];
        return $names[$state] ?? $state;
    }

    /**
     * What became of one recipient, as HTML.
     *
     * @param array<string, mixed> $recipient RecipientStatus of the API
     */
    public static function outcome(array $recipient): string
    {
        $outcome = $recipient['outcome'] ?? [];
        $html = self::sign(self::state($recipient['state'] ?? ''));
        if (!empty($recipient['reason'])) {
            $html .= ' ' . esc_html($recipient['reason']);
        }
        if (!empty($recipient['nextAttempt'])) {
            /* translators: %s: date and time */
            $html .= ' ' . esc_html(sprintf(__('Next attempt: %s.', 'postilion'), self::time($recipient['nextAttempt'])));
        }
        return $html . (empty($outcome['reply']) ? '' : '<pre class="postilion-server">' . esc_html($outcome['reply']) . '</pre>');
    }

    /**
     * A message, if it is this site's: the sites of a network share a client.
     *
     * @return array<string, mixed>
     */
    private function find(Messages $messages, string $id, string $view = 'basic'): array
    {
        $message = $messages->get($id, $view);
        if (is_multisite() && !in_array(Site::tag(), $message['tags'] ?? [], true)) {
            throw NotFoundException::make('not_found', 'message', __('There is no such message.', 'postilion'));
        }
        return $message;
    }

    private function table(Messages $messages): void
    {
        $filter = ['pageSize' => self::PAGE, 'pageToken' => self::asked('from')];
        $states = ['FAILED' => ['FAILED', 'EXPIRED'], 'WAITING' => ['QUEUED', 'SENDING', 'DEFERRED', 'HELD']];
        $view = strtoupper(self::asked('state'));
        if (isset($states[$view])) {
            $filter['states'] = $states[$view];
        }
        if (is_multisite()) {
            $filter['tag'] = Site::tag();
        }
        $page = $messages->list($filter);
        // phpcs:disable WordPress.Security.EscapeOutput
        echo $this->views($view), '<table class="wp-list-table widefat fixed striped table-view-list"><thead><tr>';
        foreach (
            [
            'date' => __('Date', 'postilion'),
            'subject' => __('Subject', 'postilion'),
            'to' => __('To', 'postilion'),
            'state' => __('State', 'postilion'),
            ] as $class => $title
        ) {
            printf('<th scope="col" class="column-postilion-%s">%s</th>', esc_attr($class), esc_html($title));
        }
        echo '</tr></thead><tbody>';
        if ($page['messages'] === []) {
            echo '<tr><td colspan="4">', esc_html__('No messages.', 'postilion'), '</td></tr>';
        }
        foreach ($page['messages'] as $message) {
            echo $this->line($message);
        }
        echo '</tbody></table>';
        if ($page['nextPageToken'] !== '') {
            printf(
                '<p><a class="button" href="%s">%s</a></p>',
                esc_url($this->screen->url('messages', array_filter(['state' => strtolower($view), 'from' => $page['nextPageToken']]))),
                esc_html__('Older messages', 'postilion')
            );
        }
        // phpcs:enable
    }

    private function views(string $current): string
    {
        $items = [];
        foreach (['' => __('All', 'postilion'), 'WAITING' => __('Waiting', 'postilion'), 'FAILED' => __('Failed', 'postilion')] as $view => $title) {
            $items[] = sprintf(
                '<li><a href="%s"%s>%s</a>',
                esc_url($this->screen->url('messages', array_filter(['state' => strtolower($view)]))),
                $view === $current ? ' class="current" aria-current="page"' : '',
                esc_html($title)
            );
        }
        return '<ul class="subsubsub">' . implode(" |</li>\n", $items) . '</li></ul>';
    }

    /** @param array<string, mixed> $message StoredMessage of the API */
    private function line(array $message): string
    {
        $recipients = $message['recipients'] ?? [];
        $subject = (string) ($message['subject'] ?? '');
        $actions = sprintf(
            '<span><a href="%s">%s</a></span>',
            esc_url($this->screen->url('messages', ['message' => $message['id']])),
            esc_html__('Details', 'postilion')
        );
        $failed = array_filter($recipients, static function (array $recipient): bool {
            return !in_array(self::state($recipient['state'] ?? ''), ['SENT', 'QUEUED', 'SENDING'], true);
        });
        return sprintf(
            '<tr><td>%s</td><td class="has-row-actions"><strong>%s</strong><div class="row-actions visible">%s%s</div></td><td>%s</td><td>%s</td></tr>',
            esc_html(self::time($message['acceptTime'] ?? '')),
            esc_html($subject !== '' ? $subject : __('(no subject)', 'postilion')),
            $actions,
            $this->buttons($message, 'button-link'),
            esc_html(implode(', ', array_column($recipients, 'address'))),
            $failed === [] ? self::sign(self::state($message['state'] ?? '')) : self::outcome(reset($failed))
        );
    }

    /** @param array<string, mixed> $message StoredMessage of the API with its attempts */
    private function details(array $message): void
    {
        // phpcs:disable WordPress.Security.EscapeOutput
        echo '<p><a href="', esc_url($this->screen->url('messages')), '">&larr; ', esc_html__('All messages', 'postilion'), '</a></p><h2>',
            esc_html($message['subject'] ?? ''), '</h2><table class="widefat striped postilion-facts"><tbody>';
        $facts = [
            __('From', 'postilion') => (string) ($message['from'] ?? ''),
            __('Accepted', 'postilion') => self::time($message['acceptTime'] ?? ''),
            __('Size', 'postilion') => (string) size_format((int) ($message['size'] ?? 0)),
            __('Connection', 'postilion') => implode(', ', $message['connections'] ?? []),
            'Message-ID' => (string) ($message['messageId'] ?? ''),
            'Id' => (string) ($message['id'] ?? ''),
        ];
        foreach ($facts as $name => $fact) {
            echo '<tr><th scope="row">', esc_html($name), '</th><td>', esc_html($fact), '</td></tr>';
        }
        foreach ($message['recipients'] ?? [] as $recipient) {
            echo '<tr><th scope="row">', esc_html($recipient['address'] ?? ''), '</th><td>', self::outcome($recipient), '</td></tr>';
        }
        echo '</tbody></table><p>', $this->buttons($message, 'button'), '</p><h3>', esc_html__('Attempts', 'postilion'),
            '</h3><table class="widefat striped"><thead><tr>';
        foreach ([__('Time', 'postilion'), __('To', 'postilion'), __('Connection', 'postilion'), __('Answer', 'postilion')] as $title) {
            echo '<th scope="col">', esc_html($title), '</th>';
        }
        echo '</tr></thead><tbody>';
        foreach ($message['attempts'] ?? [] as $attempt) {
            $outcome = $attempt['outcome'] ?? [];
            printf(
                '<tr><td>%s</td><td>%s</td><td>%s</td><td><pre class="postilion-server">%s</pre></td></tr>',
                esc_html(self::time($attempt['startTime'] ?? '')),
                esc_html($attempt['address'] ?? ''),
                esc_html($attempt['connection'] ?? ''),
                esc_html(trim(($outcome['phase'] ?? '') . ': ' . ($outcome['reply'] ?? ''), ': '))
            );
        }
        echo '</tbody></table>';
        // phpcs:enable
    }

    /**
     * The forms of what can be done with a message.
     *
     * @param array<string, mixed> $message
     */
    private function buttons(array $message, string $class): string
    {
        $titles = [
            'resend' => __('Send again', 'postilion'),
            'release' => __('Release', 'postilion'),
            'cancel' => __('Cancel', 'postilion'),
        ];
        $html = '';
        $actions = self::ACTIONS[self::state($message['state'] ?? '')] ?? [];
        foreach (empty($message['contentAvailable']) ? array_diff($actions, ['resend']) : $actions as $action) {
            $html .= ($class === 'button-link' ? ' | ' : '') . sprintf(
                '<form method="post" class="postilion-action" action="%s">%s<input type="hidden" name="id" value="%s">'
                . '<button type="submit" class="%s" name="%s" value="1">%s</button></form> ',
                esc_url($this->screen->url('messages')),
                wp_nonce_field(Screen::SLUG, '_wpnonce', true, false),
                esc_attr($message['id'] ?? ''),
                esc_attr($class),
                esc_attr($action),
                esc_html($titles[$action])
            );
        }
        return $html;
    }

    private static function sign(string $state): string
    {
        $kinds = ['SENT' => 'success', 'DEFERRED' => 'warning', 'HELD' => 'warning', 'FAILED' => 'error', 'EXPIRED' => 'error'];
        return Html::state($kinds[$state] ?? 'info', self::stateName($state));
    }

    private static function state(string $name): string
    {
        return str_replace('MESSAGE_STATE_', '', $name);
    }

    /** A time of the API in the site's zone and form. */
    private static function time(string $time): string
    {
        $seconds = strtotime($time);
        return $seconds === false ? '' : wp_date(get_option('date_format') . ' ' . get_option('time_format'), $seconds);
    }

    /** A part of the address of the page. */
    private static function asked(string $name): string
    {
        $value = wp_unslash($_GET[$name] ?? ''); // phpcs:ignore WordPress.Security
        return is_string($value) ? $value : '';
    }
}

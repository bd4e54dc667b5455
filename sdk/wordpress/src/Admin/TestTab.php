<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Owner;
use Postilion\WordPress\Peer;
use Postilion\WordPress\TestMail;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Sidecar;

/** Sends a test mail the way that all mail of the site goes, and tells what became of it. */
final class TestTab implements Tab
{
    /** @var Screen */
    private $screen;

    /** @var string what came of it, as HTML */
    private $result = '';

    public function __construct(Screen $screen)
    {
        $this->screen = $screen;
    }

    public function title(): string
    {
        return __('Test', 'postilion');
    }

    public function handle(): void
    {
        $to = Screen::posted('to');
        if (!is_email($to)) {
            $this->result = Html::notice('error', [__('Give one mail address, such as you@example.com.', 'postilion')]);
            return;
        }
        set_time_limit(120);
        $mail = TestMail::send($to, Screen::posted('html') !== '');
        $this->result = '<h2>' . esc_html__('Delivery', 'postilion') . '</h2>' . self::delivery($mail) . $this->transcript($to, $mail->from);
    }

    public function render(): void
    {
        $to = Screen::posted('to') ?: wp_get_current_user()->user_email;
        $html = $this->result === '' || Screen::posted('html') !== '';
        // phpcs:disable WordPress.Security.EscapeOutput
        if (Owner::other() !== '') {
            echo Html::notice('warning', [Notices::otherOwner(Owner::other())]);
        }
        echo '<p>', esc_html__('The mail goes through wp_mail(), as all mail of the site does.', 'postilion'), '</p>',
            Html::form($this->screen->url('test'), Screen::SLUG),
            '<table class="form-table" role="presentation">',
            Html::row('to', __('Send to', 'postilion'), Html::input('to', $to, ['type' => 'email', 'required' => true])),
            Html::group(__('Form', 'postilion'), [Html::checkbox('html', $html, __('HTML with a plain text beside it', 'postilion'))]),
            '</table><p class="submit">',
            str_replace('<button ', '<button data-postilion-inline ', Html::button('send', __('Send test email', 'postilion'), true)),
            '</p></form><div id="postilion-result" aria-live="polite">', $this->result, '</div>';
        // phpcs:enable
    }

    private static function delivery(TestMail $mail): string
    {
        if (!$mail->sent) {
            return Html::notice('error', [__('wp_mail() failed.', 'postilion'), $mail->error]);
        }
        if ($mail->receipt === null) {
            return Html::notice('warning', [
                __('wp_mail() says that the mail was sent, but it did not go through the sidecar, or waits in the maildrop.', 'postilion'),
                Owner::other() === '' ? '' : Notices::otherOwner(Owner::other()),
            ]);
        }
        $state = $mail->receipt->state;
        $kind = $state === 'SENT' ? 'success' : (in_array($state, ['FAILED', 'EXPIRED', 'HELD'], true) ? 'error' : 'warning');
        $html = Html::notice($kind, [
            $state === 'SENT'
                ? __('The mail server has taken the mail. Look into the mailbox.', 'postilion')
                /* translators: %s: a state such as "Waiting" */
                : sprintf(__('The mail is accepted and kept safe; its state is: %s.', 'postilion'), MessagesTab::stateName($state)),
        ]);
        foreach ($mail->receipt->recipients as $recipient) {
            $html .= '<p>' . esc_html($recipient['address'] ?? '') . '</p>' . MessagesTab::outcome($recipient);
        }
        return $html;
    }

    /** What the server says stage by stage, and what the domain publishes. */
    private function transcript(string $to, string $from): string
    {
        $settings = $this->screen->settings();
        $peer = Peer::known($settings);
        if ($peer === null || !$peer->may('configure')) {
            return '';
        }
        try {
            $client = Sidecar::client($settings);
            $name = $settings->get('connection') ?: self::defaultConnection($client->listConnections());
            if ($name === '') {
                return '';
            }
            $test = $client->testConnection($name, ['recipient' => $to]);
            if ($from !== '') {
                $test['domain'] = $client->checkDomain($from, ['connection' => $name]);
            }
        } catch (PostilionException $e) {
            return Html::notice('info', [$e->getMessage()]);
        }
        return '<h2>' . esc_html__('Connection', 'postilion') . '</h2>' . TestReport::html($test);
    }

    /** @param array<int, array<string, mixed>> $connections */
    private static function defaultConnection(array $connections): string
    {
        foreach ($connections as $connection) {
            if (!empty($connection['default'])) {
                return (string) $connection['name'];
            }
        }
        return '';
    }
}

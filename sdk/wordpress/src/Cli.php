<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Exception\PostilionException;

/**
 * Looks after the site's mail through Postilion.
 */
final class Cli
{
    /**
     * Shows the sidecar, who this site is to it, and how the connections are doing.
     *
     * Ends with 1 if mail cannot leave.
     *
     * ## EXAMPLES
     *
     *     wp postilion status
     */
    public function status(): void
    {
        $settings = Settings::site();
        \WP_CLI::line('Sidecar: ' . Sidecar::target($settings));
        try {
            $peer = Peer::ask($settings);
            \WP_CLI::line(sprintf('Version: %s', $peer->version()));
            \WP_CLI::line(sprintf('This site is: %s (%s)', $peer->client(), implode(', ', $peer->scopes())));
            foreach ($peer->notices() as $notice) {
                \WP_CLI::warning($notice);
            }
        } catch (PostilionException $e) {
            \WP_CLI::error($e->getMessage());
            return;
        }
        foreach ([SiteHealth::connection(), SiteHealth::owner()] as $result) {
            $text = $result['label'] . '. ' . trim(wp_strip_all_tags(str_replace('</p>', ' ', $result['description'])));
            if ($result['status'] !== 'good') {
                \WP_CLI::error($text);
                return;
            }
            \WP_CLI::line($text);
        }
        \WP_CLI::success('Mail of this site can leave.');
    }

    /**
     * Tests the site's connection, stage by stage, without sending mail.
     *
     * Ends with 1 if a stage fails.
     *
     * ## OPTIONS
     *
     * [<connection>]
     * : Name of another connection.
     *
     * ## EXAMPLES
     *
     *     wp postilion test
     *
     * @param string[] $args
     */
    public function test(array $args = []): void
    {
        $settings = Settings::site();
        $name = $args[0] ?? $settings->get('connection');
        if ($name === '') {
            \WP_CLI::error('This site has no connection of its own: name one.');
            return;
        }
        try {
            $test = Sidecar::client($settings)->testConnection($name);
        } catch (PostilionException $e) {
            \WP_CLI::error($e->getMessage());
            return;
        }
        foreach ($test['stages'] ?? [] as $stage) {
            \WP_CLI::line(sprintf(
                '%-9s %-8s %s',
                $stage['name'] ?? '',
                strtolower(str_replace('STAGE_STATUS_', '', $stage['status'] ?? '')),
                self::plain(trim(($stage['detail'] ?? '') . ' ' . ($stage['server'] ?? '')))
            ));
        }
        if (empty($test['ok'])) {
            $diagnosis = $test['diagnosis'] ?? [];
            foreach ($diagnosis['remedies'] ?? [] as $remedy) {
                \WP_CLI::line('- ' . self::plain((string) $remedy));
            }
            \WP_CLI::error(self::plain(($diagnosis['title'] ?? 'The test failed') . ': ' . ($diagnosis['explanation'] ?? '')));
            return;
        }
        \WP_CLI::success('All stages passed.');
    }

    /**
     * Sends a test mail by wp_mail() and tells what became of it.
     *
     * Ends with 1 if the mail was not accepted, or the mail server refused it.
     *
     * ## OPTIONS
     *
     * <to>
     * : Address to send to.
     *
     * [--html]
     * : Send HTML with a plain text beside it.
     *
     * ## EXAMPLES
     *
     *     wp postilion send you@example.com
     *
     * @param string[] $args
     * @param array<string, mixed> $options
     */
    public function send(array $args, array $options = []): void
    {
        $mail = TestMail::send((string) ($args[0] ?? ''), !empty($options['html']));
        if (!$mail->sent) {
            \WP_CLI::error($mail->error);
            return;
        }
        if ($mail->receipt === null) {
            \WP_CLI::warning('The mail did not go through the sidecar, or waits in the maildrop.');
            return;
        }
        \WP_CLI::line('Message: ' . $mail->receipt->id);
        foreach ($mail->receipt->recipients as $recipient) {
            \WP_CLI::line(sprintf(
                '%s: %s %s',
                $recipient['address'] ?? '',
                strtolower(str_replace('MESSAGE_STATE_', '', $recipient['state'] ?? '')),
                self::plain($recipient['outcome']['reply'] ?? $recipient['reason'] ?? '')
            ));
        }
        if (in_array($mail->receipt->state, ['FAILED', 'EXPIRED'], true)) {
            \WP_CLI::error('The mail server refused the mail.');
            return;
        }
        \WP_CLI::success('The mail is accepted; its state is ' . $mail->receipt->state . '.');
    }

    /** Without control characters, which a server could steer a terminal with. */
    private static function plain(string $text): string
    {
        return (string) preg_replace('/[\x00-\x1f\x7f]+/', ' ', $text);
    }
}

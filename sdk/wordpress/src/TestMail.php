<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Receipt;
use Postilion\WordPress\Sdk\SendOptions;

/** A mail to see whether mail works. */
final class TestMail
{
    /** Seconds that the sidecar may take for the first attempt. */
    private const WAIT = 20.0;

    /** @var bool what wp_mail() said */
    public $sent = false;

    /** @var string why it failed */
    public $error = '';

    /** @var Receipt|null what the sidecar said; null if the mail did not reach it */
    public $receipt = null;

    /** @var string its envelope sender, if it reached the sidecar */
    public $from = '';

    /** Sends one by wp_mail() and waits for the first attempt. */
    public static function send(string $to, bool $html): self
    {
        $mail = new self();
        $hooks = [
            ['postilion_send_options', static function (SendOptions $options): SendOptions {
                $options->wait = self::WAIT;
                $options->priority = 'high';
                return $options;
            }],
            ['postilion_accepted', static function (Receipt $receipt, Letter $letter) use ($mail): void {
                $mail->receipt = $receipt;
                $mail->from = $letter->from;
            }],
            ['wp_mail_failed', static function (\WP_Error $error) use ($mail): void {
                $mail->error = $error->get_error_message();
            }],
            ['phpmailer_init', static function ($phpmailer) use ($html): void {
                if ($html) {
                    $phpmailer->isHTML(true);
                    $phpmailer->AltBody = self::text();
                    $phpmailer->Body = '<p>' . str_replace("\n\n", '</p><p>', esc_html(self::text())) . '</p>';
                }
            }],
        ];
        foreach ($hooks as [$hook, $do]) {
            add_filter($hook, $do, PHP_INT_MAX, 2);
        }
        try {
            $mail->sent = wp_mail(
                $to,
                /* translators: %s: name of the site */
                sprintf(__('Test mail of %s', 'postilion'), wp_specialchars_decode(get_bloginfo('name'), ENT_QUOTES)),
                self::text()
            );
        } finally {
            foreach ($hooks as [$hook, $do]) {
                remove_filter($hook, $do, PHP_INT_MAX);
            }
        }
        return $mail;
    }

    private static function text(): string
    {
        return sprintf(
            /* translators: %s: URL of the site */
            __("Mail of this site works: %s\n\nIt was handed to Postilion and delivered from there.", 'postilion'),
            home_url()
        );
    }
}

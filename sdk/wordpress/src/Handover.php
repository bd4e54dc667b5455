<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Envelope;
use Postilion\WordPress\Sdk\Exception\AuthenticationException;
use Postilion\WordPress\Sdk\Exception\PermissionException;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Sdk\Exception\UnavailableException;
use Postilion\WordPress\Sdk\SendOptions;

/**
 * Gives messages to the sidecar, or does what is set when it is away.
 */
final class Handover
{
    public const ACCEPTED = 'accepted';
    public const SPOOLED = 'spooled';
    public const NATIVE = 'native';

    /** @var Settings */
    private $settings;

    private function __construct(Settings $settings)
    {
        $this->settings = $settings;
    }

    public static function of(Settings $settings): self
    {
        return new self($settings);
    }

    /**
     * @return string ACCEPTED: it is on stable storage. SPOOLED: it lies in the
     *     maildrop, durably. NATIVE: the caller has to send it, since the
     *     sidecar is away for certain.
     *
     * @throws HandoverException if the message was not accepted
     */
    public function accept(Letter $letter): string
    {
        $peer = Peer::known($this->settings);
        $spool = $this->spool($letter, $peer);
        try {
            $options = $this->options($letter, $peer);
            $receipt = Sidecar::client($this->settings, $spool === '' ? [] : ['spool' => $spool])
                ->sendRaw($letter->mime, new Envelope($letter->from, $letter->recipients), $options);
        } catch (UnavailableException $e) {
            if ($this->settings->get('fallback') === 'native' && !$e->mayBeAccepted()) {
                return self::NATIVE;
            }
            throw new HandoverException($this->explain($e), 0, $e);
        } catch (AuthenticationException | PermissionException $e) {
            Peer::forget(); // nothing may be spooled for a sidecar that does not know us any more
            throw new HandoverException($this->explain($e), 0, $e);
        } catch (PostilionException $e) {
            throw new HandoverException($this->explain($e), 0, $e);
        }
        if ($receipt->spooled !== null) {
            PendingMail::remember($letter, count($letter->recipients));
            return self::SPOOLED;
        }
        PendingMail::remember($letter, max(count($letter->recipients), count($receipt->recipients)));
        if ($peer === null) {
            Plugin::askLater();
        }
        try {
            /**
             * Fires when the sidecar has accepted a message.
             *
             * @param Sdk\Receipt $receipt Its id, Message-ID and state.
             * @param Letter      $letter  The message.
             */
            do_action('postilion_accepted', $receipt, $letter);
        } catch (\Throwable $e) {
            // The message is accepted all the same: sent again, it would go twice.
            trigger_error(esc_html('postilion_accepted: ' . $e->getMessage()), E_USER_WARNING);
        }
        return self::ACCEPTED;
    }

    /** How the message is sent. */
    private function options(Letter $letter, ?Peer $peer): SendOptions
    {
        $options = new SendOptions();
        $options->connection = $this->settings->get('connection');
        $options->tags = [Site::tag()];
        $options->keepContent = $this->settings->get('keep_content') !== '';
        if ($peer !== null && $peer->origin() !== '') {
            $options->origin = Site::origin();
        }
        /**
         * Filters how a message is sent: through which connection, with which
         * priority, tags and data, not before when.
         *
         * @param Sdk\SendOptions $options
         * @param Letter          $letter The message with its envelope.
         */
        $filtered = apply_filters('postilion_send_options', $options, $letter);
        return $filtered instanceof SendOptions ? $filtered : $options;
    }

    /**
     * The maildrop for this message, or an empty string. A daemon that never
     * knew us would refuse what lies there, and so would one for which it is too
     * large; one on another machine never looks into a folder that nobody has
     * chosen. wp_mail() must not say true then.
     */
    private function spool(Letter $letter, ?Peer $peer): string
    {
        if ($this->settings->get('fallback') !== 'spool' || $peer === null || !$peer->may('send')) {
            return '';
        }
        if ($peer->maxContent() > 0 && strlen($letter->mime) > $peer->maxContent()) {
            return '';
        }
        if (!Sidecar::isNear($this->settings) && $this->settings->source('maildrop') === 'default') {
            return '';
        }
        return $this->settings->get('maildrop');
    }

    private function explain(PostilionException $e): string
    {
        $text = sprintf(
            /* translators: %s: what went wrong and what to do */
            __('Postilion did not take the message: %s', 'postilion'),
            $e->getMessage()
        );
        if (preg_grep('/\.from$/', $e->getFields()) !== []) {
            $text .= '. ' . __('The From address of the site is set in Settings > Postilion.', 'postilion');
        }
        if ($e->mayBeAccepted()) {
            $text .= '. ' . __('The answer was lost: it may be sent all the same.', 'postilion');
        }
        return $text;
    }
}

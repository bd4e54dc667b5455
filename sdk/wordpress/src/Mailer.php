<?php

namespace Postilion\WordPress;

use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;

// WordPress 6.8 and later have a PHPMailer of their own, with translated texts.
foreach (['PHPMailer', 'SMTP', 'Exception'] as $file) {
    require_once ABSPATH . WPINC . '/PHPMailer/' . $file . '.php';
}
if (!class_exists('WP_PHPMailer') && is_file(ABSPATH . WPINC . '/class-wp-phpmailer.php')) {
    require_once ABSPATH . WPINC . '/class-wp-phpmailer.php';
}
class_alias(class_exists('WP_PHPMailer') ? 'WP_PHPMailer' : PHPMailer::class, __NAMESPACE__ . '\BaseMailer');

/**
 * The mailer that wp_mail() finds in the global $phpmailer: it builds a message
 * exactly as WordPress does, with all that phpmailer_init and the filters have
 * changed, and hands the finished message and its envelope to the sidecar.
 */
class Mailer extends BaseMailer
{
    /** @var string[] files that were to be attached and cannot be read */
    private $missing = [];

    /** @var string the way that WordPress or a plugin has chosen: mail, smtp, ... */
    private $chosen = 'mail';

    public function __construct()
    {
        parent::__construct(true);
        self::$validator = static function ($address): bool {
            return (bool) is_email($address);
        };
    }

    /**
     * Notes a file that is not there. WordPress goes on without it; see postSend.
     *
     * @inheritDoc
     */
    public function addAttachment(
        $path,
        $name = '',
        $encoding = self::ENCODING_BASE64,
        $type = '',
        $disposition = 'attachment'
    ) {
        try {
            return parent::addAttachment($path, $name, $encoding, $type, $disposition);
        } catch (Exception $e) {
            if ((string) $path !== '') {
                $this->missing[] = (string) $path;
            }
            throw $e;
        }
    }

    /** @inheritDoc */
    public function clearAttachments()
    {
        $this->missing = [];
        parent::clearAttachments();
    }

    /**
     * Turns whatever else goes wrong into what wp_mail() expects: a mail that
     * cannot be built must not end the visitor's request.
     *
     * @inheritDoc
     */
    public function send()
    {
        try {
            return parent::send();
        } catch (Exception $e) {
            throw $e;
        } catch (\Throwable $e) {
            $this->setError($e->getMessage());
            throw new Exception($e->getMessage(), self::STOP_CRITICAL, $e);
        }
    }

    /**
     * Builds the message in the form for SMTP, since the one for mail() shows
     * the blind copies in the header and leaves To and Subject to mail().
     *
     * @inheritDoc
     */
    public function preSend()
    {
        $this->chosen = $this->Mailer;
        $this->Mailer = 'smtp';
        try {
            return parent::preSend();
        } finally {
            $this->Mailer = $this->chosen;
        }
    }

    /**
     * Hands the message over.
     *
     * @inheritDoc
     *
     * @throws Exception with what to do, as wp_mail_failed tells it
     */
    public function postSend()
    {
        try {
            $this->checkAttachments();
            $result = Handover::of(Settings::site())->accept(Letter::of($this));
            if ($result === Handover::NATIVE) {
                return $this->sendNatively();
            }
        } catch (HandoverException $e) {
            $this->setError($e->getMessage());
            $this->report(false);
            throw new Exception($e->getMessage(), self::STOP_CRITICAL, $e);
        }
        $this->report(true);
        return true;
    }

    /** Sends without the sidecar, as WordPress would without this plugin. */
    private function sendNatively(): bool
    {
        $this->Mailer = $this->chosen;
        return parent::preSend() && parent::postSend();
    }

    /** @throws HandoverException */
    private function checkAttachments(): void
    {
        /**
         * Filters whether mail goes out without attachments that cannot be read.
         *
         * @param bool     $go_on   Default false: wp_mail() fails and says which.
         * @param string[] $missing Paths of the files.
         */
        if ($this->missing !== [] && !apply_filters('postilion_send_without_attachments', false, $this->missing)) {
            throw new HandoverException(sprintf(
                /* translators: %s: paths of files */
                __('These files were to be attached and cannot be read: %s. The message was not sent.', 'postilion'),
                implode(', ', $this->missing)
            ));
        }
    }

    /** Tells the callback that PHPMailer has for results. */
    private function report(bool $sent): void
    {
        $this->doCallback($sent, $this->to, $this->cc, $this->bcc, $this->Subject, $this->Body, $this->From, []);
    }
}

<?php

declare(strict_types=1);

namespace Postilion\Bridge\PHPMailer;

use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;
use Postilion\Client;
use Postilion\Envelope;
use Postilion\Exception\PostilionException;
use Postilion\Receipt;
use Postilion\SendOptions;

/**
 * A PHPMailer that hands over to Postilion. Everything else is PHPMailer's:
 * replace "new PHPMailer(true)", and drop isSMTP() with its settings.
 */
class PostilionMailer extends PHPMailer
{
    /** @var string PHPMailer sends through the method of this name and "Send" */
    public $Mailer = 'postilion';

    /** @var ?SendOptions for the messages to come; its idempotencyKey should be of one message only */
    public $SendOptions = null;

    /** @var Client */
    private $client;
    /** @var ?Receipt */
    private $receipt = null;

    /** @param ?bool $exceptions as PHPMailer has it: throw, or return false and have ErrorInfo */
    public function __construct($exceptions = null, ?Client $client = null)
    {
        parent::__construct($exceptions);
        $this->client = $client ?? new Client();
    }

    public function isPostilion(): void
    {
        $this->Mailer = 'postilion';
    }

    /** What the daemon said of the last message; null if it did not take it. */
    public function getReceipt(): ?Receipt
    {
        return $this->receipt;
    }

    /**
     * Builds the message as for SMTP: other mailers get line ends of their own
     * system, and the one of mail() has Bcc in the header.
     *
     * @return bool
     */
    public function preSend()
    {
        if ($this->Mailer !== 'postilion') {
            return parent::preSend();
        }
        $this->Mailer = 'smtp';
        try {
            return parent::preSend();
        } finally {
            $this->Mailer = 'postilion';
        }
    }

    /**
     * Called by postSend().
     *
     * @param string $header
     * @param string $body
     *
     * @throws Exception
     */
    protected function postilionSend($header, $body): bool
    {
        $this->receipt = null;
        $recipients = array_merge($this->to, $this->cc, $this->bcc);
        $from = $this->Sender === '' ? $this->From : $this->Sender;
        try {
            $this->receipt = $this->client->sendRaw(
                static::stripTrailingWSP($header) . static::$LE . static::$LE . $body,
                new Envelope($from, array_column($recipients, 0)),
                $this->SendOptions
            );
        } catch (PostilionException $e) {
            $this->tell(false);
            throw new Exception($e->getMessage(), self::STOP_CRITICAL, $e);
        }
        $this->tell(true);
        return true;
    }

    private function tell(bool $sent): void
    {
        $this->doCallback($sent, $this->to, $this->cc, $this->bcc, $this->Subject, $this->Body, $this->From, []);
    }
}

<?php

namespace Postilion\WordPress;

use PHPMailer\PHPMailer\PHPMailer;

/**
 * A finished message, its envelope, and what wp_mail_failed tells of it.
 */
final class Letter
{
    /** @var string the message as RFC 5322 has it */
    public $mime;

    /** @var string envelope sender */
    public $from;

    /** @var string[] envelope recipients */
    public $recipients = [];

    /** @var string the header field Message-ID, with its brackets */
    public $messageId;

    /** @var array<string, mixed> to, subject, message, headers, attachments */
    public $context;

    public static function of(PHPMailer $mailer): self
    {
        $letter = new self();
        $letter->mime = $mailer->getSentMIMEMessage();
        $letter->from = $mailer->Sender !== '' ? $mailer->Sender : $mailer->From;
        foreach ([$mailer->getToAddresses(), $mailer->getCcAddresses(), $mailer->getBccAddresses()] as $addresses) {
            foreach ($addresses as $address) {
                $letter->recipients[] = $address[0];
            }
        }
        $letter->messageId = self::fieldOf($letter->mime, 'Message-ID');
        $letter->context = [
            'to' => array_column($mailer->getToAddresses(), 0),
            'subject' => $mailer->Subject,
            'message' => $mailer->Body,
            'headers' => array_column($mailer->getCustomHeaders(), 1, 0),
            'attachments' => array_column($mailer->getAttachments(), 0),
        ];
        return $letter;
    }

    /**
     * What the header says, since a plugin may have set a Message-ID of its own.
     */
    private static function fieldOf(string $mime, string $name): string
    {
        $header = (string) strstr($mime, "\r\n\r\n", true);
        return preg_match('/^' . $name . ':[ \t\r\n]*(<[^>\r\n]*>)/mi', $header, $found) ? $found[1] : '';
    }
}

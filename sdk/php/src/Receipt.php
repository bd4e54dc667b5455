<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;

/** What is known of a message that was taken. */
final class Receipt
{
    /** @var string of the message, for Messages; empty if it was spooled */
    public $id;
    /** @var string the header field Message-ID, with its brackets; empty if it was spooled */
    public $messageId;
    /** @var string such as "QUEUED" or "SENT"; "SPOOLED" if it was left for the daemon to pick up */
    public $state;
    /** @var array<int, array<string, mixed>> RecipientStatus of the API */
    public $recipients;
    /** @var bool whether the idempotency key was known and this is the earlier message */
    public $replayed;
    /** @var string when, as "2026-01-31T12:00:00.5Z"; empty if it was spooled */
    public $acceptTime;
    /** @var string name of the connection that it goes through first */
    public $connection;
    /** @var ?PostilionException why it was spooled; null if it was not */
    public $spooled;

    /**
     * @param array<string, mixed> $answer SendResponse of the API
     *
     * @internal
     */
    public function __construct(array $answer, ?PostilionException $spooled = null)
    {
        $this->id = (string) ($answer['id'] ?? '');
        $this->messageId = (string) ($answer['messageId'] ?? '');
        $this->state = str_replace('MESSAGE_STATE_', '', (string) ($answer['state'] ?? ''));
        $this->recipients = $answer['recipients'] ?? [];
        $this->replayed = (bool) ($answer['replayed'] ?? false);
        $this->acceptTime = (string) ($answer['acceptTime'] ?? '');
        $this->connection = (string) ($answer['connection'] ?? '');
        $this->spooled = $spooled;
    }

    /**
     * Reads the daemon's answer. One without an id promises nothing.
     *
     * @param array<string, mixed> $answer
     *
     * @internal
     */
    public static function fromAnswer(array $answer): self
    {
        if (!is_string($answer['id'] ?? null) || $answer['id'] === '') {
            throw PostilionException::make(
                'unknown',
                'not_postilion',
                'the answer to the message has no id',
                'see what listens where Postilion was expected'
            )->leftOpen();
        }
        return new self($answer);
    }
}

<?php

declare(strict_types=1);

namespace Postilion;

/** From whom and to whom (RFC 5321 section 2.3.1), for sendRaw(). */
final class Envelope
{
    /** @var ?string */
    private $from;
    /** @var string[] */
    private $recipients;
    /** @var string[] */
    private $notify = [];
    /** @var string */
    private $return = '';
    /** @var string */
    private $id = '';

    /**
     * @param ?string $from where bounces go; null leaves it to the connection or the
     *     From field, empty is the null reverse-path, to which none go
     * @param string[] $recipients bare addresses; if there are none, they are taken
     *     from To, Cc and Bcc
     */
    public function __construct(?string $from = null, array $recipients = [])
    {
        $this->from = $from;
        $this->recipients = array_values($recipients);
    }

    /**
     * Asks the server for notifications (RFC 3461).
     *
     * @param string[] $notify of "never", "success", "failure" and "delay"
     * @param string $return "full" or "headers": what a notification contains
     * @param string $id ENVID
     */
    public function notify(array $notify, string $return = '', string $id = ''): self
    {
        $copy = clone $this;
        $copy->notify = array_values($notify);
        $copy->return = $return;
        $copy->id = $id;
        return $copy;
    }

    public function getFrom(): ?string
    {
        return $this->from;
    }

    /** @return string[] */
    public function getRecipients(): array
    {
        return $this->recipients;
    }

    /**
     * As Envelope of the API; empty if it says nothing.
     *
     * @return array<string, mixed>
     */
    public function toRequest(): array
    {
        $request = $this->from === null ? [] : ['from' => $this->from];
        foreach ($this->recipients as $address) {
            $recipient = ['address' => $address];
            foreach ($this->notify as $word) {
                $recipient['notify'][] = 'DSN_NOTIFY_' . strtoupper($word);
            }
            $request['recipients'][] = $recipient;
        }
        if ($this->id !== '') {
            $request['envelopeId'] = $this->id;
        }
        if ($this->return !== '') {
            $request['return'] = 'DSN_RETURN_' . strtoupper($this->return);
        }
        return $request;
    }
}

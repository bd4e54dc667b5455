<?php

declare(strict_types=1);

namespace Postilion;

/**
 * A mail in parts, which the daemon composes. Addresses are given as
 * "jane@example.com", with the name apart or as "Jane Doe <jane@example.com>".
 * What is wrong with one is for the daemon to say, with the field's name.
 */
class Message
{
    /** @var array<string, mixed> StructuredMessage of the API */
    private $parts = [];

    /** The author; the connection's own address if not given. */
    public function from(string $address, string $name = ''): self
    {
        return $this->set('from', self::address($address, $name));
    }

    /** The one who actually sends, if another than the author. */
    public function sender(string $address, string $name = ''): self
    {
        return $this->set('sender', self::address($address, $name));
    }

    /** Adds a recipient. */
    public function to(string $address, string $name = ''): self
    {
        return $this->add('to', self::address($address, $name));
    }

    /** Adds a recipient of a copy. */
    public function cc(string $address, string $name = ''): self
    {
        return $this->add('cc', self::address($address, $name));
    }

    /** Adds a recipient who is not named in the message. */
    public function bcc(string $address, string $name = ''): self
    {
        return $this->add('bcc', self::address($address, $name));
    }

    /** Adds an address that answers go to. */
    public function replyTo(string $address, string $name = ''): self
    {
        return $this->add('replyTo', self::address($address, $name));
    }

    public function subject(string $subject): self
    {
        return $this->set('subject', $subject);
    }

    /** The text for readers without HTML. */
    public function text(string $text): self
    {
        return $this->set('text', $text);
    }

    public function html(string $html): self
    {
        return $this->set('html', $html);
    }

    public function attach(Attachment $attachment): self
    {
        return $this->add('attachments', $attachment->toRequest());
    }

    /** Attaches a file under its own name or the one given. */
    public function attachFile(string $path, string $filename = '', string $contentType = ''): self
    {
        return $this->attach(Attachment::file($path, $filename, $contentType));
    }

    /** Adds a field to the header. */
    public function header(string $name, string $value): self
    {
        return $this->add('headers', ['name' => $name, 'value' => $value]);
    }

    /**
     * How to leave the list: https: and mailto: URLs in order of preference. With
     * $oneClick the first https URL takes a POST without further questions (RFC 8058).
     *
     * @param string[] $urls
     */
    public function listUnsubscribe(array $urls, bool $oneClick = false): self
    {
        return $this->set('listUnsubscribe', ['urls' => array_values($urls), 'oneClick' => $oneClick]);
    }

    /** How important readers should find it: "high", "normal" or "low". */
    public function importance(string $importance): self
    {
        return $this->set('importance', 'IMPORTANCE_' . strtoupper($importance));
    }

    /** Date of the message; now if not given. */
    public function date(\DateTimeInterface $date): self
    {
        return $this->set('date', Json::time($date));
    }

    /** Message-ID, with or without brackets; made if not given. */
    public function messageId(string $id): self
    {
        return $this->set('messageId', $id);
    }

    /**
     * Message-ID of the message that this one answers, and of the thread.
     *
     * @param string[] $references
     */
    public function inReplyTo(string $id, array $references = []): self
    {
        return $this->set('inReplyTo', $id)->set('references', array_values($references));
    }

    /**
     * As StructuredMessage of the API.
     *
     * @return array<string, mixed>|\stdClass
     */
    public function toRequest()
    {
        return $this->parts === [] ? new \stdClass() : $this->parts;
    }

    /**
     * Addresses of all recipients.
     *
     * @return string[]
     */
    public function recipients(): array
    {
        $all = array_merge($this->parts['to'] ?? [], $this->parts['cc'] ?? [], $this->parts['bcc'] ?? []);
        return array_column($all, 'address');
    }

    /** Address of the author; null if it is left to the connection. */
    public function author(): ?string
    {
        return $this->parts['from']['address'] ?? null;
    }

    /** @param mixed $value */
    private function set(string $name, $value): self
    {
        $this->parts[$name] = $value;
        return $this;
    }

    /** @param array<string, mixed> $value */
    private function add(string $name, array $value): self
    {
        $this->parts[$name][] = $value;
        return $this;
    }

    /** @return array<string, string> */
    private static function address(string $address, string $name): array
    {
        $address = trim($address);
        if ($name === '' && substr($address, -1) === '>' && preg_match('/^(.*)<([^<>]*)>$/s', $address, $match) === 1) {
            $name = trim($match[1]);
            if (preg_match('/^"(.*)"$/s', $name, $quoted) === 1) {
                $name = (string) preg_replace('/\\\\(.)/s', '$1', $quoted[1]);
            }
            $address = trim($match[2]);
        }
        return $name === '' ? ['address' => $address] : ['address' => $address, 'name' => $name];
    }
}

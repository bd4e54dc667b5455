<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;

/**
 * How a message is to be treated. All of it is optional:
 *
 *     new SendOptions(['idempotencyKey' => "order-$id-receipt", 'tags' => ['order']])
 */
final class SendOptions
{
    /** @var string name of the connection to send through; the daemon's routes and default if empty */
    public $connection = '';
    /**
     * @var string makes a repetition safe: the same key with the same message is sent
     *     once. Made at random if empty, which covers the repetition by the client
     *     itself; give one made of your own data to cover those of your program
     */
    public $idempotencyKey = '';
    /** @var float seconds to wait for the first outcome; 0 returns when the message is stored */
    public $wait = 0.0;
    /** @var ?\DateTimeInterface not before this time */
    public $sendAt = null;
    /** @var ?float seconds that it is worth trying; the connection's if null */
    public $expiresAfter = null;
    /** @var string "high", "normal" or "bulk" */
    public $priority = '';
    /** @var string[] words to find and route by */
    public $tags = [];
    /** @var array<string, string> the caller's own data, given back in messages and events */
    public $metadata = [];
    /** @var bool keeps the content after the delivery */
    public $keepContent = false;
    /** @var bool failures are mailed to the envelope sender */
    public $notifySender = false;
    /** @var string where the application believes to be, such as the URL of its site */
    public $origin = '';

    /** @param array<string, mixed> $options properties by name */
    public function __construct(array $options = [])
    {
        foreach ($options as $name => $value) {
            if (!property_exists($this, (string) $name)) {
                throw PostilionException::make(
                    'invalid_argument',
                    'invalid_option',
                    "there is no option \"$name\" of a message",
                    'there are ' . implode(', ', array_keys(get_object_vars($this))),
                    [(string) $name]
                );
            }
            $this->$name = $value;
        }
    }

    /**
     * As fields of SendRequest.
     *
     * @return array<string, mixed>
     */
    public function toRequest(): array
    {
        $request = [
            'connection' => $this->connection,
            'idempotencyKey' => $this->idempotencyKey,
            'wait' => $this->wait > 0 ? Json::duration($this->wait) : null,
            'sendAt' => $this->sendAt === null ? null : Json::time($this->sendAt),
            'expiresAfter' => $this->expiresAfter === null ? null : Json::duration($this->expiresAfter),
            'priority' => $this->priority === '' ? null : 'PRIORITY_' . strtoupper($this->priority),
            'tags' => array_values($this->tags),
            'metadata' => array_map('strval', $this->metadata),
            'keepContent' => $this->keepContent,
            'notifySender' => $this->notifySender,
            'origin' => $this->origin,
        ];
        $request = array_filter($request, static function ($value): bool {
            return $value !== null && $value !== '' && $value !== [] && $value !== false;
        });
        if (isset($request['metadata'])) {
            $request['metadata'] = (object) $request['metadata'];
        }
        return $request;
    }
}

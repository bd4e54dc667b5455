<?php

declare(strict_types=1);

namespace Postilion;

/**
 * What became of the client's messages, and stepping in (MessageService).
 * Messages and events are arrays as the API has them.
 */
final class Messages
{
    /** @var Client */
    private $client;

    public function __construct(Client $client)
    {
        $this->client = $client;
    }

    /**
     * One message.
     *
     * @param string $view "basic", "full" (with attempts) or "content" (with the message as sent, in base64)
     *
     * @return array<string, mixed> StoredMessage
     */
    public function get(string $id, string $view = 'basic'): array
    {
        return $this->one('GetMessage', ['id' => $id, 'view' => 'MESSAGE_VIEW_' . strtoupper($view)]);
    }

    /**
     * A page of messages, newest first.
     *
     * @param array<string, mixed> $filter fields of ListMessagesRequest: states (["FAILED", ...]), recipient,
     *     tag, connection, messageId, since and until (DateTimeInterface), pageSize, pageToken
     *
     * @return array{messages: array<int, array<string, mixed>>, nextPageToken: string}
     */
    public function list(array $filter = []): array
    {
        foreach ($filter as $name => $value) {
            if ($value instanceof \DateTimeInterface) {
                $filter[$name] = Json::time($value);
            }
        }
        if (isset($filter['states'])) {
            $filter['states'] = self::prefixed('MESSAGE_STATE_', $filter['states']);
        }
        $page = $this->client->call('MessageService/ListMessages', $filter);
        return ['messages' => $page['messages'] ?? [], 'nextPageToken' => $page['nextPageToken'] ?? ''];
    }

    /**
     * Events after a sequence number.
     *
     * @param float $wait seconds to wait for one if there is none yet, at most 60
     * @param array<string, mixed> $filter fields of ListEventsRequest: id, types (["FAILED", ...]), pageSize
     *
     * @return array{events: array<int, array<string, mixed>>, lastSequence: int} give
     *     lastSequence as $after next time
     */
    public function events(int $after = 0, float $wait = 0.0, array $filter = []): array
    {
        if (isset($filter['types'])) {
            $filter['types'] = self::prefixed('EVENT_TYPE_', $filter['types']);
        }
        $request = ['afterSequence' => (string) $after, 'wait' => Json::duration($wait)] + $filter;
        $page = $this->client->call('MessageService/ListEvents', $request, $wait);
        return ['events' => $page['events'] ?? [], 'lastSequence' => (int) ($page['lastSequence'] ?? $after)];
    }

    /**
     * Tries a message again now: what is deferred at once, and what failed or
     * expired with a new life.
     *
     * @return array<string, mixed> StoredMessage
     */
    public function resend(string $id): array
    {
        return $this->one('ResendMessage', ['id' => $id]);
    }

    /**
     * Ends a message that waits.
     *
     * @return array<string, mixed> StoredMessage
     */
    public function cancel(string $id): array
    {
        return $this->one('CancelMessage', ['id' => $id]);
    }

    /**
     * Keeps a message that waits until it is released.
     *
     * @return array<string, mixed> StoredMessage
     */
    public function hold(string $id, string $reason = ''): array
    {
        return $this->one('HoldMessage', ['id' => $id, 'reason' => $reason]);
    }

    /**
     * Lets a held message go.
     *
     * @return array<string, mixed> StoredMessage
     */
    public function release(string $id): array
    {
        return $this->one('ReleaseMessage', ['id' => $id]);
    }

    /**
     * @param array<string, mixed> $request
     *
     * @return array<string, mixed>
     */
    private function one(string $method, array $request): array
    {
        return $this->client->call("MessageService/$method", $request)['message'] ?? [];
    }

    /**
     * @param string[] $names
     *
     * @return string[]
     */
    private static function prefixed(string $prefix, array $names): array
    {
        return array_values(array_map(static function (string $name) use ($prefix): string {
            return strpos($name, $prefix) === 0 ? $name : $prefix . strtoupper($name);
        }, $names));
    }
}

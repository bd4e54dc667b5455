<?php

declare(strict_types=1);

namespace Postilion\Http;

use Postilion\Exception\PostilionException;

/**
 * A call that brought no answer of the daemon.
 *
 * @internal
 */
final class Failure extends \RuntimeException
{
    /** @var bool whether the request may have arrived */
    public $sent;
    /** @var string */
    private $status;
    /** @var string */
    private $reason;
    /** @var string */
    private $remedy;

    public function __construct(string $status, string $reason, string $text, string $remedy, bool $sent)
    {
        parent::__construct($text);
        $this->status = $status;
        $this->reason = $reason;
        $this->remedy = $remedy;
        $this->sent = $sent;
    }

    /** No connection came about; nothing was sent. */
    public static function away(string $status, string $reason, string $text, string $remedy): self
    {
        return new self($status, $reason, $text, $remedy, false);
    }

    /** There was no answer in time. */
    public static function timeout(string $where, bool $sent): self
    {
        $text = $sent ? "Postilion at $where did not answer in time" : "$where did not take the connection in time";
        return new self('deadline_exceeded', 'timeout', $text, 'see how it is with: postilion doctor', $sent);
    }

    /** The connection ended before the answer did. */
    public static function lost(string $where, string $detail): self
    {
        $text = "the connection to Postilion at $where was lost" . ($detail === '' ? '' : " ($detail)");
        return new self('unavailable', 'connection_lost', $text, 'see why in its log: journalctl -u postilion', true);
    }

    /** Something else listens there. */
    public static function stranger(string $where, string $detail): self
    {
        $text = "what answers at $where is not Postilion ($detail)";
        return new self('unknown', 'not_postilion', $text, 'give the address of its HTTP face, not that of gRPC', true);
    }

    public function toException(): PostilionException
    {
        $e = PostilionException::make($this->status, $this->reason, $this->getMessage(), $this->remedy, [], $this);
        return $this->sent ? $e->leftOpen() : $e;
    }
}

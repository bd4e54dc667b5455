<?php

declare(strict_types=1);

namespace Postilion\Exception;

/**
 * What the daemon, or the way to it, has against a call. Its message is for
 * people and ends with what to do.
 *
 * Unless mayBeAccepted() says so, the message of a failed send was not accepted.
 */
class PostilionException extends \RuntimeException
{
    /** The codes of gRPC, as the Connect protocol spells them. */
    private const CODES = [
        'canceled' => 1, 'unknown' => 2, 'invalid_argument' => 3, 'deadline_exceeded' => 4, 'not_found' => 5,
        'already_exists' => 6, 'permission_denied' => 7, 'resource_exhausted' => 8, 'failed_precondition' => 9,
        'aborted' => 10, 'out_of_range' => 11, 'unimplemented' => 12, 'internal' => 13, 'unavailable' => 14,
        'data_loss' => 15, 'unauthenticated' => 16,
    ];

    private const CLASSES = [
        'invalid_argument' => InvalidRequestException::class,
        'out_of_range' => InvalidRequestException::class,
        'unauthenticated' => AuthenticationException::class,
        'permission_denied' => PermissionException::class,
        'not_found' => NotFoundException::class,
        'already_exists' => ConflictException::class,
        'aborted' => ConflictException::class,
        'failed_precondition' => PreconditionException::class,
        'resource_exhausted' => LimitException::class,
        'unavailable' => UnavailableException::class,
        'deadline_exceeded' => TimeoutException::class,
        'canceled' => UnavailableException::class,
    ];

    /** @var string */
    private $status;
    /** @var string */
    private $reason;
    /** @var string[] */
    private $fields = [];
    /** @var string */
    private $remedy = '';
    /** @var string */
    private $retryAfter = '';
    /** @var bool */
    private $mayBeAccepted = false;

    final public function __construct(string $status, string $reason, string $message, ?\Throwable $previous = null)
    {
        parent::__construct($message, self::CODES[$status] ?? self::CODES['unknown'], $previous);
        $this->status = $status;
        $this->reason = $reason;
    }

    /**
     * An exception of the client itself, in the class of its status.
     *
     * @param string[] $fields
     *
     * @internal
     */
    public static function make(
        string $status,
        string $reason,
        string $text,
        string $remedy = '',
        array $fields = [],
        ?\Throwable $previous = null
    ): self {
        $class = self::CLASSES[$status] ?? ProtocolException::class;
        if ($remedy !== '' && strpos($text, $remedy) === false) {
            $text .= '; ' . $remedy;
        }
        $exception = new $class($status, $reason, $text, $previous);
        $exception->remedy = $remedy;
        $exception->fields = $fields;
        return $exception;
    }

    /**
     * Reads an error of the Connect protocol: its details hold a
     * postilion.v1.ErrorDetail, whose JSON form stands in "debug".
     *
     * @param array<string, mixed> $error
     *
     * @internal
     */
    public static function fromConnect(array $error): self
    {
        $detail = [];
        foreach (is_array($error['details'] ?? null) ? $error['details'] : [] as $candidate) {
            if (($candidate['type'] ?? '') === 'postilion.v1.ErrorDetail' && is_array($candidate['debug'] ?? null)) {
                $detail = $candidate['debug'];
            }
        }
        $status = is_string($error['code'] ?? null) ? $error['code'] : 'unknown';
        $text = is_string($error['message'] ?? null) ? $error['message'] : "the daemon answered $status";
        $exception = self::make(
            $status,
            (string) ($detail['reason'] ?? ''),
            $text,
            (string) ($detail['remedy'] ?? ''),
            array_map('strval', (array) ($detail['fields'] ?? []))
        );
        $exception->retryAfter = (string) ($detail['retryAfter'] ?? '');
        return $exception;
    }

    /**
     * Marks that the daemon may have done what was asked.
     *
     * @return $this
     *
     * @internal
     */
    public function leftOpen(): self
    {
        $this->mayBeAccepted = true;
        return $this;
    }

    /** Name of the gRPC status code, such as "invalid_argument"; getCode() gives its number. */
    public function getStatus(): string
    {
        return $this->status;
    }

    /** Stable name such as "secret_required"; the client's own are in the README. */
    public function getReason(): string
    {
        return $this->reason;
    }

    /**
     * Paths of the request's fields that are at fault, such as
     * "message.to[2].address".
     *
     * @return string[]
     */
    public function getFields(): array
    {
        return $this->fields;
    }

    /** What to do, in a sentence; it is part of the message, too. May be empty. */
    public function getRemedy(): string
    {
        return $this->remedy;
    }

    /** When it makes sense to try again; null if that is not known. */
    public function getRetryAfter(): ?\DateTimeImmutable
    {
        // Not earlier: without its time zones, as in a chroot, PHP cannot read a time.
        return $this->retryAfter === '' ? null : (date_create_immutable($this->retryAfter) ?: null);
    }

    /**
     * Whether the answer was lost, so that the message may have been accepted.
     * A repetition with the same idempotency key makes sure of it.
     */
    public function mayBeAccepted(): bool
    {
        return $this->mayBeAccepted;
    }

    /** Whether the same call can succeed later, without a change of the request or the settings. */
    public function isTemporary(): bool
    {
        switch ($this->status) {
            case 'resource_exhausted':
                return substr($this->reason, -9) !== 'too_large';
            case 'invalid_argument':
            case 'out_of_range':
            case 'unauthenticated':
            case 'permission_denied':
            case 'not_found':
            case 'already_exists':
            case 'failed_precondition':
            case 'unimplemented':
                return false;
        }
        return !$this instanceof ProtocolException || $this->status === 'internal';
    }
}

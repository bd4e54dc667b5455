<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;
use Postilion\Exception\SpoolException;

/**
 * Leaves messages in the daemon's maildrop directory, one file each, while the
 * daemon is away. It picks them up when it is back, as their file owner's.
 *
 * A file holds the request as it was or would have been sent. Its idempotency
 * key makes that one message, even if the daemon had accepted it before the
 * answer was lost.
 *
 * @internal
 */
final class Spool
{
    private const MAGIC = 'postilion-maildrop 1';

    /** @var Config */
    private $config;
    /** @var string */
    private $directory;

    public function __construct(Config $config)
    {
        $this->config = $config;
        $this->directory = rtrim($config->spool, '/');
    }

    /**
     * Puts a request into the directory, durably as far as PHP can: fsync came
     * with PHP 8.1. Nobody ever sees half a file.
     *
     * @param string $request SendRequest in JSON
     * @param string[] $recipients
     * @param PostilionException $why what kept the daemon from taking it
     *
     * @throws SpoolException if that cannot be done either
     */
    public function put(string $request, array $recipients, ?string $from, PostilionException $why): Receipt
    {
        $key = bin2hex(random_bytes(16));
        $head = $this->head($key, $recipients, $from, $request);
        $problem = $this->write($key, $head . $request);
        if ($problem !== '') {
            $text = $why->getMessage() . "; nor could the message be left in the spool $this->directory: $problem";
            $e = new SpoolException('unavailable', 'spool_failed', $text, $why);
            throw $why->mayBeAccepted() ? $e->leftOpen() : $e;
        }
        return new Receipt(['state' => 'SPOOLED'], $why);
    }

    /**
     * What stands before the content. From and to are there for the notice to the sender, if
     * the daemon refuses the request in the end.
     *
     * @param string[] $recipients
     */
    private function head(string $key, array $recipients, ?string $from, string $request): string
    {
        $head = self::MAGIC . "\nkey: $key\ncreated: " . time() . "\nform: request\n";
        if ($from !== null && self::isLine($from)) {
            $head .= "from: <$from>\n";
        }
        foreach (array_filter($recipients, [self::class, 'isLine']) as $address) {
            $head .= "to: $address\n";
        }
        $head .= "notify-sender: yes\nlength: " . strlen($request) . "\n";
        $digest = hash('sha256', $head . $request, true);
        $head .= 'sha256: ' . bin2hex($digest) . "\n";
        $token = $this->config->token();
        if ($token !== '') {
            // Proves to the daemon who wrote the file, without standing in it.
            $head .= 'proof: ' . hash_hmac('sha256', self::MAGIC . $digest, hash('sha256', $token, true)) . "\n";
        }
        return $head . "\n";
    }

    private static function isLine(string $text): bool
    {
        return $text !== '' && strpbrk($text, "\r\n\0") === false;
    }

    /** Gives what went wrong, or an empty string. */
    private function write(string $key, string $data): string
    {
        $done = Quiet::call(function () use ($key, $data): bool {
            return $this->tryWrite($key, $data);
        }, $warning);
        return $done ? '' : $warning ?? 'it cannot be written; see whether the disk is full';
    }

    private function tryWrite(string $key, string $data): bool
    {
        $temporary = "$this->directory/.$key";
        $file = fopen($temporary, 'xb'); // never follows a link
        if ($file === false) {
            return false;
        }
        // The set-group-id bit of the daemon's directory gives the file the daemon's group.
        $mode = fileperms($this->directory) & 02000 ? 0640 : 0600;
        $done = chmod($temporary, $mode) && self::writeAll($file, $data) && self::sync($file)
            && rename($temporary, "$this->directory/$key");
        if ($done) {
            // Makes the new name last: the journal of ext4, XFS and Btrfs has it with the file.
            self::sync($file);
        } else {
            unlink($temporary);
        }
        fclose($file);
        return $done;
    }

    /** @param resource $file */
    private static function writeAll($file, string $data): bool
    {
        for ($at = 0, $size = strlen($data); $at < $size; $at += $written) {
            $written = fwrite($file, $at === 0 ? $data : substr($data, $at));
            if ($written === false || $written === 0) {
                return false;
            }
        }
        return fflush($file);
    }

    /** @param resource $file */
    private static function sync($file): bool
    {
        return !function_exists('fsync') || fsync($file);
    }
}

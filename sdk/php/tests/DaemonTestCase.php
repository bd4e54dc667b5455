<?php

declare(strict_types=1);

namespace Postilion\Tests;

use PHPUnit\Framework\TestCase;
use Postilion\Client;
use Postilion\Exception\PostilionException;

/**
 * A test against the daemon that sdk_test.go has started. It tells in the
 * environment where everything is.
 */
abstract class DaemonTestCase extends TestCase
{
    /** Seconds that anything may take before a test gives up. */
    protected const PATIENCE = 60.0;

    /** @return mixed what sdk_test.go's fixture has under this name */
    protected static function fixture(string $name)
    {
        $fixture = json_decode((string) getenv('POSTILION_TEST'), true);
        if (!is_array($fixture) || !isset($fixture[$name])) {
            throw new \LogicException("no $name: run these tests by go test ./sdk/php");
        }
        return $fixture[$name];
    }

    /**
     * A client that may do everything with its own.
     *
     * @param array<string, mixed> $options
     */
    protected static function client(array $options = [], ?string $target = null): Client
    {
        $options += ['token' => self::fixture('token'), 'timeout' => self::PATIENCE];
        return new Client($target ?? self::fixture('socket'), $options);
    }

    /** Both ways over HTTP. @return array<string, array{string}> */
    public function ways(): array
    {
        return ['ext-curl' => ['curl'], 'streams' => ['stream']];
    }

    /** The exception that a call ends with. */
    protected static function fails(callable $call): PostilionException
    {
        try {
            $call();
        } catch (PostilionException $e) {
            return $e;
        }
        self::fail('it did not fail');
    }

    /**
     * The newest messages with a tag.
     *
     * @return array<int, array<string, mixed>>
     */
    protected static function tagged(string $tag): array
    {
        return self::client()->messages()->list(['tag' => $tag])['messages'];
    }

    /** A message as it was accepted, which keepContent has kept. */
    protected static function content(string $id): string
    {
        return (string) base64_decode(self::client()->messages()->get($id, 'content')['content'], true);
    }

    /** Asks until a condition holds. */
    protected static function await(string $what, callable $holds): void
    {
        for ($late = microtime(true) + self::PATIENCE; !$holds(); usleep(20000)) {
            if (microtime(true) > $late) {
                self::fail("waited in vain until $what");
            }
        }
        self::assertTrue(true);
    }

    /** A word that no other test uses. */
    protected static function word(): string
    {
        return 't' . bin2hex(random_bytes(8));
    }
}

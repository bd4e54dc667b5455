<?php

declare(strict_types=1);

namespace Postilion\Tests;

use Postilion\Envelope;
use Postilion\Exception\SpoolException;
use Postilion\Message;
use Postilion\SendOptions;

final class SpoolTest extends DaemonTestCase
{
    /** @dataProvider ways */
    public function testDaemonAway(string $http): void
    {
        $tag = self::word();
        $options = ['http' => $http, 'timeout' => 5.0, 'spool' => self::fixture('maildrop')];
        $client = self::client($options, '/nonexistent.sock');
        $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('Spooled: ä')->text('x');
        $receipt = $client->send($message, new SendOptions(['tags' => [$tag], 'metadata' => ['n' => 1]]));
        self::assertSame('SPOOLED', $receipt->state);
        self::assertSame('no_socket', $receipt->spooled->getReason());
        $raw = "From: a@example.com\r\nTo: b@example.net\r\nSubject: raw\r\n\r\n\xff\r\n";
        $client->sendRaw($raw, new Envelope('b@example.com', ['c@example.net']), new SendOptions(['tags' => [$tag]]));
        self::await('the daemon has picked up both', static function () use ($tag): bool {
            return count(self::tagged($tag)) === 2;
        });
        foreach (self::tagged($tag) as $stored) {
            self::assertSame('maildrop', $stored['source']);
            self::assertSame('site', $stored['client']); // proven by the token, whatever the user
        }
        $subjects = array_column(self::tagged($tag), 'subject');
        sort($subjects);
        self::assertSame(['Spooled: ä', 'raw'], $subjects);
    }

    /** The daemon has accepted, both answers are lost, and the message is spooled: one message. */
    public function testLostAndSpooledIsOneMessage(): void
    {
        foreach (['curl', 'stream'] as $http) {
            $tag = self::word();
            $options = ['http' => $http, 'timeout' => 20.0, 'spool' => self::fixture('maildrop')];
            $client = self::client($options, self::fixture('losing'));
            $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('x')->text('x');
            $receipt = $client->send($message, new SendOptions(['tags' => [$tag]]));
            self::assertSame('SPOOLED', $receipt->state);
            self::assertSame('connection_lost', $receipt->spooled->getReason());
            self::assertTrue($receipt->spooled->mayBeAccepted());
            self::await('the maildrop is empty', static function (): bool {
                return preg_grep('/^[0-9a-f]{32}$/', (array) scandir(self::fixture('maildrop'))) === [];
            });
            self::assertCount(1, self::tagged($tag));
        }
    }

    public function testSpoolFails(): void
    {
        foreach (['/nonexistent', __FILE__] as $directory) {
            $e = self::fails(static function () use ($directory): void {
                $client = self::client(['timeout' => 5.0, 'spool' => $directory], '/nonexistent.sock');
                $client->sendRaw("From: a@example.com\nTo: b@example.net\n\nx");
            });
            self::assertInstanceOf(SpoolException::class, $e);
            self::assertSame('spool_failed', $e->getReason());
            self::assertStringContainsString('/nonexistent.sock', $e->getMessage());
            self::assertStringContainsString($directory, $e->getMessage());
            self::assertFalse($e->mayBeAccepted());
        }
    }

    public function testFile(): void
    {
        $directory = sys_get_temp_dir() . '/' . self::word();
        mkdir($directory);
        try {
            $options = ['spool' => $directory . '/', 'origin' => 'https://example.com'];
            $client = self::client($options, '/nonexistent.sock');
            $envelope = new Envelope("odd\nfrom: <x@y>", ['c@example.net', "a\nb"]);
            $client->sendRaw("From: a@example.com\n\nx", $envelope, new SendOptions(['idempotencyKey' => 'k']));
            $files = array_values(array_diff((array) scandir($directory), ['.', '..']));
            self::assertCount(1, $files);
            $path = "$directory/$files[0]";
            self::assertSame(0600, fileperms($path) & 0777);
            [$head, $body] = explode("\n\n", (string) file_get_contents($path), 2);
            self::assertStringStartsWith("postilion-maildrop 1\nkey: $files[0]\n", $head);
            // What would break the lines is left out; the request has it.
            self::assertStringContainsString("\nto: c@example.net\nnotify-sender: yes\n", $head);
            self::assertStringNotContainsString('odd', $head);
            self::assertStringNotContainsString(self::fixture('token'), $head);
            $request = json_decode($body, true);
            self::assertSame('k', $request['idempotencyKey']);
            self::assertSame('https://example.com', $request['origin']);
            self::assertSame("odd\nfrom: <x@y>", $request['raw']['envelope']['from']);
        } finally {
            array_map('unlink', (array) glob("$directory/*"));
            rmdir($directory);
        }
    }
}

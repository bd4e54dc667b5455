<?php

declare(strict_types=1);

namespace Postilion\Tests;

use Postilion\Attachment;
use Postilion\Client;
use Postilion\Envelope;
use Postilion\Message;
use Postilion\SendOptions;

final class ClientTest extends DaemonTestCase
{
    /** @dataProvider ways */
    public function testMessage(string $http): void
    {
        $message = (new Message())
            ->from('Jürgen "J" Groß <shop@example.com>')->replyTo('help@example.com', 'Help, desk')
            ->to('"Doe, Jane" <jane@example.net>')->cc('cc@example.net')->bcc('bcc@example.net')
            ->subject('Your order: Grüße')->text("Thank you.\n")->html('<p>Thank you. <img src="cid:logo"></p>')
            ->attach((new Attachment("\x89PNG\0", 'logo.png'))->inline('logo'))
            ->attachFile(__FILE__, 'läuft.txt', 'text/plain')
            ->header('X-Shop', 'ä')->listUnsubscribe(['https://example.com/leave'], true)
            ->importance('high')->date(new \DateTimeImmutable('2026-01-02 03:04:05 +0100'))
            ->messageId('order-1@example.com')->inReplyTo('a@example.com', ['a@example.com', 'b@example.com']);
        $options = new SendOptions(['keepContent' => true, 'tags' => ['order'], 'metadata' => ['order' => 17]]);
        $receipt = self::client(['http' => $http])->send($message, $options);

        self::assertSame('<order-1@example.com>', $receipt->messageId);
        self::assertSame('capture', $receipt->connection);
        self::assertFalse($receipt->replayed);
        self::assertNull($receipt->spooled);
        self::assertSame(
            ['jane@example.net', 'cc@example.net', 'bcc@example.net'],
            array_column($receipt->recipients, 'address')
        );
        $stored = self::client()->messages()->get($receipt->id);
        self::assertSame(['order'], $stored['tags']);
        self::assertSame(['order' => '17'], $stored['metadata']);
        $content = self::content($receipt->id);
        $header = iconv_mime_decode_headers(strstr($content, "\r\n\r\n", true), 0, 'UTF-8');
        self::assertSame('Your order: Grüße', $header['Subject']);
        self::assertStringContainsString('Jürgen "J" Groß', stripslashes($header['From']));
        self::assertSame('"Doe, Jane" <jane@example.net>', $header['To']);
        self::assertSame('ä', $header['X-Shop']);
        self::assertSame('Fri, 02 Jan 2026 02:04:05 +0000', gmdate(DATE_RFC2822, strtotime($header['Date'])));
        self::assertSame('<a@example.com> <b@example.com>', $header['References']);
        self::assertSame('<https://example.com/leave>', $header['List-Unsubscribe']);
        self::assertArrayNotHasKey('Bcc', $header);
        self::assertStringContainsString(base64_encode("\x89PNG\0"), $content);
        self::assertStringContainsString(substr(base64_encode((string) file_get_contents(__FILE__)), 0, 60), $content);
    }

    /** @dataProvider ways */
    public function testRaw(string $http): void
    {
        $raw = "From: a@example.com\r\nTo: b@example.net\r\nSubject: raw\r\n\r\n" . str_repeat("caf\xe9\r\n", 50000);
        $envelope = (new Envelope('bounces@example.com', ['c@example.net', 'd@example.net']))
            ->notify(['success', 'failure'], 'headers', 'order-1');
        $receipt = self::client(['http' => $http])->sendRaw($raw, $envelope, new SendOptions(['keepContent' => true]));
        self::assertSame(['c@example.net', 'd@example.net'], array_column($receipt->recipients, 'address'));
        $content = self::content($receipt->id);
        self::assertSame(strstr($raw, "\r\n\r\n"), strstr($content, "\r\n\r\n"), 'the body is another');

        $receipt = self::client(['http' => $http])->sendRaw("From: a@example.com\nTo: b@example.net\n\nx");
        self::assertSame(['b@example.net'], array_column($receipt->recipients, 'address'));
    }

    public function testOverTcpAndTls(): void
    {
        foreach (['curl', 'stream'] as $http) {
            self::assertSame('site', self::client(['http' => $http], self::fixture('url'))->serverInfo()['client']);
            $options = ['http' => $http, 'ca_file' => self::fixture('ca_file')];
            self::assertSame('site', self::client($options, self::fixture('https'))->serverInfo()['client']);
            $e = self::fails(static function () use ($http): void {
                self::client(['http' => $http], self::fixture('https'))->serverInfo();
            });
            self::assertStringContainsString('certificate', $e->getMessage());
        }
    }

    public function testTargets(): void
    {
        $socket = self::fixture('socket');
        foreach ([$socket, "unix:$socket", "unix://$socket"] as $target) {
            self::assertSame('site', self::client([], $target)->serverInfo()['client']);
        }
        putenv("POSTILION_SOCKET=$socket");
        try {
            self::assertSame('site', self::client([], '')->serverInfo()['client']);
        } finally {
            putenv('POSTILION_SOCKET');
        }
        $long = '/' . str_repeat('x', 107);
        foreach (['ftp://x', 'http://user:pass@x', 'relative/path', "/a\0b", 'http://x/path', $long] as $target) {
            $e = self::fails(static function () use ($target): void {
                new Client($target);
            });
            self::assertSame(['target'], $e->getFields());
        }
    }

    /** @dataProvider ways */
    public function testOneKeyIsOneMessage(string $http): void
    {
        $client = self::client(['http' => $http]);
        $options = new SendOptions(['idempotencyKey' => self::word()]);
        $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('Once')->text('x');
        $first = $client->send($message, $options);
        $again = $client->send($message, $options);
        self::assertSame($first->id, $again->id);
        self::assertTrue($again->replayed);
        $e = self::fails(static function () use ($client, $message, $options): void {
            $client->send($message->subject('Other'), $options);
        });
        self::assertInstanceOf(\Postilion\Exception\ConflictException::class, $e);
        self::assertSame('already_exists', $e->getStatus());
    }

    public function testOptions(): void
    {
        $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('Later')->text('x');
        $receipt = self::client()->send($message, new SendOptions([
            'connection' => 'capture', 'sendAt' => new \DateTimeImmutable('+1 hour'), 'expiresAfter' => 3600.5,
            'priority' => 'bulk', 'notifySender' => true,
        ]));
        $stored = self::client()->messages()->get($receipt->id);
        self::assertEqualsWithDelta(time() + 3600, strtotime($stored['sendAt']), 60);
        self::assertEqualsWithDelta(strtotime($stored['sendAt']) + 3600, strtotime($stored['expireTime']), 2);

        $messages = self::client()->messages();
        self::assertSame('MESSAGE_STATE_HELD', $messages->hold($receipt->id, 'to look at it')['state']);
        self::assertNotSame('MESSAGE_STATE_HELD', $messages->release($receipt->id)['state']);
        self::assertSame('MESSAGE_STATE_CANCELLED', $messages->cancel($receipt->id)['state']);
        $e = self::fails(static function () use ($messages, $receipt): void {
            $messages->cancel($receipt->id);
        });
        self::assertInstanceOf(\Postilion\Exception\PreconditionException::class, $e);
        self::assertSame('too_late', $e->getReason());
    }

    public function testMessagesAndEvents(): void
    {
        $client = self::client();
        $tag = self::word();
        $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('x')->text('x');
        foreach ([1, 2, 3] as $n) {
            $client->send($message, new SendOptions(['tags' => [$tag], 'wait' => self::PATIENCE]));
        }
        $page = $client->messages()->list(['tag' => $tag, 'pageSize' => 2, 'states' => ['SENT'],
            'since' => new \DateTimeImmutable('-1 hour')]);
        self::assertCount(2, $page['messages']);
        $rest = $client->messages()->list(['tag' => $tag, 'pageSize' => 2, 'pageToken' => $page['nextPageToken']]);
        self::assertCount(1, $rest['messages']);
        self::assertSame('', $rest['nextPageToken']);

        $id = $page['messages'][0]['id'];
        $events = $client->messages()->events(0, 0.0, ['id' => $id]);
        self::assertSame(['EVENT_TYPE_ACCEPTED', 'EVENT_TYPE_SENT'], array_column($events['events'], 'type'));
        $later = $client->messages()->events($events['lastSequence'], 0.2, ['id' => $id, 'types' => ['failed']]);
        self::assertSame([], $later['events']);
        $attempts = $client->messages()->get($id, 'full')['attempts'];
        self::assertCount(1, $attempts);
    }

    public function testConnections(): void
    {
        $admin = self::client(['token' => self::fixture('admin')]);
        $name = self::word();
        $smtp = self::fixture('smtp');
        $made = $admin->configure(['name' => $name, 'smtp' => $smtp], ['validateOnly' => true]);
        self::assertTrue($made['created']);
        $admin->configure(['name' => $name, 'smtp' => $smtp]);
        self::assertContains($name, array_column($admin->listConnections(), 'name'));
        self::assertTrue($admin->getConnection($name)['smtp']['hasPassword']);
        self::assertArrayNotHasKey('password', $admin->getConnection($name)['smtp']);

        $test = $admin->testConnection($name);
        self::assertTrue($test['ok'], json_encode($test));
        self::assertContains('auth', array_column($test['stages'], 'name'));
        $wrong = ['name' => 'draft', 'smtp' => ['password' => 'wrong'] + $smtp];
        $test = $admin->testConnection($wrong, ['skipProposals' => true]);
        self::assertFalse($test['ok'] ?? false);
        self::assertSame('auth.rejected', $test['diagnosis']['code']);

        $message = (new Message())->from('shop@example.com')->to('jane@example.net')->subject('x')->text('x');
        $options = new SendOptions(['connection' => $name, 'wait' => self::PATIENCE]);
        self::assertSame('SENT', $admin->send($message, $options)->state);
        $admin->deleteConnection($name, true);
        $e = self::fails(static function () use ($admin, $name): void {
            $admin->getConnection($name);
        });
        self::assertInstanceOf(\Postilion\Exception\NotFoundException::class, $e);

        self::assertContains('gmail', array_column($admin->listProviders(), 'id'));
    }

    /** The requests are right; the answers would take the name system of the world. */
    public function testLookups(): void
    {
        $client = self::client();
        $e = self::fails(static function () use ($client): void {
            $client->discover('jane@invalid', ['lookupOnly' => true, 'username' => 'jane', 'password' => 'secret']);
        });
        self::assertSame(['address'], $e->getFields());
        $e = self::fails(static function () use ($client): void {
            $client->checkDomain('', ['connection' => 'capture', 'provider' => 'gmail', 'dkimSelectors' => ['a']]);
        });
        self::assertSame(['domain'], $e->getFields());
    }
}

<?php

declare(strict_types=1);

namespace Postilion\Tests;

use Postilion\Attachment;
use Postilion\Client;
use Postilion\Envelope;
use Postilion\Exception\AuthenticationException;
use Postilion\Exception\InvalidRequestException;
use Postilion\Exception\LimitException;
use Postilion\Exception\PermissionException;
use Postilion\Exception\ProtocolException;
use Postilion\Exception\TimeoutException;
use Postilion\Exception\UnavailableException;
use Postilion\Message;
use Postilion\SendOptions;

/** Whatever goes wrong is an exception that says what to do, and never a lost or doubled mail. */
final class FailureTest extends DaemonTestCase
{
    /** @return iterable<string, array{string, callable, class-string, string, string[]}> */
    public function badInput(): iterable
    {
        $cases = [
            'address' => [static function (Client $c): void {
                $c->send(self::letter()->to('jane'));
            }, InvalidRequestException::class, 'invalid_argument', ['message.to[1].address']],
            'no recipient' => [static function (Client $c): void {
                $c->send((new Message())->from('a@example.com')->text('x'));
            }, InvalidRequestException::class, 'invalid_argument', ['message.to']],
            'nothing' => [static function (Client $c): void {
                $c->send(new Message());
            }, InvalidRequestException::class, 'invalid_argument', ['message.to']],
            'line break in a header' => [static function (Client $c): void {
                $c->send(self::letter()->subject("x\r\nBcc: b@example.net"));
            }, InvalidRequestException::class, 'invalid_argument', ['message.subject']],
            'not UTF-8' => [static function (Client $c): void {
                $c->send(self::letter()->to('b@example.net', "J\xfcrgen"));
            }, InvalidRequestException::class, 'invalid_utf8', ['message.to[1].name']],
            'not UTF-8 in metadata' => [static function (Client $c): void {
                $c->send(self::letter(), new SendOptions(['metadata' => ['a' => "\xff"]]));
            }, InvalidRequestException::class, 'invalid_utf8', ['metadata.a']],
            'envelope' => [static function (Client $c): void {
                $c->sendRaw("Subject: x\n\ny", new Envelope('a@@example.com', ['b@example.net']));
            }, InvalidRequestException::class, 'invalid_argument', ['raw.envelope.from']],
            'too large' => [static function (Client $c): void {
                $c->sendRaw("From: a@example.com\nTo: b@example.net\n\n" . str_repeat("12345678\n", 200000));
            }, LimitException::class, 'message_too_large', ['raw.content']],
            'far too large' => [static function (Client $c): void {
                $c->sendRaw(str_repeat("12345678\n", 2000000));
            }, LimitException::class, 'message_too_large', []],
            'misspelt field' => [static function (Client $c): void {
                $c->configure(['name' => 'x', 'smpt' => ['host' => 'x']]);
            }, InvalidRequestException::class, 'malformed_request', ['smpt']],
            'priority' => [static function (Client $c): void {
                $c->send(self::letter(), new SendOptions(['priority' => 'urgent']));
            }, InvalidRequestException::class, 'malformed_request', ['priority']],
            'unknown method' => [static function (Client $c): void {
                $c->call('MailerService/Nosuch');
            }, ProtocolException::class, 'unknown_method', []],
        ];
        foreach ($cases as $name => $case) {
            foreach (['curl', 'stream'] as $http) {
                yield "$name by $http" => array_merge([$http], $case);
            }
        }
    }

    /**
     * @param class-string $class
     * @param string[] $fields
     *
     * @dataProvider badInput
     */
    public function testBadInput(string $http, callable $call, string $class, string $reason, array $fields): void
    {
        $client = self::client(['http' => $http, 'spool' => self::fixture('maildrop')]);
        $e = self::fails(static function () use ($call, $client): void {
            $call($client);
        });
        self::assertInstanceOf($class, $e);
        self::assertSame($reason, $e->getReason(), $e->getMessage());
        self::assertSame($fields, $e->getFields(), $e->getMessage());
        self::assertFalse($e->isTemporary());
        self::assertFalse($e->mayBeAccepted());
    }

    public function testAttachments(): void
    {
        foreach (['/nonexistent/file', '/', "a\0b", ''] as $path) {
            $e = self::fails(static function () use ($path): void {
                Attachment::file($path);
            });
            self::assertSame('attachment_unreadable', $e->getReason());
            self::assertStringContainsString($path, $e->getMessage());
        }
    }

    public function testMisspeltOptions(): void
    {
        $calls = [
            static function (): void {
                new Client('', ['timout' => 1]);
            },
            static function (): void {
                new Client('', ['timeout' => 0]);
            },
            static function (): void {
                new Client('', ['timeout' => 'soon']);
            },
            static function (): void {
                new Client('', ['token' => "a\nb"]);
            },
            static function (): void {
                new Client('', ['spool' => ['x']]);
            },
            static function (): void {
                new Client('', ['http' => 'pigeon']);
            },
            static function (): void {
                new Client('http://mail.example.com', ['token' => 'secret']);
            },
            static function (): void {
                new SendOptions(['tag' => 'x']);
            },
        ];
        foreach ($calls as $call) {
            $e = self::fails($call);
            self::assertSame('invalid_option', $e->getReason());
            self::assertStringNotContainsString('secret', $e->getMessage());
        }
        self::assertInstanceOf(Client::class, new Client('', ['token' => null, 'spool' => null]));
    }

    /** Not even the beginning of the token, as in a stack trace. @dataProvider ways */
    public function testTokenIsNeverShown(string $http): void
    {
        $token = self::fixture('token');
        ini_set('zend.exception_ignore_args', '0');
        $options = ['http' => $http, 'token' => $token];
        foreach (
            [
                static function () use ($options): void {
                    (new Client('/nonexistent.sock', $options + ['spool' => '/nonexistent']))->sendRaw('x');
                },
                static function () use ($options): void {
                    (new Client(self::fixture('stranger'), $options))->serverInfo();
                },
                static function () use ($options): void {
                    (new Client('', ['token' => $options['token'] . "\n"]));
                },
                static function () use ($options): void {
                    (new Client('http://mail.example.com', $options));
                },
            ] as $call
        ) {
            self::assertStringNotContainsString(substr($token, 0, 12), (string) self::fails($call));
        }
    }

    /** @dataProvider ways */
    public function testWhoCalls(string $http): void
    {
        $e = self::fails(static function () use ($http): void {
            self::client(['http' => $http, 'token' => 'wrong'])->send(self::letter());
        });
        self::assertInstanceOf(AuthenticationException::class, $e);
        self::assertStringContainsString('postilion clients token', $e->getRemedy());
        $e = self::fails(static function () use ($http): void {
            self::client(['http' => $http, 'token' => self::fixture('sender')])->messages()->list();
        });
        self::assertInstanceOf(PermissionException::class, $e);
        self::assertSame(7, $e->getCode());

        $file = (string) tempnam(sys_get_temp_dir(), 'pt');
        try {
            file_put_contents($file, self::fixture('token') . "\n");
            $client = self::client(['http' => $http, 'token' => null, 'token_file' => $file]);
            self::assertSame('site', $client->serverInfo()['client']);
        } finally {
            unlink($file);
        }
        $e = self::fails(static function () use ($http, $file): void {
            self::client(['http' => $http, 'token' => null, 'token_file' => $file])->serverInfo();
        });
        self::assertSame(['token_file'], $e->getFields());
    }

    /** @return iterable<string, array{string, string, string, string}> */
    public function strangeSockets(): iterable
    {
        foreach (['curl', 'stream'] as $http) {
            yield "missing by $http" => [$http, '/nonexistent.sock', 'no_socket', 'systemctl start'];
            yield "file by $http" => [$http, __FILE__, 'not_a_socket', 'postilion-http.sock'];
            yield "directory by $http" => [$http, __DIR__, 'not_a_socket', 'postilion-http.sock'];
            yield "dead by $http" => [$http, self::fixture('dead'), 'unreachable', 'systemctl start'];
            yield "gRPC by $http" => [$http, self::fixture('grpc'), 'not_postilion', 'HTTP face'];
            yield "another server by $http" => [$http, self::fixture('stranger'), 'not_postilion', 'HTTP face'];
            yield "closed port by $http" => [$http, 'http://127.0.0.1:1', 'unreachable', 'http_listen'];
        }
    }

    /** @dataProvider strangeSockets */
    public function testStrangeSockets(string $http, string $target, string $reason, string $remedy): void
    {
        $e = self::fails(static function () use ($http, $target): void {
            self::client(['http' => $http, 'timeout' => 5.0], $target)->send(self::letter());
        });
        self::assertSame($reason, $e->getReason(), $e->getMessage());
        self::assertStringContainsString($remedy, $e->getMessage());
        self::assertStringContainsString(preg_replace('~^unix:~', '', $target), $e->getMessage());
    }

    /** An answer that is broken is no promise. @dataProvider ways */
    public function testBrokenAnswers(string $http): void
    {
        $client = self::client(['http' => $http, 'timeout' => 20.0], self::fixture('broken'));
        for ($i = 0; $i < self::fixture('broken_answers'); $i++) {
            $e = self::fails(static function () use ($client, $i): void {
                $client->send(self::letter(), new SendOptions(['idempotencyKey' => (string) $i]));
            });
            $reasons = ['connection_lost', 'not_postilion', ''];
            self::assertContains($e->getReason(), $reasons, "$i: " . $e->getMessage());
        }
    }

    /** A daemon that does not answer costs the timeout and not more. @dataProvider ways */
    public function testSilence(string $http): void
    {
        $began = microtime(true);
        $e = self::fails(static function () use ($http): void {
            self::client(['http' => $http, 'timeout' => 0.5], self::fixture('silent'))->send(self::letter());
        });
        self::assertInstanceOf(TimeoutException::class, $e);
        self::assertInstanceOf(UnavailableException::class, $e);
        self::assertTrue($e->mayBeAccepted());
        self::assertTrue($e->isTemporary());
        self::assertLessThan(30, microtime(true) - $began);
    }

    /** The first answer is lost after the daemon has accepted. @dataProvider ways */
    public function testLostAnswer(string $http): void
    {
        $tag = self::word();
        $receipt = self::client(['http' => $http], self::fixture('lost'))
            ->send(self::letter(), new SendOptions(['tags' => [$tag]]));
        self::assertTrue($receipt->replayed);
        self::assertSame([$receipt->id], array_column(self::tagged($tag), 'id'));
    }

    /** An answer that comes too late is asked for again. @dataProvider ways */
    public function testLateAnswer(string $http): void
    {
        $tag = self::word();
        // The first attempt has three fifths of it; the proxy waits longer, once.
        $receipt = self::client(['http' => $http, 'timeout' => 20.0], self::fixture('late'))
            ->send(self::letter(), new SendOptions(['tags' => [$tag]]));
        self::assertTrue($receipt->replayed);
        self::assertSame([$receipt->id], array_column(self::tagged($tag), 'id'));
    }

    private static function letter(): Message
    {
        return (new Message())->from('shop@example.com')->to('jane@example.net')->subject('x')->text('x');
    }
}

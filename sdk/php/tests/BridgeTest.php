<?php

declare(strict_types=1);

namespace Postilion\Tests;

use PHPMailer\PHPMailer\Exception as MailerException;
use Postilion\Bridge\Laravel\PostilionServiceProvider;
use Postilion\Bridge\PHPMailer\PostilionMailer;
use Postilion\Bridge\Symfony\PostilionTransport;
use Postilion\Bridge\Symfony\PostilionTransportFactory;
use Postilion\Exception\PostilionException;
use Postilion\SendOptions;
use Postilion\Tests\Laravel\Application;
use Postilion\Tests\Laravel\MailManager;
use Symfony\Component\Mailer\Envelope;
use Symfony\Component\Mailer\Exception\InvalidArgumentException;
use Symfony\Component\Mailer\Exception\TransportException;
use Symfony\Component\Mailer\Header\MetadataHeader;
use Symfony\Component\Mailer\Header\TagHeader;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mailer\Transport\NullTransportFactory;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Email;

/** The mailers that applications have. */
final class BridgeTest extends DaemonTestCase
{
    public function testPHPMailer(): void
    {
        $told = [];
        $mail = new PostilionMailer(true, self::client());
        $mail->SendOptions = new SendOptions(['keepContent' => true]);
        $mail->CharSet = 'UTF-8';
        $mail->setFrom('shop@example.com', 'Größe');
        $mail->Sender = 'bounces@example.com';
        $mail->addAddress('jane@example.net', 'Jane');
        $mail->addCC('cc@example.net');
        $mail->addBCC('bcc@example.net');
        $mail->Subject = 'Grüße';
        $mail->Body = "<p>ä</p>\n";
        $mail->AltBody = "ä\n";
        $mail->isHTML();
        $mail->addStringAttachment('x,y', 'table.csv');
        $mail->action_function = static function (bool $sent, array $to) use (&$told): void {
            $told = [$sent, $to];
        };
        self::assertTrue($mail->send());
        self::assertSame([true, [['jane@example.net', 'Jane']]], $told);
        $receipt = $mail->getReceipt();
        self::assertSame($mail->getLastMessageID(), $receipt->messageId);
        self::assertSame(
            ['jane@example.net', 'cc@example.net', 'bcc@example.net'],
            array_column($receipt->recipients, 'address')
        );
        $content = self::content($receipt->id);
        self::assertStringNotContainsString('bcc@', $content);
        self::assertStringContainsString("\r\nTo: Jane <jane@example.net>\r\n", $content);
        self::assertStringContainsString('table.csv', $content);
        self::assertSame(0, preg_match('/(?<!\r)\n/', $content));

        // The same object again is another message.
        self::assertTrue($mail->send());
        self::assertNotSame($receipt->id, $mail->getReceipt()->id);
    }

    public function testPHPMailerFails(): void
    {
        $mail = new PostilionMailer(true, self::client([], '/nonexistent.sock'));
        $mail->setFrom('shop@example.com');
        $mail->addAddress('jane@example.net');
        $mail->Body = 'x';
        try {
            $mail->send();
            self::fail('it did not fail');
        } catch (MailerException $e) {
            self::assertStringContainsString('/nonexistent.sock', $e->getMessage());
            self::assertInstanceOf(PostilionException::class, $e->getPrevious());
        }
        $mail = new PostilionMailer(false, self::client([], '/nonexistent.sock'));
        $mail->setFrom('shop@example.com');
        $mail->addAddress('jane@example.net');
        $mail->Body = 'x';
        self::assertFalse($mail->send());
        self::assertStringContainsString('systemctl start', $mail->ErrorInfo);
        self::assertNull($mail->getReceipt());

        // Whoever asks for another way gets it.
        $mail->isSendmail();
        $mail->Sendmail = '/bin/false';
        self::assertFalse($mail->send());
        self::assertStringContainsString('/bin/false', $mail->ErrorInfo);
        $mail->isPostilion();
        self::assertFalse($mail->send());
        self::assertStringContainsString('/nonexistent.sock', $mail->ErrorInfo);
    }

    public function testSymfony(): void
    {
        $factories = [new PostilionTransportFactory(), new NullTransportFactory()];
        $dsn = sprintf('postilion://%s@default?socket=%s&timeout=60', self::fixture('token'), self::fixture('socket'));
        $email = (new Email())->from(new Address('shop@example.com', 'Größe'))->to('jane@example.net')
            ->bcc('bcc@example.net')->subject('Grüße')->text('ä')->html('<p>ä</p>')->attach('x,y', 'table.csv');
        $tag = self::word();
        $email->getHeaders()->add(new TagHeader($tag))->add(new MetadataHeader('order', '17'));
        foreach ([$dsn, "failover(postilion://default?socket=/nonexistent.sock $dsn)"] as $one) {
            (new Mailer((new Transport($factories))->fromString($one)))->send($email);
        }
        $found = self::tagged($tag);
        self::assertCount(2, $found);
        self::assertSame(['order' => '17'], $found[0]['metadata']);
        self::assertSame(
            ['jane@example.net', 'bcc@example.net'],
            array_column($found[0]['recipients'], 'address')
        );

        // The envelope is what was asked for, the id Postilion's.
        $envelope = new Envelope(new Address('bounces@example.com'), [new Address('other@exämple.net')]);
        $transport = new PostilionTransport(self::client(), 'capture');
        self::assertSame('postilion://capture', (string) $transport);
        $sent = $transport->send($email, $envelope);
        $stored = self::client()->messages()->get($sent->getMessageId());
        self::assertSame('other@xn--exmple-cua.net', $stored['recipients'][0]['address']);
        self::assertSame(['capture'], $stored['connections']);
    }

    public function testSymfonyOverTls(): void
    {
        $dsn = str_replace('https://', 'postilion+https://' . self::fixture('token') . '@', self::fixture('https'))
            . '?ca_file=' . self::fixture('ca_file') . '&connection=capture&timeout=60';
        $transport = (new Transport([new PostilionTransportFactory()]))->fromString($dsn);
        $sent = $transport->send((new Email())->from('a@example.com')->to('b@example.net')->text('x'));
        self::assertSame('site', self::client()->messages()->get($sent->getMessageId())['client']);
    }

    public function testSymfonyFails(): void
    {
        $transport = (new Transport([new PostilionTransportFactory()]))
            ->fromString('postilion://default?socket=/nonexistent.sock');
        try {
            $transport->send((new Email())->from('a@example.com')->to('b@example.net')->text('x'));
            self::fail('it did not fail');
        } catch (TransportException $e) {
            self::assertStringContainsString('/nonexistent.sock', $e->getMessage());
            self::assertInstanceOf(PostilionException::class, $e->getPrevious());
        }
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessage('the token would go to http://mail.example.com');
        (new Transport([new PostilionTransportFactory()]))->fromString('postilion://secret@mail.example.com:9126');
    }

    /**
     * Laravel 9 and newer cannot be installed here. The classes in Laravel do what
     * theirs do when a provider boots and a mailer is made.
     */
    public function testLaravel(): void
    {
        require_once __DIR__ . '/Laravel/ServiceProvider.php';
        require_once __DIR__ . '/Laravel/env.php';
        $manager = new MailManager();
        (new PostilionServiceProvider(new Application($manager)))->boot();
        $config = require __DIR__ . '/../../../examples/laravel/config/mail.php';
        $config = $config['mailers'][$config['default']];
        self::assertNull($config['target']);
        $config['target'] = self::fixture('socket');
        $config['token'] = self::fixture('token');
        $transport = $manager->createSymfonyTransport($config + ['timeout' => '60', 'name' => 'main']);
        $sent = $transport->send((new Email())->from('a@example.com')->to('b@example.net')->text('x'));
        self::assertSame('json', self::client()->messages()->get($sent->getMessageId())['source']);
    }
}

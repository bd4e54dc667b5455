<?php

declare(strict_types=1);

namespace Postilion\Bridge\Symfony;

use Postilion\Client;
use Postilion\Envelope;
use Postilion\Exception\PostilionException;
use Postilion\SendOptions;
use Psr\EventDispatcher\EventDispatcherInterface;
use Psr\Log\LoggerInterface;
use Symfony\Component\Mailer\Exception\TransportException;
use Symfony\Component\Mailer\Header\MetadataHeader;
use Symfony\Component\Mailer\Header\TagHeader;
use Symfony\Component\Mailer\SentMessage;
use Symfony\Component\Mailer\Transport\AbstractTransport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Message;

/**
 * Hands the messages of Symfony Mailer, 5.4 and newer, over to Postilion. Tags
 * and metadata of a message become Postilion's.
 */
final class PostilionTransport extends AbstractTransport
{
    /** @var Client */
    private $client;
    /** @var string */
    private $connection;

    /** @param string $connection name of the connection to send through; the daemon chooses if empty */
    public function __construct(
        Client $client,
        string $connection = '',
        ?EventDispatcherInterface $dispatcher = null,
        ?LoggerInterface $logger = null
    ) {
        parent::__construct($dispatcher, $logger);
        $this->client = $client;
        $this->connection = $connection;
    }

    public function __toString(): string
    {
        return 'postilion://' . ($this->connection === '' ? 'default' : $this->connection);
    }

    protected function doSend(SentMessage $message): void
    {
        $envelope = $message->getEnvelope();
        $recipients = array_map(static function (Address $address): string {
            return $address->getEncodedAddress();
        }, $envelope->getRecipients());
        try {
            $receipt = $this->client->sendRaw(
                $message->toString(),
                new Envelope($envelope->getSender()->getEncodedAddress(), $recipients),
                $this->options($message)
            );
        } catch (PostilionException $e) {
            throw new TransportException($e->getMessage(), $e->getCode(), $e);
        }
        $message->appendDebug("Postilion: $receipt->state $receipt->id\n");
        if ($receipt->id !== '') {
            $message->setMessageId($receipt->id);
        }
    }

    private function options(SentMessage $message): SendOptions
    {
        $options = new SendOptions(['connection' => $this->connection]);
        $original = $message->getOriginalMessage();
        foreach ($original instanceof Message ? $original->getHeaders()->all() : [] as $header) {
            if ($header instanceof TagHeader) {
                $options->tags[] = $header->getValue();
            } elseif ($header instanceof MetadataHeader) {
                $options->metadata[$header->getKey()] = $header->getValue();
            }
        }
        return $options;
    }
}

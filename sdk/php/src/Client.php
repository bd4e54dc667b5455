<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;
use Postilion\Exception\UnavailableException;
use Postilion\Http\Failure;
use Postilion\Http\Http;

/**
 * Speaks to a Postilion daemon, over its Unix socket or TCP.
 *
 * One client per process is enough; it keeps its connection where ext-curl is
 * there. Answers are those of the API as arrays, with the names that its JSON
 * has: see proto/postilion/v1. All methods throw PostilionException.
 */
class Client
{
    /** Where the daemon's package puts the socket. */
    public const DEFAULT_TARGET = 'unix:///run/postilion/postilion-http.sock';

    public const VERSION = '1.0.0';

    /** Seconds that the daemon may take for what reaches out to other servers. */
    private const LOOKUP = 30.0;

    /** Seconds before a second attempt when the daemon is away. */
    private const PAUSE = 0.1;

    /** @var Http */
    private $http;
    /** @var Config */
    private $config;

    /**
     * @param string $target "/path/of/socket", "unix:///path/of/socket",
     *     "http://host:port" or "https://host:port"; if empty, what the
     *     environment has as POSTILION_SOCKET, else DEFAULT_TARGET
     * @param array<string, mixed> $options see Config, whose properties they are:
     *     token, token_file, timeout, connect_timeout, spool, origin, ca_file, http
     *
     * @throws PostilionException if an option is wrong
     */
    public function __construct(string $target = '', array $options = [])
    {
        $this->config = new Config($target, $options);
        $this->http = Http::open($this->config);
    }

    /**
     * Hands over a message that the daemon composes. When it returns, the
     * message is on stable storage and will be delivered, or fail visibly.
     */
    public function send(Message $message, ?SendOptions $options = null): Receipt
    {
        $content = ['message' => $message->toRequest()];
        return $this->submit($content, $message->recipients(), $message->author(), $options);
    }

    /**
     * Hands over a message that is composed already, as RFC 5322 has it, as
     * send() does. Without an envelope it is taken from the header.
     */
    public function sendRaw(string $mime, ?Envelope $envelope = null, ?SendOptions $options = null): Receipt
    {
        $envelope = $envelope ?? new Envelope();
        $raw = ['content' => base64_encode($mime)];
        if ($envelope->toRequest() !== []) {
            $raw['envelope'] = $envelope->toRequest();
        }
        return $this->submit(['raw' => $raw], $envelope->getRecipients(), $envelope->getFrom(), $options);
    }

    /**
     * Creates or changes a connection (MailerService.Configure).
     *
     * @param array<string, mixed> $connection such as ['name' => 'main', 'smtp' => ['host' => 'smtp.example.com', ...]]
     * @param array<string, mixed> $options further fields of ConfigureRequest: updateMask
     *     ("smtp.host,smtp.password"), etag, validateOnly, setDefault, clearSecrets
     *
     * @return array<string, mixed> ConfigureResponse: connection, created, warnings
     */
    public function configure(array $connection, array $options = []): array
    {
        return $this->call('MailerService/Configure', ['connection' => $connection] + $options);
    }

    /**
     * Tests a stored connection by its name, or settings that need not be
     * stored (MailerService.TestConnection). A test that failed is an answer.
     *
     * @param string|array<string, mixed> $target
     * @param array<string, mixed> $options further fields of TestConnectionRequest: sender,
     *     recipient, sendTo, skipProposals, checkDomain
     *
     * @return array<string, mixed> TestConnectionResponse: ok, stages, diagnosis, proposals, ...
     */
    public function testConnection($target, array $options = []): array
    {
        $target = is_array($target) ? ['draft' => $target] : ['name' => $target];
        return $this->call('MailerService/TestConnection', $target + $options, self::LOOKUP);
    }

    /** What became of messages, and stepping in. */
    public function messages(): Messages
    {
        return new Messages($this);
    }

    /**
     * The caller's connections and those shared with it, by name, without secrets.
     *
     * @return array<int, array<string, mixed>>
     */
    public function listConnections(): array
    {
        return $this->call('ConnectionService/ListConnections')['connections'] ?? [];
    }

    /**
     * One connection.
     *
     * @return array<string, mixed>
     */
    public function getConnection(string $name): array
    {
        return $this->call('ConnectionService/GetConnection', ['name' => $name])['connection'] ?? [];
    }

    /** Removes a connection; with $force although mail waits for it, which becomes HELD. */
    public function deleteConnection(string $name, bool $force = false): void
    {
        $this->call('ConnectionService/DeleteConnection', ['name' => $name, 'force' => $force]);
    }

    /**
     * The mail providers that the daemon has presets for, by id.
     *
     * @return array<int, array<string, mixed>>
     */
    public function listProviders(): array
    {
        return $this->call('ConnectionService/ListProviders')['providers'] ?? [];
    }

    /**
     * Finds out how mail of an address or domain can be sent (DiscoverSettings).
     *
     * @param array<string, mixed> $options username, password, lookupOnly
     *
     * @return array<string, mixed> DiscoverSettingsResponse: proposals, notes
     */
    public function discover(string $address, array $options = []): array
    {
        return $this->call('ConnectionService/DiscoverSettings', ['address' => $address] + $options, self::LOOKUP);
    }

    /**
     * Looks at what a domain publishes about its mail (CheckDomain).
     *
     * @param array<string, mixed> $options connection, provider, dkimSelectors
     *
     * @return array<string, mixed> CheckDomainResponse: domain, ok, checks
     */
    public function checkDomain(string $domain, array $options = []): array
    {
        return $this->call('ConnectionService/CheckDomain', ['domain' => $domain] + $options, self::LOOKUP);
    }

    /**
     * About the daemon, and who the caller is to it (GetServerInfo).
     *
     * @return array<string, mixed> version, features, client, scopes, maxContentBytes, notices, ...
     */
    public function serverInfo(): array
    {
        return $this->call('AdminService/GetServerInfo');
    }

    /**
     * Calls any unary method of the API.
     *
     * @param string $method such as "MessageService/GetMessage"
     * @param array<string, mixed> $request
     * @param float $more seconds beyond the timeout that the daemon may take
     *
     * @return array<string, mixed>
     */
    public function call(string $method, array $request = [], float $more = 0.0): array
    {
        try {
            return $this->http->call($method, Json::encode($request), Http::now() + $this->config->timeout + $more);
        } catch (Failure $failure) {
            throw $failure->toException();
        }
    }

    /**
     * Hands over with a key, so that a second attempt and the spool are safe
     * whatever became of the first.
     *
     * @param array<string, mixed> $content message or raw
     * @param string[] $recipients for the notice, if the spool's message is refused
     */
    private function submit(array $content, array $recipients, ?string $from, ?SendOptions $options): Receipt
    {
        $options = $options ?? new SendOptions();
        $request = $options->toRequest() + ['idempotencyKey' => bin2hex(random_bytes(16))] + $content;
        if ($this->config->origin !== '' && !isset($request['origin'])) {
            $request['origin'] = $this->config->origin;
        }
        $body = Json::encode($request);
        try {
            return Receipt::fromAnswer($this->attempt($body, $options->wait));
        } catch (PostilionException $e) {
            if ($this->config->spool === '' || !$e->isTemporary()) {
                throw $e;
            }
            return (new Spool($this->config))->put($body, $recipients, $from, $e);
        }
    }

    /**
     * Sends once, and a second time if the daemon was away or the answer was
     * lost, all within the timeout.
     *
     * @return array<string, mixed>
     */
    private function attempt(string $body, float $wait): array
    {
        $method = 'MailerService/Send';
        $deadline = Http::now() + $this->config->timeout + $wait;
        try {
            // The second attempt needs time, too.
            return $this->http->call($method, $body, $deadline - 0.4 * $this->config->timeout);
        } catch (Failure $first) {
            if (!$first->sent && $this->config->spool !== '') {
                throw $first->toException();
            }
        } catch (UnavailableException $first) {
            // The daemon said so itself.
        }
        usleep((int) (1e6 * self::PAUSE));
        try {
            return $this->http->call($method, $body, $deadline);
        } catch (Failure $second) {
            $last = $second->toException();
        } catch (PostilionException $last) {
            // What the daemon says of the second tells nothing of the first.
        }
        throw $first instanceof Failure && $first->sent ? $last->leftOpen() : $last;
    }
}

<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Exception\AuthenticationException;
use Postilion\WordPress\Sdk\Exception\PermissionException;
use Postilion\WordPress\Sdk\Exception\PostilionException;

/**
 * What the sidecar said of itself and of us when it was asked last. It is
 * stored, so that a request that sends mail need not ask.
 */
final class Peer
{
    private const OPTION = 'postilion_peer';

    /** @var array<string, mixed> */
    private $facts;

    /** @param array<string, mixed> $facts */
    private function __construct(array $facts)
    {
        $this->facts = $facts;
    }

    /** What is known of the sidecar of these settings; nothing if it has not answered yet. */
    public static function known(Settings $settings): ?self
    {
        $facts = $settings->isNetwork() ? get_site_option(self::OPTION) : get_option(self::OPTION);
        if (!is_array($facts) || ($facts['fingerprint'] ?? '') !== $settings->fingerprint()) {
            return null;
        }
        return new self($facts);
    }

    /**
     * Asks the sidecar. What was known is forgotten if it does not know us any
     * more.
     *
     * @throws PostilionException if it does not answer, or does not know us
     */
    public static function ask(Settings $settings, ?float $timeout = null): self
    {
        try {
            $info = Sidecar::client($settings, $timeout === null ? [] : ['timeout' => $timeout])->serverInfo();
        } catch (AuthenticationException | PermissionException $e) {
            self::forget();
            throw $e;
        }
        $facts = [
            'fingerprint' => $settings->fingerprint(),
            'version' => (string) ($info['version'] ?? ''),
            'client' => (string) ($info['client'] ?? ''),
            'scopes' => array_map('strval', (array) ($info['scopes'] ?? [])),
            'max_content' => (int) ($info['maxContentBytes'] ?? 0),
            'origin' => (string) ($info['origin'] ?? ''),
            'notices' => array_map('strval', (array) ($info['notices'] ?? [])),
        ];
        if ($settings->isNetwork()) {
            update_site_option(self::OPTION, $facts);
        } else {
            update_option(self::OPTION, $facts);
        }
        return new self($facts);
    }

    public static function forget(): void
    {
        delete_option(self::OPTION);
        delete_site_option(self::OPTION);
    }

    public function version(): string
    {
        return $this->facts['version'];
    }

    /** Name of the client that this site is to the daemon. */
    public function client(): string
    {
        return $this->facts['client'];
    }

    /** @return string[] such as "send" and "configure" */
    public function scopes(): array
    {
        return array_map(
            static function (string $scope): string {
                return strtolower(str_replace('SCOPE_', '', $scope));
            },
            $this->facts['scopes']
        );
    }

    public function may(string $scope): bool
    {
        return in_array($scope, $this->scopes(), true) || in_array('admin', $this->scopes(), true);
    }

    /** The largest message that it takes, in octets; 0 if unknown. */
    public function maxContent(): int
    {
        return $this->facts['max_content'];
    }

    /** Where the daemon believes this site to be; empty if it does not care. */
    public function origin(): string
    {
        return $this->facts['origin'];
    }

    /** @return string[] what people should know: what the daemon says, and whether this is a copy to it */
    public function notices(): array
    {
        $notices = $this->facts['notices'];
        if ($this->origin() !== '' && self::place($this->origin()) !== self::place(Site::origin())) {
            $notices[] = sprintf(
                /* translators: 1: URL, 2: URL, 3: a command */
                __(
                    'Mail of this site is held: it is at %1$s, and the sidecar knows it at %2$s. If it has moved, run on the server: %3$s',
                    'postilion'
                ),
                Site::origin(),
                $this->origin(),
                sprintf('postilion clients update %s --origin %s', $this->client(), Site::origin())
            );
        }
        return $notices;
    }

    /** What the daemon compares of a URL: a site that changes to https has not moved. */
    private static function place(string $url): string
    {
        $parts = wp_parse_url($url);
        if (!is_array($parts) || !isset($parts['host'])) {
            return $url;
        }
        $port = isset($parts['port']) ? ':' . $parts['port'] : '';
        return strtolower($parts['host'] . $port) . rtrim($parts['path'] ?? '', '/');
    }
}

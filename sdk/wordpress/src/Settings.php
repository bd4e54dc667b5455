<?php

namespace Postilion\WordPress;

/**
 * How the site reaches the sidecar, and what is done when it is away. Each
 * setting comes from the first of: a constant in wp-config.php, the site, the
 * network (on a multisite, if the network lets sites decide, after the site),
 * the default.
 */
final class Settings
{
    public const DEFAULT_SOCKET = '/run/postilion/postilion-http.sock';
    public const DEFAULT_MAILDROP = '/var/spool/postilion/maildrop';

    /** What is done with mail while the sidecar is away. */
    public const FALLBACKS = ['spool', 'native', 'fail'];

    private const OPTION = 'postilion';
    private const NETWORK_OPTION = 'postilion_network';

    private const CONSTANTS = [
        'socket' => 'POSTILION_SOCKET',
        'url' => 'POSTILION_URL',
        'token' => 'POSTILION_TOKEN',
        'fallback' => 'POSTILION_FALLBACK',
        'maildrop' => 'POSTILION_MAILDROP_DIR',
        'connection' => 'POSTILION_CONNECTION',
        'timeout' => 'POSTILION_TIMEOUT',
        'keep_content' => 'POSTILION_KEEP_CONTENT',
    ];

    private const DEFAULTS = [
        'socket' => self::DEFAULT_SOCKET,
        'url' => '',
        'token' => '',
        'fallback' => 'spool',
        'maildrop' => self::DEFAULT_MAILDROP,
        'connection' => '',
        'timeout' => '5',
        'keep_content' => '',
        'from_address' => '',
        'from_name' => '',
    ];

    /** @var bool */
    private $network;

    private function __construct(bool $network)
    {
        $this->network = $network;
    }

    /** The settings that the current site works with. */
    public static function site(): self
    {
        return new self(false);
    }

    /** Those of the network, for its admin. */
    public static function network(): self
    {
        return new self(true);
    }

    public function isNetwork(): bool
    {
        return $this->network;
    }

    /** The value of a setting as it holds. */
    public function get(string $key): string
    {
        return $this->find($key)[0];
    }

    /** Where its value comes from: constant, site, network or default. */
    public function source(string $key): string
    {
        return $this->find($key)[1];
    }

    /** The constant that fixes a setting, or an empty string. */
    public function lock(string $key): string
    {
        // Where the sidecar is counts as one setting of two forms.
        foreach (in_array($key, ['socket', 'url'], true) ? ['socket', 'url'] : [$key] as $each) {
            if (self::constant($each) !== null) {
                return self::CONSTANTS[$each];
            }
        }
        return '';
    }

    /** Whether the sites of a network may have their own settings. */
    public function sitesDecide(): bool
    {
        return !is_multisite() || !empty(self::networkValues()['sites_decide']);
    }

    /** Whether these settings hold at their own level: the network may keep them to itself. */
    public function isOpen(): bool
    {
        return $this->network || $this->sitesDecide();
    }

    /**
     * Whether the connection may be changed from here. One that is set for the
     * whole network is not a site's to change.
     */
    public function ownsConnection(): bool
    {
        $shared = is_multisite() && !$this->network ? self::network()->get('connection') : '';
        return $this->isOpen() && ($shared === '' || $this->get('connection') !== $shared);
    }

    /**
     * Stores settings; an empty value removes one, so that the next source
     * holds.
     *
     * @param array<string, string|bool> $values
     */
    public function save(array $values): void
    {
        if (isset($values['token']) && $values['token'] !== '') {
            $values['token'] = Vault::seal((string) $values['token']);
        }
        $stored = array_filter(
            array_merge($this->own(), $values),
            static function ($value): bool {
                return $value !== '' && $value !== false;
            }
        );
        if ($this->network) {
            update_site_option(self::NETWORK_OPTION, $stored);
        } else {
            update_option(self::OPTION, $stored);
        }
        Peer::forget();
    }

    /** Whether a value is stored at this level, whatever else holds. */
    public function has(string $key): bool
    {
        return isset($this->own()[$key]) && $this->own()[$key] !== '';
    }

    /** The time limit of a call in seconds, 1 to 60. */
    public function timeout(): float
    {
        return min(60.0, max(1.0, (float) $this->get('timeout')));
    }

    /** Stands for the sidecar and who we are to it, without telling either. */
    public function fingerprint(): string
    {
        return hash('sha256', implode("\0", [$this->get('socket'), $this->get('url'), $this->get('token')]));
    }

    /** Removes all that this class has stored for the current site. */
    public static function delete(): void
    {
        delete_option(self::OPTION);
    }

    /** Removes what it has stored for the network. */
    public static function deleteNetwork(): void
    {
        delete_site_option(self::NETWORK_OPTION);
    }

    /** @return array{string, string} value and source */
    private function find(string $key): array
    {
        $found = $this->search($key);
        // A site's admin must not have the network's token sent to an address of his own.
        if ($key === 'token' && $found[1] !== 'site' && is_multisite() && $this->source('socket') === 'site') {
            return ['', 'site'];
        }
        return $found;
    }

    /** @return array{string, string} value and source at the first level that has one */
    private function search(string $key): array
    {
        if ($this->lock($key) !== '') {
            return [(string) self::constant($key), 'constant'];
        }
        $levels = ['network' => self::networkValues()];
        if (!$this->network) {
            $levels = ['site' => $this->sitesDecide() ? self::siteValues() : []] + $levels;
        }
        foreach ($levels as $source => $values) {
            $target = in_array($key, ['socket', 'url'], true) && (isset($values['socket']) || isset($values['url']));
            if ($target || isset($values[$key])) {
                $value = (string) ($values[$key] ?? '');
                return [$key === 'token' ? Vault::open($value) : $value, $source];
            }
        }
        return [self::DEFAULTS[$key], 'default'];
    }

    /** @return array<string, mixed> */
    private function own(): array
    {
        return $this->network ? self::networkValues() : self::siteValues();
    }

    /** @return array<string, mixed> */
    private static function siteValues(): array
    {
        $values = get_option(self::OPTION, []);
        return is_array($values) ? $values : [];
    }

    /** @return array<string, mixed> */
    private static function networkValues(): array
    {
        if (!is_multisite()) {
            return [];
        }
        $values = get_site_option(self::NETWORK_OPTION, ['sites_decide' => true]);
        return is_array($values) ? $values : [];
    }

    private static function constant(string $key): ?string
    {
        $name = self::CONSTANTS[$key] ?? '';
        return $name !== '' && defined($name) ? (string) constant($name) : null;
    }
}

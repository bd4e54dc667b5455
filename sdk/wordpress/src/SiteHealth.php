<?php

namespace Postilion\WordPress;

use Postilion\WordPress\Sdk\Exception\PostilionException;

/** What Tools > Site Health tells about the site's mail. */
final class SiteHealth
{
    /** Seconds that a test waits for the sidecar. */
    private const PATIENCE = 3.0;

    /**
     * @param array<string, array<string, mixed>> $tests
     *
     * @return array<string, array<string, mixed>>
     */
    public static function tests($tests): array
    {
        $tests['direct']['postilion_sidecar'] = [
            'label' => __('Postilion answers', 'postilion'),
            'test' => [self::class, 'sidecar'],
        ];
        $tests['direct']['postilion_connection'] = [
            'label' => __('Mail can leave', 'postilion'),
            'test' => [self::class, 'connection'],
        ];
        $tests['direct']['postilion_owner'] = [
            'label' => __('Mail goes through Postilion', 'postilion'),
            'test' => [self::class, 'owner'],
        ];
        return $tests;
    }

    /** @return array<string, mixed> */
    public static function sidecar(): array
    {
        try {
            $peer = Peer::ask(Settings::site(), self::PATIENCE);
        } catch (PostilionException $e) {
            return self::result('postilion_sidecar', 'critical', __('The Postilion sidecar does not take this site’s mail', 'postilion'), [$e->getMessage()]);
        }
        if (!$peer->may('send')) {
            return self::result('postilion_sidecar', 'critical', __('This site may not send mail through Postilion', 'postilion'), [
                /* translators: %s: a command */
                sprintf(__('To give it the right, run on the server: %s', 'postilion'), "postilion clients update {$peer->client()} --scope send,read,configure"),
            ]);
        }
        if ($peer->notices() !== []) {
            return self::result('postilion_sidecar', 'recommended', __('Postilion has something to say about this site’s mail', 'postilion'), $peer->notices());
        }
        return self::result('postilion_sidecar', 'good', __('The Postilion sidecar answers', 'postilion'), [
            /* translators: 1: version, 2: name */
            sprintf(__('Postilion %1$s knows this site as %2$s.', 'postilion'), $peer->version(), $peer->client()),
        ]);
    }

    /** @return array<string, mixed> */
    public static function connection(): array
    {
        $test = 'postilion_connection';
        try {
            $peer = Peer::ask(Settings::site(), self::PATIENCE);
            if (!$peer->may('read') && !$peer->may('configure')) {
                return self::result($test, 'good', __('Where the site’s mail goes is the server’s concern', 'postilion'), [
                    __('The administrator of the server keeps the connections.', 'postilion'),
                ]);
            }
            $connection = self::way(Sidecar::client(Settings::site(), ['timeout' => self::PATIENCE])->listConnections());
        } catch (PostilionException $e) {
            return self::result($test, 'critical', __('It is not known whether mail can leave', 'postilion'), [$e->getMessage()]);
        }
        // Of a connection that is shared with the site only the name is shown.
        if ($connection === null || ($connection['custom']['transport'] ?? $connection['name']) === 'capture') {
            return self::result($test, 'critical', __('Mail of this site is kept on the server and does not leave it', 'postilion'), [
                __('Set a connection in Settings > Postilion.', 'postilion'),
            ]);
        }
        $status = $connection['status'] ?? [];
        if (!empty($status['alarms']) || !empty($status['paused'])) {
            return self::result($test, 'critical', __('Mail of this site waits: its connection is in trouble', 'postilion'), array_merge(
                array_map('strval', $status['alarms'] ?? []),
                [(string) ($status['diagnosis']['explanation'] ?? '')],
                array_map('strval', $status['diagnosis']['remedies'] ?? [])
            ));
        }
        return self::result($test, 'good', __('Mail of this site can leave', 'postilion'), [
            /* translators: %s: name of a connection */
            sprintf(__('It takes the connection %s.', 'postilion'), (string) $connection['name']),
        ]);
    }

    /** @return array<string, mixed> */
    public static function owner(): array
    {
        $other = Owner::other();
        if ($other !== '') {
            return self::result('postilion_owner', 'critical', __('Another plugin sends the mail of this site', 'postilion'), [
                Admin\Notices::otherOwner($other),
            ]);
        }
        return self::result('postilion_owner', 'good', __('Mail of this site goes through Postilion', 'postilion'), [
            __('No other plugin has put itself into the way.', 'postilion'),
        ]);
    }

    /**
     * For Tools > Site Health > Info, which people copy into support forums.
     *
     * @param array<string, array<string, mixed>> $information
     *
     * @return array<string, array<string, mixed>>
     */
    public static function information($information): array
    {
        $settings = Settings::site();
        $peer = Peer::known($settings);
        $fields = [
            'target' => [__('Address', 'postilion'), Sidecar::target($settings)],
            'token' => [__('Token', 'postilion'), $settings->get('token') === '' ? __('none', 'postilion') : __('set', 'postilion')],
            'fallback' => [__('When it is away', 'postilion'), $settings->get('fallback')],
            'maildrop' => [__('Maildrop', 'postilion'), $settings->get('maildrop')],
            'connection' => [__('Connection', 'postilion'), $settings->get('connection')],
            'version' => [__('Version of the sidecar', 'postilion'), $peer === null ? '' : $peer->version()],
            'client' => [__('This site is', 'postilion'), $peer === null ? '' : $peer->client()],
            'scopes' => [__('Rights', 'postilion'), $peer === null ? '' : implode(', ', $peer->scopes())],
            'owner' => [__('Who else sends mail', 'postilion'), Owner::other()],
        ];
        $information['postilion'] = ['label' => __('Postilion', 'postilion'), 'fields' => array_map(static function (array $field): array {
            return ['label' => $field[0], 'value' => $field[1]];
        }, $fields)];
        return $information;
    }

    /**
     * The connection that the site's mail takes.
     *
     * @param array<int, array<string, mixed>> $connections
     *
     * @return array<string, mixed>|null
     */
    private static function way(array $connections): ?array
    {
        $name = Settings::site()->get('connection');
        foreach ($connections as $connection) {
            if ($name !== '' ? $connection['name'] === $name : !empty($connection['default'])) {
                return $connection;
            }
        }
        return null;
    }

    /**
     * @param string[] $texts
     *
     * @return array<string, mixed>
     */
    private static function result(string $test, string $status, string $label, array $texts): array
    {
        return [
            'test' => $test,
            'status' => $status,
            'label' => $label,
            'badge' => ['label' => __('Mail', 'postilion'), 'color' => $status === 'good' ? 'blue' : 'red'],
            'description' => Admin\Html::paragraphs($texts),
            'actions' => sprintf(
                '<a href="%s">%s</a>',
                esc_url(Admin\Screen::address(false)),
                esc_html__('Settings of Postilion', 'postilion')
            ),
        ];
    }
}

<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Peer;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Settings;
use Postilion\WordPress\Sidecar;

/** Where the sidecar is, who we are to it, and how it is doing. */
final class SidecarTab implements Tab
{
    /** Seconds that the page waits for the sidecar's answer. */
    private const PATIENCE = 3.0;

    /** @var Screen */
    private $screen;

    /** @var array<string, string> what is wrong, by field */
    private $errors = [];

    public function __construct(Screen $screen)
    {
        $this->screen = $screen;
    }

    public function title(): string
    {
        return __('Sidecar', 'postilion');
    }

    public function handle(): void
    {
        $settings = $this->screen->settings();
        $values = [
            'fallback' => Screen::posted('fallback'),
            'maildrop' => Screen::posted('maildrop'),
            'keep_content' => Screen::posted('keep_content'),
        ];
        if (Screen::posted('reach') === 'url') {
            $values += ['url' => Screen::posted('url'), 'socket' => ''];
        } else {
            $values += ['socket' => Screen::posted('socket'), 'url' => ''];
        }
        if (Screen::posted('remove_token') !== '') {
            $values['token'] = '';
        } elseif (Screen::posted('token') !== '') {
            $values['token'] = Screen::posted('token');
        }
        if ($settings->isNetwork()) {
            $values['sites_decide'] = Screen::posted('sites_decide') !== '';
        }
        foreach (array_keys($values) as $key) {
            if ($key !== 'sites_decide' && $settings->lock($key) !== '') {
                unset($values[$key]);
            }
        }
        $this->errors = self::check($values);
        if ($this->errors !== []) {
            return;
        }
        $settings->save(array_filter($values, static function ($value, string $key) use ($settings): bool {
            return !self::holds($settings, $key, $value);
        }, ARRAY_FILTER_USE_BOTH));
        try {
            $peer = Peer::ask($settings);
        } catch (PostilionException $e) {
            $this->screen->go('sidecar', 'warning', [__('Settings saved.', 'postilion'), $e->getMessage()]);
            return;
        }
        $this->screen->go('sidecar', 'success', [sprintf(
            /* translators: 1: version, 2: name of the client */
            __('Settings saved. Postilion %1$s answers and knows this site as %2$s.', 'postilion'),
            $peer->version(),
            $peer->client()
        )]);
    }

    public function render(): void
    {
        echo '<h2>', esc_html__('State', 'postilion'), '</h2>', $this->state(); // phpcs:ignore WordPress.Security.EscapeOutput
        echo '<h2>', esc_html__('Settings', 'postilion'), '</h2>', $this->form(); // phpcs:ignore WordPress.Security.EscapeOutput
    }

    /**
     * Whether a value holds without being stored here: it stays the network's, or
     * the default.
     *
     * @param string|bool $value
     */
    private static function holds(Settings $settings, string $key, $value): bool
    {
        return !in_array($key, ['token', 'sites_decide'], true) && !$settings->has($key) && $value === $settings->get($key);
    }

    /**
     * @param array<string, string|bool> $values
     *
     * @return array<string, string>
     */
    private static function check(array $values): array
    {
        $errors = [];
        foreach (['socket', 'maildrop'] as $path) {
            if (isset($values[$path]) && $values[$path] !== '' && $values[$path][0] !== '/') {
                $errors[$path] = __('Give the whole path, beginning with a slash.', 'postilion');
            }
        }
        if (isset($values['url']) && Screen::posted('reach') === 'url' && !preg_match('~^https?://[^/\s@]+/?$~i', $values['url'])) {
            $errors['url'] = __('Give a URL such as http://127.0.0.1:9126 or https://mail.example.com:9126.', 'postilion');
        }
        if (isset($values['token']) && preg_match('/[^\x21-\x7e]/', $values['token'])) {
            $errors['token'] = __('The token has characters that no token has. Copy it again, without line breaks.', 'postilion');
        }
        if (isset($values['fallback']) && !in_array($values['fallback'], Settings::FALLBACKS, true)) {
            $errors['fallback'] = __('Choose one of the three.', 'postilion');
        }
        return $errors;
    }

    private function state(): string
    {
        $settings = $this->screen->settings();
        $rows = [__('Address', 'postilion') => '<code>' . esc_html(Sidecar::target($settings)) . '</code>'];
        try {
            $peer = Peer::ask($settings, self::PATIENCE);
        } catch (PostilionException $e) {
            $rows[__('State', 'postilion')] = Html::state('error', $e->getMessage());
            return self::table($rows);
        }
        $rows[__('State', 'postilion')] = Html::state('success', sprintf(
            /* translators: %s: version */
            __('Connected to Postilion %s', 'postilion'),
            $peer->version()
        ));
        $rows[__('This site is', 'postilion')] = sprintf(
            '%s (%s)',
            esc_html($peer->client()),
            esc_html(implode(', ', $peer->scopes()))
        );
        foreach (self::missing($peer) as $text) {
            $rows[__('Rights', 'postilion')] = Html::state('warning', $text);
        }
        foreach ($peer->notices() as $i => $notice) {
            /* translators: %d: number */
            $rows[$i === 0 ? __('Notice', 'postilion') : sprintf(__('Notice %d', 'postilion'), $i + 1)] = Html::state('warning', $notice);
        }
        return self::table($rows);
    }

    /** @return string[] at most one text */
    private static function missing(Peer $peer): array
    {
        $missing = array_filter(['send', 'read', 'configure'], static function (string $scope) use ($peer): bool {
            return !$peer->may($scope);
        });
        return $missing === [] ? [] : [sprintf(
            /* translators: 1: rights, 2: a command */
            __('Missing: %1$s. To give them, run on the server: %2$s', 'postilion'),
            implode(', ', $missing),
            sprintf('postilion clients update %s --scope send,read,configure', $peer->client())
        )];
    }

    /** @param array<string, string> $rows HTML by label */
    private static function table(array $rows): string
    {
        $html = '<table class="widefat striped postilion-facts"><tbody>';
        foreach ($rows as $label => $value) {
            $html .= '<tr><th scope="row">' . esc_html($label) . '</th><td>' . $value . '</td></tr>';
        }
        return $html . '</tbody></table>';
    }

    private function form(): string
    {
        $settings = $this->screen->settings();
        $html = Html::form($this->screen->url('sidecar'), Screen::SLUG) . '<table class="form-table" role="presentation">';
        $html .= $this->reach($settings) . $this->token($settings);
        $html .= Html::row(
            'fallback',
            __('When it is away', 'postilion'),
            Html::select('fallback', $this->value('fallback'), [
                'spool' => __('Keep mail in the maildrop until it is back', 'postilion'),
                'native' => __('Send as WordPress would without this plugin', 'postilion'),
                'fail' => __('Let wp_mail() fail', 'postilion'),
            ], ['disabled' => $settings->lock('fallback') !== '']),
            self::lockNote($settings, 'fallback'),
            $this->errors['fallback'] ?? ''
        );
        $html .= Html::row(
            'maildrop',
            __('Maildrop', 'postilion'),
            Html::input('maildrop', $this->value('maildrop'), [
                'class' => 'regular-text code',
                'disabled' => $settings->lock('maildrop') !== '',
                'aria-describedby' => 'maildrop-help',
            ]),
            self::lockNote($settings, 'maildrop') ?: __('A folder on this machine that the sidecar watches (its setting maildrop_dir).', 'postilion'),
            $this->errors['maildrop'] ?? ''
        );
        $html .= Html::group(__('Content', 'postilion'), [Html::checkbox(
            'keep_content',
            $this->value('keep_content') !== '',
            __('Keep the content of messages after their end, so that failed ones can be sent again', 'postilion'),
            ['disabled' => $settings->lock('keep_content') !== '']
        )], self::lockNote($settings, 'keep_content') ?: __('It stays on the sidecar’s disk as long as the rest about a message.', 'postilion'));
        if ($settings->isNetwork()) {
            $html .= Html::group(__('Sites', 'postilion'), [Html::checkbox(
                'sites_decide',
                $settings->sitesDecide(),
                __('Sites may have settings of their own', 'postilion')
            )]);
        }
        $inherits = $settings->source('socket') === 'network' && !$settings->isNetwork();
        return $html . '</table><p class="submit">' . Html::button('save', __('Save Changes', 'postilion'), true)
            . ($inherits ? '<span class="description">' . esc_html__('What is shown is set for the network.', 'postilion') . '</span>' : '')
            . '</p></form>';
    }

    private function reach(Settings $settings): string
    {
        $locked = $settings->lock('socket') !== '';
        $url = $this->posted('reach', $settings->get('url') !== '' ? 'url' : 'socket') === 'url';
        return Html::group(
            __('Reach it by', 'postilion'),
            [
                Html::radio('reach', 'socket', !$url, __('Unix socket', 'postilion'), ['disabled' => $locked])
                . ' <label class="screen-reader-text" for="socket">' . esc_html__('Path of the socket', 'postilion') . '</label>'
                . Html::input('socket', $this->value('socket') ?: Settings::DEFAULT_SOCKET, ['class' => 'regular-text code', 'disabled' => $locked]),
                Html::radio('reach', 'url', $url, __('URL', 'postilion'), ['disabled' => $locked])
                . ' <label class="screen-reader-text" for="url">' . esc_html__('URL', 'postilion') . '</label>'
                . Html::input('url', $this->value('url'), [
                    'class' => 'regular-text code',
                    'placeholder' => 'http://127.0.0.1:9126',
                    'disabled' => $locked,
                ]),
            ],
            self::lockNote($settings, 'socket')
                ?: __('The socket is best: on it the sidecar knows the Unix user of PHP, without a token.', 'postilion'),
            $this->errors['socket'] ?? $this->errors['url'] ?? ''
        );
    }

    private function token(Settings $settings): string
    {
        $locked = $settings->lock('token') !== '';
        $fields = '<input type="password" id="token" name="token" value="" class="regular-text code" autocomplete="off" spellcheck="false"'
            . ($locked ? ' disabled' : '')
            . ' placeholder="' . esc_attr($settings->get('token') !== '' ? __('stored', 'postilion') : '') . '">';
        if (!$locked && $settings->has('token')) {
            $fields .= '<br>' . Html::checkbox('remove_token', false, __('Remove the stored token', 'postilion'));
        }
        return Html::row(
            'token',
            __('Token', 'postilion'),
            $fields,
            self::lockNote($settings, 'token')
                ?: __('As "postilion clients create" has shown it. Not needed where the sidecar knows the Unix user.', 'postilion'),
            $this->errors['token'] ?? ''
        );
    }

    /** What stands in a field: what was typed, else what holds. */
    private function value(string $key): string
    {
        return $this->posted($key, $this->screen->settings()->get($key));
    }

    private function posted(string $key, string $else): string
    {
        return $this->errors === [] ? $else : Screen::posted($key);
    }

    private static function lockNote(Settings $settings, string $key): string
    {
        $constant = $settings->lock($key);
        /* translators: %s: name of a constant */
        return $constant === '' ? '' : sprintf(__('Set by %s in wp-config.php.', 'postilion'), $constant);
    }
}

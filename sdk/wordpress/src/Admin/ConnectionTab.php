<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\ConnectionForm;
use Postilion\WordPress\Import\Source;
use Postilion\WordPress\Peer;
use Postilion\WordPress\Sdk\Client;
use Postilion\WordPress\Sdk\Exception\NotFoundException;
use Postilion\WordPress\Sdk\Exception\PostilionException;
use Postilion\WordPress\Sidecar;
use Postilion\WordPress\Site;

/** The way out that the site's mail takes: a provider's server and a login. */
final class ConnectionTab implements Tab
{
    /** @var Screen */
    private $screen;

    /** @var ConnectionForm|null what was typed, if it is to be shown again */
    private $typed = null;

    /** @var array<string, string> what is wrong, by field */
    private $errors = [];

    /** @var string what came of a test, as HTML */
    private $result = '';

    public function __construct(Screen $screen)
    {
        $this->screen = $screen;
    }

    public function title(): string
    {
        return __('Connection', 'postilion');
    }

    public function handle(): void
    {
        $this->typed = self::read();
        try {
            $client = Sidecar::client($this->screen->settings());
            if (Screen::posted('test') !== '') {
                $this->test($client, $this->typed);
            } else {
                $this->save($client, $this->typed);
            }
        } catch (PostilionException $e) {
            $this->fail($e);
        }
    }

    public function render(): void
    {
        try {
            $peer = Peer::ask($this->screen->settings());
            if (!$peer->may('configure')) {
                $this->explainRights($peer);
                return;
            }
            $client = Sidecar::client($this->screen->settings());
            $stored = $this->stored($client);
            $providers = $client->listProviders();
        } catch (PostilionException $e) {
            echo Html::notice('error', [ // phpcs:ignore WordPress.Security.EscapeOutput
                __('The connection can be set when the sidecar answers.', 'postilion'),
                $e->getMessage(),
            ]);
            return;
        }
        if (isset($stored['status'])) {
            echo self::status($stored['status']); // phpcs:ignore WordPress.Security.EscapeOutput
        }
        $form = $this->typed ?? $this->imported() ?? ConnectionForm::fromConnection($stored);
        $this->form($form, $providers, !empty($stored['smtp']['hasPassword']));
        echo '<div id="postilion-result" aria-live="polite">', $this->result, '</div>'; // phpcs:ignore WordPress.Security.EscapeOutput
    }

    /** Name of the connection that the form is about. */
    private function name(): string
    {
        return $this->screen->settings()->get('connection') ?: Site::connectionName();
    }

    /** @return array<string, mixed> Connection of the API; empty if it has not been made yet */
    private function stored(Client $client): array
    {
        try {
            return $client->getConnection($this->name());
        } catch (NotFoundException $e) {
            return [];
        }
    }

    private static function read(): ConnectionForm
    {
        $form = new ConnectionForm();
        foreach ($form->values as $field => $default) {
            $form->values[$field] = is_bool($default) ? Screen::posted($field) !== '' : Screen::posted($field);
        }
        // A password may begin or end with a space.
        $password = wp_unslash($_POST['password'] ?? ''); // phpcs:ignore WordPress.Security
        $form->password = is_string($password) ? $password : '';
        $source = Source::find(Screen::posted('import'));
        if ($form->password === '' && $source !== null) {
            $form->password = $source->password();
        }
        return $form;
    }

    private function save(Client $client, ConnectionForm $form): void
    {
        $name = $this->name();
        $options = $this->stored($client) === [] ? [] : ['updateMask' => $form->mask()];
        $answer = $client->configure($form->toConnection($name), $options);
        $this->screen->settings()->save([
            'connection' => $name,
            'from_address' => $form->values['from_address'],
            'from_name' => $form->values['from_name'],
        ]);
        $this->screen->go('connection', 'success', array_merge(
            [__('Connection saved. It holds from the next message on.', 'postilion')],
            array_map('strval', $answer['warnings'] ?? [])
        ));
    }

    private function test(Client $client, ConnectionForm $form): void
    {
        set_time_limit(90);
        $this->result = '<h2>' . esc_html__('Test', 'postilion') . '</h2>'
            . TestReport::html($client->testConnection($form->toConnection($this->name())));
    }

    private function fail(PostilionException $e): void
    {
        foreach (ConnectionForm::fields($e->getFields()) as $field) {
            $this->errors[$field] = $e->getMessage();
        }
        if ($e->getReason() === 'secret_required') {
            $this->errors['password'] = __('Give the password again: a stored one is not carried over to other settings.', 'postilion');
        }
        $this->result = Html::notice('error', [$e->getMessage()]);
    }

    private function explainRights(Peer $peer): void
    {
        // phpcs:disable WordPress.Security.EscapeOutput
        echo Html::notice('info', [
            sprintf(
                /* translators: %s: name of the client */
                __('The administrator of the server has not given this site (%s) the right to configure connections. Its mail takes the way that is set on the server.', 'postilion'),
                $peer->client()
            ),
            sprintf(
                /* translators: %s: a command */
                __('To change that, run on the server: %s', 'postilion'),
                'postilion clients update ' . $peer->client() . ' --scope send,read,configure'
            ),
        ]);
        // phpcs:enable
    }

    /** The settings of another plugin, to be looked at and saved. */
    private function imported(): ?ConnectionForm
    {
        $source = Source::find($this->importing());
        return $source === null ? null : $source->form();
    }

    private function importing(): string
    {
        return isset($_GET['import']) && is_string($_GET['import']) ? sanitize_key($_GET['import']) : ''; // phpcs:ignore WordPress.Security.NonceVerification
    }

    /** @param array<string, mixed> $status ConnectionStatus of the API */
    private static function status(array $status): string
    {
        $html = '';
        foreach ($status['alarms'] ?? [] as $alarm) {
            $html .= Html::notice('error', [(string) $alarm]);
        }
        if (!empty($status['diagnosis']) && (!empty($status['paused']) || !empty($status['failingSince']))) {
            $html .= TestReport::diagnosis($status['diagnosis']);
        }
        return $html;
    }

    /** @param array<int, array<string, mixed>> $providers */
    private function form(ConnectionForm $form, array $providers, bool $hasPassword): void
    {
        $value = $form->values;
        $importing = $this->typed === null ? $this->importing() : Screen::posted('import');
        // phpcs:disable WordPress.Security.EscapeOutput
        echo Html::form($this->screen->url('connection'), Screen::SLUG);
        if ($importing !== '' && Source::find($importing) !== null) {
            $source = Source::find($importing);
            echo Html::notice('info', [
                /* translators: %s: name of a plugin */
                sprintf(__('These are the settings of %s. Look at them, then save.', 'postilion'), $source->title()),
                $source->passwordNote(),
            ]), '<input type="hidden" name="import" value="', esc_attr($importing), '">';
        }
        echo '<h2>', esc_html__('Server', 'postilion'), '</h2><table class="form-table" role="presentation">',
            $this->server($value, $providers),
            $this->login($value, $hasPassword),
            '</table><h2>', esc_html__('Sender', 'postilion'), '</h2><table class="form-table" role="presentation">',
            $this->sender($value),
            '</table><p class="submit">',
            Html::button('save', __('Save Changes', 'postilion'), true),
            str_replace('<button ', '<button data-postilion-inline ', Html::button('test', __('Test connection', 'postilion'))),
            '</p></form>';
        // phpcs:enable
    }

    /**
     * @param array<string, string|bool> $value
     * @param array<int, array<string, mixed>> $providers
     */
    private function server(array $value, array $providers): string
    {
        return Html::row('provider', __('Provider', 'postilion'), self::providers($value['provider'], $providers))
            . '<tr id="postilion-hints" hidden><th></th><td><p class="description"></p></td></tr>'
            . $this->text('host', __('Server', 'postilion'), $value, ['placeholder' => 'smtp.example.com', 'class' => 'regular-text code'])
            . $this->text('port', __('Port', 'postilion'), $value, [
                'type' => 'number', 'min' => '1', 'max' => '65535', 'class' => 'small-text', 'placeholder' => '587',
            ], __('Left empty: 465 with TLS from the start, else 587.', 'postilion'))
            . Html::row('security', __('Encryption', 'postilion'), Html::select('security', (string) $value['security'], [
                'starttls' => __('STARTTLS, required', 'postilion'),
                'tls' => __('TLS from the start', 'postilion'),
                'opportunistic' => __('STARTTLS if the server offers it', 'postilion'),
                'none' => __('None', 'postilion'),
            ]), '', $this->errors['security'] ?? '')
            . Html::row('certificates', __('Own authority', 'postilion'), sprintf(
                '<details%s><summary>%s</summary><textarea id="certificates" name="certificates" rows="4" class="large-text code" spellcheck="false">%s</textarea></details>',
                $value['certificates'] === '' ? '' : ' open',
                esc_html__('Only for a server whose certificate no public authority has issued', 'postilion'),
                esc_textarea((string) $value['certificates'])
            ), '', $this->errors['certificates'] ?? '');
    }

    /** @param array<string, string|bool> $value */
    private function login(array $value, bool $hasPassword): string
    {
        return Html::row('authentication', __('Login', 'postilion'), Html::select('authentication', (string) $value['authentication'], [
            'auto' => __('The best that the server offers', 'postilion'),
            'none' => __('None', 'postilion'),
            'plain' => 'PLAIN',
            'login' => 'LOGIN',
            'cram-md5' => 'CRAM-MD5',
            'scram-sha-1' => 'SCRAM-SHA-1',
            'scram-sha-256' => 'SCRAM-SHA-256',
            'xoauth2' => __('XOAUTH2 (an access token in the place of the password)', 'postilion'),
        ]), '', $this->errors['authentication'] ?? '')
            . $this->text('username', __('User name', 'postilion'), $value, ['autocomplete' => 'off', 'spellcheck' => 'false'])
            . Html::row(
                'password',
                __('Password', 'postilion'),
                '<input type="password" id="password" name="password" value="" class="regular-text" autocomplete="new-password" placeholder="'
                . esc_attr($hasPassword ? __('stored', 'postilion') : '') . '">',
                __('Kept by the sidecar, encrypted, and never shown again. Leave it empty to keep the stored one.', 'postilion'),
                $this->errors['password'] ?? ''
            );
    }

    /** @param array<string, string|bool> $value */
    private function sender(array $value): string
    {
        $all = [
            'from_address' => __('For all mail; another sender becomes Reply-To', 'postilion'),
            'from_name' => __('For all mail', 'postilion'),
        ];
        $force = [];
        foreach ($all as $field => $label) {
            $force[$field] = '<p>' . Html::checkbox("force_$field", (bool) $value["force_$field"], $label) . '</p>';
        }
        return $this->text('from_address', __('From address', 'postilion'), $value, [
            'type' => 'email', 'placeholder' => Site::defaultFrom(),
        ], __('For mail that names no other sender.', 'postilion'), $force['from_address'])
            . $this->text('from_name', __('From name', 'postilion'), $value, [
                'placeholder' => 'WordPress',
            ], '', $force['from_name'])
            . $this->text(
                'reply_to',
                __('Reply-To', 'postilion'),
                $value,
                [],
                __('For mail that names none. Several are separated by commas.', 'postilion')
            );
    }

    /**
     * @param array<string, string|bool> $value
     * @param array<string, string|bool> $attributes
     * @param string $more HTML that comes after the field
     */
    private function text(
        string $field,
        string $label,
        array $value,
        array $attributes = [],
        string $help = '',
        string $more = ''
    ): string {
        $input = Html::input($field, (string) $value[$field], $attributes);
        return Html::row($field, $label, $input . $more, $help, $this->errors[$field] ?? '');
    }

    /** @param array<int, array<string, mixed>> $providers */
    private static function providers(string $chosen, array $providers): string
    {
        $html = '<select id="provider" name="provider"><option value="">' . esc_html__('Another, or your own server', 'postilion') . '</option>';
        foreach ($providers as $provider) {
            $fill = [
                'host' => $provider['host'] ?? '',
                'port' => (string) ($provider['port'] ?? ''),
                'security' => (string) array_search($provider['security'] ?? 'SECURITY_STARTTLS', ConnectionForm::SECURITY, true),
                'hints' => array_values(array_filter([
                    $provider['usernameHint'] ?? '',
                    $provider['passwordHint'] ?? '',
                    $provider['oauthNote'] ?? '',
                    $provider['fromRule'] ?? '',
                ])),
            ];
            $html .= sprintf(
                '<option value="%s"%s data-postilion-fill="%s">%s</option>',
                esc_attr($provider['id']),
                selected($provider['id'], $chosen, false),
                esc_attr((string) wp_json_encode($fill)),
                esc_html($provider['title'] ?? $provider['id'])
            );
        }
        return $html . '</select>';
    }
}

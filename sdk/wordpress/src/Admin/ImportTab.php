<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\Import\Source;

/** Takes over the settings of other mail plugins. */
final class ImportTab implements Tab
{
    /** @var Screen */
    private $screen;

    public function __construct(Screen $screen)
    {
        $this->screen = $screen;
    }

    public function title(): string
    {
        return __('Import', 'postilion');
    }

    public function handle(): void
    {
        // It has links only: what is imported is saved by the connection's form.
    }

    public function render(): void
    {
        echo '<p>', esc_html__('Settings of other mail plugins can be taken over, whether the plugin is active or not.', 'postilion'), '</p>';
        $found = array_filter(Source::all(), static function (Source $source): bool {
            return $source->exists();
        });
        if ($found === []) {
            // phpcs:ignore WordPress.Security.EscapeOutput
            echo Html::notice('info', [__('There are no settings of WP Mail SMTP, Easy WP SMTP, FluentSMTP or Post SMTP on this site.', 'postilion')]);
            return;
        }
        echo '<table class="widefat striped"><thead><tr>';
        foreach ([__('Plugin', 'postilion'), __('Server', 'postilion'), __('User name', 'postilion'), __('From', 'postilion'), ''] as $title) {
            echo '<th scope="col">', esc_html($title), '</th>';
        }
        echo '</tr></thead><tbody>';
        foreach ($found as $source) {
            $form = $source->form();
            $host = $form === null ? '' : (string) $form->values['host'];
            printf(
                '<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>',
                esc_html($source->title()),
                esc_html($host === '' ? '' : rtrim($host . ':' . $form->values['port'], ':')),
                esc_html($form === null ? '' : (string) $form->values['username']),
                esc_html($form === null ? '' : (string) $form->values['from_address']),
                $form === null
                    ? esc_html__('It does not send by SMTP, so there is nothing to take over.', 'postilion')
                    : sprintf(
                        '<a class="button" href="%s">%s</a>',
                        esc_url($this->screen->url('connection', ['import' => $source->id()])),
                        esc_html__('Look and save', 'postilion')
                    )
            );
        }
        echo '</tbody></table>';
    }
}

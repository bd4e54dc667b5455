<?php

namespace Postilion\WordPress\Admin;

use Postilion\WordPress\ConnectionForm;

/**
 * What a test of a connection has found, in HTML. The servers' words come from
 * strangers and are escaped like everything else.
 */
final class TestReport
{
    /** @param array<string, mixed> $test TestConnectionResponse of the API */
    public static function html(array $test): string
    {
        $html = Html::notice(
            empty($test['ok']) ? 'error' : 'success',
            [empty($test['ok']) ? __('The test failed.', 'postilion') : __('All stages passed.', 'postilion')]
        );
        if (!empty($test['diagnosis'])) {
            $html .= self::diagnosis($test['diagnosis']);
        }
        $html .= self::proposals($test['proposals'] ?? []);
        foreach ($test['warnings'] ?? [] as $warning) {
            $html .= Html::notice('warning', [$warning]);
        }
        return $html . self::stages($test['stages'] ?? []) . (empty($test['domain']) ? '' : self::domain($test['domain']));
    }

    /** @param array<string, mixed> $diagnosis */
    public static function diagnosis(array $diagnosis): string
    {
        return '<div class="notice notice-warning inline postilion-diagnosis"><h3>' . esc_html($diagnosis['title'] ?? '') . '</h3>'
            . Html::paragraphs([(string) ($diagnosis['explanation'] ?? '')])
            . Html::list(array_map('strval', $diagnosis['remedies'] ?? []))
            . '</div>';
    }

    /** @param array<string, mixed> $domain CheckDomainResponse of the API */
    public static function domain(array $domain): string
    {
        $html = '<h3>' . esc_html(sprintf(
            /* translators: %s: a domain */
            __('What %s publishes about its mail', 'postilion'),
            $domain['domain'] ?? ''
        )) . '</h3>' . self::tableHead([__('Check', 'postilion'), __('State', 'postilion'), __('Finding', 'postilion')]);
        foreach ($domain['checks'] ?? [] as $check) {
            $publish = empty($check['publish']) ? '' : '<p>' . esc_html(sprintf(
                /* translators: %s: name of a DNS record */
                __('At %s:', 'postilion'),
                $check['recordName'] ?? ''
            )) . ' <code class="postilion-record">' . esc_html($check['publish']) . '</code></p>';
            $html .= sprintf(
                '<tr><th scope="row">%s</th><td>%s</td><td>%s%s%s</td></tr>',
                esc_html(strtoupper((string) ($check['name'] ?? ''))),
                self::checkState((string) ($check['status'] ?? '')),
                esc_html($check['detail'] ?? ''),
                Html::list(array_map('strval', $check['remedies'] ?? [])),
                $publish
            );
        }
        return $html . '</tbody></table>';
    }

    /** Seconds of a Duration in JSON, such as "0.120s", for people. */
    public static function duration(string $duration): string
    {
        $seconds = (float) rtrim($duration, 's');
        return $seconds < 1
            /* translators: %s: a number of milliseconds */
            ? sprintf(__('%s ms', 'postilion'), number_format_i18n($seconds * 1000))
            /* translators: %s: a number of seconds */
            : sprintf(__('%s s', 'postilion'), number_format_i18n($seconds, 1));
    }

    /** @param array<int, array<string, mixed>> $stages */
    private static function stages(array $stages): string
    {
        if ($stages === []) {
            return '';
        }
        $html = '<h3>' . esc_html__('Transcript', 'postilion') . '</h3>' . self::tableHead([
            __('Stage', 'postilion'),
            __('State', 'postilion'),
            __('Time', 'postilion'),
            __('Found', 'postilion'),
        ]);
        foreach ($stages as $stage) {
            $server = (string) ($stage['server'] ?? '');
            $html .= sprintf(
                '<tr><th scope="row"><code>%s</code></th><td>%s</td><td>%s</td><td>%s%s</td></tr>',
                esc_html($stage['name'] ?? ''),
                self::stageState((string) ($stage['status'] ?? '')),
                esc_html(isset($stage['duration']) ? self::duration($stage['duration']) : ''),
                esc_html($stage['detail'] ?? ''),
                $server === '' ? '' : '<pre class="postilion-server">' . esc_html($server) . '</pre>'
            );
        }
        return $html . '</tbody></table>';
    }

    /** @param string[] $columns */
    private static function tableHead(array $columns): string
    {
        return '<table class="widefat striped postilion-report"><thead><tr><th scope="col">'
            . implode('</th><th scope="col">', array_map('esc_html', $columns)) . '</th></tr></thead><tbody>';
    }

    private static function stageState(string $status): string
    {
        switch ($status) {
            case 'STAGE_STATUS_PASSED':
                return Html::state('success', __('Passed', 'postilion'));
            case 'STAGE_STATUS_WARNING':
                return Html::state('warning', __('Warning', 'postilion'));
            case 'STAGE_STATUS_FAILED':
                return Html::state('error', __('Failed', 'postilion'));
        }
        return Html::state('none', __('Skipped', 'postilion'));
    }

    private static function checkState(string $status): string
    {
        switch ($status) {
            case 'CHECK_STATUS_OK':
                return Html::state('success', __('Good', 'postilion'));
            case 'CHECK_STATUS_NOTICE':
                return Html::state('info', __('Notice', 'postilion'));
            case 'CHECK_STATUS_WARNING':
                return Html::state('warning', __('Warning', 'postilion'));
            case 'CHECK_STATUS_FAILED':
                return Html::state('error', __('Wrong', 'postilion'));
        }
        return Html::state('none', __('Unknown', 'postilion'));
    }

    /**
     * Settings that work, each with a button that fills the form.
     *
     * @param array<int, array<string, mixed>> $proposals
     */
    private static function proposals(array $proposals): string
    {
        $items = '';
        foreach ($proposals as $proposal) {
            $smtp = $proposal['smtp'] ?? [];
            $security = (string) array_search($smtp['security'] ?? 'SECURITY_STARTTLS', ConnectionForm::SECURITY, true);
            $fill = ['host' => $smtp['host'] ?? '', 'port' => (string) ($smtp['port'] ?? ''), 'security' => $security];
            $items .= sprintf(
                '<li>%s <button type="button" class="button button-small hide-if-no-js" data-postilion-fill="%s">%s</button></li>',
                esc_html(sprintf('%s:%s, %s. %s', $fill['host'], $fill['port'], $security, $proposal['detail'] ?? '')),
                esc_attr((string) wp_json_encode($fill)),
                esc_html__('Use these', 'postilion')
            );
        }
        return $items === '' ? '' : '<div class="notice notice-info inline"><p>' . esc_html__('These settings work:', 'postilion')
            . '</p><ul class="ul-disc">' . $items . '</ul></div>';
    }
}

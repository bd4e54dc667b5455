<?php

namespace Postilion\WordPress\Admin;

/**
 * Pieces of WordPress's own look. Whatever is given as text is escaped here;
 * what is given as HTML was made here.
 */
final class Html
{
    /** Begins a form that is sent to the page that it is on. */
    public static function form(string $url, string $nonce): string
    {
        return '<form method="post" action="' . esc_url($url) . '">' . wp_nonce_field($nonce, '_wpnonce', true, false);
    }

    /**
     * A row of a form table.
     *
     * @param string $html  The field.
     * @param string $error What is wrong with it.
     */
    public static function row(string $id, string $label, string $html, string $help = '', string $error = ''): string
    {
        return sprintf(
            '<tr%s><th scope="row"><label for="%s">%s</label></th><td>%s%s%s</td></tr>',
            $error === '' ? '' : ' class="form-invalid"',
            esc_attr($id),
            esc_html($label),
            $html,
            $error === '' ? '' : '<p class="postilion-error" role="alert">' . esc_html($error) . '</p>',
            $help === '' ? '' : '<p class="description" id="' . esc_attr($id) . '-help">' . esc_html($help) . '</p>'
        );
    }

    /**
     * A row of several fields under one heading.
     *
     * @param string[] $fields HTML of each.
     */
    public static function group(string $label, array $fields, string $help = '', string $error = ''): string
    {
        return sprintf(
            '<tr%s><th scope="row">%s</th><td><fieldset><legend class="screen-reader-text"><span>%s</span></legend>%s</fieldset>%s%s</td></tr>',
            $error === '' ? '' : ' class="form-invalid"',
            esc_html($label),
            esc_html($label),
            implode('<br>', $fields),
            $error === '' ? '' : '<p class="postilion-error" role="alert">' . esc_html($error) . '</p>',
            $help === '' ? '' : '<p class="description">' . esc_html($help) . '</p>'
        );
    }

    /**
     * A field of one line. The name is also the id.
     *
     * @param array<string, string|bool> $attributes Further ones; true stands for one without a value.
     */
    public static function input(string $name, string $value, array $attributes = []): string
    {
        $attributes += ['type' => 'text', 'class' => 'regular-text'];
        return '<input' . self::attributes(['id' => $name, 'name' => $name, 'value' => $value] + $attributes) . '>';
    }

    /**
     * A choice of one.
     *
     * @param array<string, string> $choices Labels by value.
     * @param array<string, string|bool> $attributes
     */
    public static function select(string $name, string $value, array $choices, array $attributes = []): string
    {
        $options = '';
        foreach ($choices as $each => $label) {
            $options .= sprintf(
                '<option value="%s"%s>%s</option>',
                esc_attr((string) $each),
                selected((string) $each, $value, false),
                esc_html($label)
            );
        }
        return '<select' . self::attributes(['id' => $name, 'name' => $name] + $attributes) . '>' . $options . '</select>';
    }

    /** @param array<string, string|bool> $attributes */
    public static function checkbox(string $name, bool $on, string $label, array $attributes = []): string
    {
        return sprintf(
            '<label for="%s"><input%s> %s</label>',
            esc_attr($name),
            self::attributes(['type' => 'checkbox', 'id' => $name, 'name' => $name, 'value' => '1', 'checked' => $on] + $attributes),
            esc_html($label)
        );
    }

    /** @param array<string, string|bool> $attributes */
    public static function radio(string $name, string $value, bool $on, string $label, array $attributes = []): string
    {
        $id = $name . '-' . $value;
        return sprintf(
            '<label for="%s"><input%s> %s</label>',
            esc_attr($id),
            self::attributes(['type' => 'radio', 'id' => $id, 'name' => $name, 'value' => $value, 'checked' => $on] + $attributes),
            esc_html($label)
        );
    }

    /** A button that sends its form. */
    public static function button(string $name, string $label, bool $primary = false): string
    {
        return sprintf(
            '<button type="submit" class="button%s" name="%s" value="1">%s</button> ',
            $primary ? ' button-primary' : '',
            esc_attr($name),
            esc_html($label)
        );
    }

    /**
     * A notice within the page.
     *
     * @param string $kind success, info, warning or error
     * @param string[] $paragraphs
     */
    public static function notice(string $kind, array $paragraphs): string
    {
        return sprintf('<div class="notice notice-%s inline">%s</div>', esc_attr($kind), self::paragraphs($paragraphs));
    }

    /** @param string[] $paragraphs */
    public static function paragraphs(array $paragraphs): string
    {
        return '<p>' . implode('</p><p>', array_map('esc_html', array_filter($paragraphs))) . '</p>';
    }

    /** @param string[] $items */
    public static function list(array $items): string
    {
        return $items === [] ? '' : '<ol><li>' . implode('</li><li>', array_map('esc_html', $items)) . '</li></ol>';
    }

    /** A state in words, with a sign beside it. */
    public static function state(string $kind, string $text): string
    {
        $signs = ['success' => 'yes-alt', 'warning' => 'warning', 'error' => 'dismiss', 'info' => 'info', 'none' => 'minus'];
        return sprintf(
            '<span class="postilion-state postilion-%s"><span class="dashicons dashicons-%s" aria-hidden="true"></span> %s</span>',
            esc_attr($kind),
            esc_attr($signs[$kind] ?? 'minus'),
            esc_html($text)
        );
    }

    /** @param array<string, string|bool> $attributes */
    private static function attributes(array $attributes): string
    {
        $html = '';
        foreach ($attributes as $name => $value) {
            if ($value === false) {
                continue;
            }
            $html .= ' ' . esc_attr($name) . ($value === true ? '' : '="' . esc_attr((string) $value) . '"');
        }
        return $html;
    }
}

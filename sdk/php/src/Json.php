<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;

/**
 * The API's values in JSON.
 *
 * @internal
 */
final class Json
{
    private const FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    /** @param array<string, mixed> $request */
    public static function encode(array $request): string
    {
        $json = json_encode((object) $request, self::FLAGS, 64);
        if ($json !== false) {
            return $json;
        }
        $field = self::badText($request, '');
        if ($field === '') {
            throw PostilionException::make('invalid_argument', 'malformed_request', 'the request is no JSON: '
                . json_last_error_msg(), 'give strings, numbers, booleans and arrays');
        }
        throw PostilionException::make(
            'invalid_argument',
            'invalid_utf8',
            "$field: is not UTF-8",
            'convert it first, for example with mb_convert_encoding($text, "UTF-8", "ISO-8859-1")',
            [$field]
        );
    }

    /** A time as the API takes it. */
    public static function time(\DateTimeInterface $time): string
    {
        return gmdate('Y-m-d\TH:i:s', $time->getTimestamp()) . '.' . $time->format('u') . 'Z';
    }

    /** A duration in seconds as the API takes it. */
    public static function duration(float $seconds): string
    {
        return rtrim(rtrim(number_format($seconds, 6, '.', ''), '0'), '.') . 's';
    }

    /**
     * Path of the first text that is not UTF-8; empty if there is none.
     *
     * @param mixed $value
     */
    private static function badText($value, string $path): string
    {
        if (is_string($value)) {
            return preg_match('//u', $value) === 1 ? '' : $path;
        }
        foreach (is_array($value) || is_object($value) ? (array) $value : [] as $name => $inner) {
            $name = (string) $name;
            if (preg_match('//u', $name) !== 1) {
                return $path;
            }
            // Paths as the daemon writes them.
            $name = ctype_digit($name) ? "[$name]" : strtolower((string) preg_replace('/[A-Z]/', '_$0', $name));
            $field = self::badText($inner, $path === '' || $name[0] === '[' ? $path . $name : "$path.$name");
            if ($field !== '') {
                return $field;
            }
        }
        return '';
    }
}

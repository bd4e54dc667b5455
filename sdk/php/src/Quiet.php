<?php

declare(strict_types=1);

namespace Postilion;

/**
 * Calls PHP's functions that warn where others return an error.
 *
 * @internal
 */
final class Quiet
{
    /**
     * Calls a function and keeps its first warning, which has the reason where
     * several follow from each other.
     *
     * @return mixed what the function returns
     */
    public static function call(callable $function, ?string &$warning)
    {
        $warning = null;
        set_error_handler(static function (int $level, string $text) use (&$warning): bool {
            $warning = $warning ?? (string) preg_replace('/^\w+\(.*?\): /', '', $text);
            return true;
        });
        try {
            return $function();
        } finally {
            restore_error_handler();
        }
    }
}

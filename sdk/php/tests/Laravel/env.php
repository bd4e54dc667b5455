<?php

declare(strict_types=1);

/**
 * Laravel's function for settings, where nothing is set.
 *
 * @param mixed $default
 *
 * @return mixed
 */
function env(string $name, $default = null)
{
    return $default;
}

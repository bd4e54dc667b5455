<?php

/**
 * Loads the plugin's classes, and those of its own copy of the PHP client,
 * which the build puts into sdk/ under a namespace of the plugin: another copy
 * that a theme or plugin brings, of whatever version, is not touched.
 */

spl_autoload_register(
    static function (string $class): void {
        $roots = [
            'Postilion\\WordPress\\Sdk\\' => dirname(__DIR__) . '/sdk/',
            'Postilion\\WordPress\\' => __DIR__ . '/',
        ];
        foreach ($roots as $prefix => $folder) {
            if (strncmp($class, $prefix, strlen($prefix)) !== 0) {
                continue;
            }
            $file = $folder . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
            if (is_file($file)) {
                require $file;
            }
            return;
        }
    }
);

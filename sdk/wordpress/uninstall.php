<?php

/**
 * Removes all that the plugin has stored. Connections and messages stay with
 * the daemon, which other applications may use.
 *
 * @package Postilion
 */

if (!defined('WP_UNINSTALL_PLUGIN')) {
    exit;
}

require_once __DIR__ . '/src/autoload.php';

Postilion\WordPress\Plugin::deleteSite();
if (is_multisite()) {
    foreach (get_sites(['fields' => 'ids', 'number' => 0]) as $postilion_site) {
        switch_to_blog((int) $postilion_site);
        Postilion\WordPress\Plugin::deleteSite();
        restore_current_blog();
    }
    Postilion\WordPress\Settings::deleteNetwork();
}

<?php
/**
 * Plugin Name:       Postilion
 * Plugin URI:        https://github.com/postilion-mail/postilion
 * Description:       Hands the site's mail to the Postilion daemon beside it: accepted in a moment, kept safe, delivered through your provider, and never lost.
 * Version:           0.1.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * Author:            The Postilion authors
 * License:           Apache-2.0
 * License URI:       https://www.apache.org/licenses/LICENSE-2.0
 * Text Domain:       postilion
 * Domain Path:       /languages
 *
 * @package Postilion
 */

if (!defined('ABSPATH')) {
    exit;
}

require_once __DIR__ . '/src/autoload.php';

Postilion\WordPress\Plugin::start(__FILE__);

<?php
/**
 * Plugin Name: Mail of the shop
 * Description: What a site may add to its mail, and what it may do about failures.
 */

// Mail about passwords goes before newsletters, and is worthless tomorrow.
add_filter('postilion_send_options', function ($options, $letter) {
    if (strpos($letter->context['subject'], 'Password Reset') !== false) {
        $options->priority = 'high';
        $options->tags[] = 'password';
        $options->expiresAfter = 86400.0;
    }
    return $options;
}, 10, 2);

// Called at once for mail that was not taken, and later for mail that could not
// be delivered, each time with the arguments of wp_mail().
add_action('wp_mail_failed', function (WP_Error $error) {
    $mail = $error->get_error_data();
    error_log(sprintf('Mail "%s": %s', $mail['subject'], $error->get_error_message()));
});

<?php

namespace Postilion\WordPress;

/**
 * Keeps texts in the database so that a copy of the database alone does not
 * tell them: encrypted with a key made of the salts in wp-config.php.
 */
final class Vault
{
    private const PREFIX = 'v1:';

    public static function seal(string $text): string
    {
        $nonce = random_bytes(SODIUM_CRYPTO_SECRETBOX_NONCEBYTES);
        return self::PREFIX . base64_encode($nonce . sodium_crypto_secretbox($text, $nonce, self::key()));
    }

    /** The text, or an empty one if it was sealed with other salts. */
    public static function open(string $sealed): string
    {
        if (strncmp($sealed, self::PREFIX, strlen(self::PREFIX)) !== 0) {
            return '';
        }
        $box = base64_decode(substr($sealed, strlen(self::PREFIX)), true);
        if ($box === false || strlen($box) <= SODIUM_CRYPTO_SECRETBOX_NONCEBYTES) {
            return '';
        }
        $text = sodium_crypto_secretbox_open(
            substr($box, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES),
            substr($box, 0, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES),
            self::key()
        );
        return $text === false ? '' : $text;
    }

    private static function key(): string
    {
        return hash('sha256', 'postilion' . wp_salt('secure_auth'), true);
    }
}

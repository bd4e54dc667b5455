<?php

declare(strict_types=1);

namespace Postilion;

use Postilion\Exception\PostilionException;

/** A file that goes with a message, or an image that its HTML shows. */
final class Attachment
{
    /** @var array<string, mixed> Attachment of the API */
    private $parts;

    /**
     * @param string $content the octets
     * @param string $filename name that the reader sees, without path
     * @param string $contentType MIME type; the daemon finds it from the name if empty
     */
    public function __construct(string $content, string $filename, string $contentType = '')
    {
        $this->parts = ['filename' => $filename, 'content' => base64_encode($content)];
        if ($contentType !== '') {
            $this->parts['contentType'] = $contentType;
        }
    }

    /**
     * Reads a file.
     *
     * @throws PostilionException if it cannot be read
     */
    public static function file(string $path, string $filename = '', string $contentType = ''): self
    {
        // A directory can be opened, so that only the reading fails.
        $readable = $path !== '' && strpos($path, "\0") === false && !is_dir($path);
        $content = $readable ? @file_get_contents($path) : false;
        if ($content === false) {
            throw PostilionException::make(
                'invalid_argument',
                'attachment_unreadable',
                "the attachment $path cannot be read: " . self::why($path),
                'give the path of a file that PHP may read',
                ['message.attachments']
            );
        }
        return new self($content, $filename === '' ? basename($path) : $filename, $contentType);
    }

    /** The HTML refers to it as "cid:<id>". */
    public function inline(string $contentId): self
    {
        $copy = clone $this;
        $copy->parts['contentId'] = $contentId;
        $copy->parts['inline'] = true;
        return $copy;
    }

    /**
     * As Attachment of the API.
     *
     * @return array<string, mixed>
     */
    public function toRequest(): array
    {
        return $this->parts;
    }

    private static function why(string $path): string
    {
        if ($path === '' || strpos($path, "\0") !== false) {
            return 'that is not a path';
        }
        if (is_dir($path)) {
            return 'it is a directory';
        }
        $text = error_get_last()['message'] ?? 'unknown reason';
        return trim(substr((string) strrchr(':' . $text, ':'), 1));
    }
}

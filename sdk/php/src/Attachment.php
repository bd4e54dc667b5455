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
        $why = self::unreadable($path);
        $content = false;
        if ($why === '') {
            $content = Quiet::call(static function () use ($path) {
                return file_get_contents($path);
            }, $why);
        }
        if ($content === false) {
            throw PostilionException::make(
                'invalid_argument',
                'attachment_unreadable',
                "the attachment $path cannot be read: $why",
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

    /** Why a path cannot be that of a file; else an empty string. */
    private static function unreadable(string $path): string
    {
        if ($path === '' || strpos($path, "\0") !== false) {
            return 'that is not a path';
        }
        return @is_dir($path) ? 'it is a directory' : '';
    }
}

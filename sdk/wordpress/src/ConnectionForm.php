<?php

namespace Postilion\WordPress;

/**
 * What the form of a connection holds, and how that stands in the API's
 * Connection. The password goes one way only.
 */
final class ConnectionForm
{
    /** Security of the API by the form's value. */
    public const SECURITY = [
        'starttls' => 'SECURITY_STARTTLS',
        'tls' => 'SECURITY_IMPLICIT_TLS',
        'opportunistic' => 'SECURITY_OPPORTUNISTIC',
        'none' => 'SECURITY_NONE',
    ];

    /** Authentication of the API by the form's value. */
    public const AUTHENTICATION = [
        'auto' => 'AUTHENTICATION_AUTO',
        'none' => 'AUTHENTICATION_NONE',
        'plain' => 'AUTHENTICATION_PLAIN',
        'login' => 'AUTHENTICATION_LOGIN',
        'cram-md5' => 'AUTHENTICATION_CRAM_MD5',
        'scram-sha-1' => 'AUTHENTICATION_SCRAM_SHA_1',
        'scram-sha-256' => 'AUTHENTICATION_SCRAM_SHA_256',
        'xoauth2' => 'AUTHENTICATION_XOAUTH2',
    ];

    /** Path of the API's field by the form's field, for its errors. */
    private const PATHS = [
        'provider' => 'smtp.provider',
        'host' => 'smtp.host',
        'port' => 'smtp.port',
        'security' => 'smtp.security',
        'authentication' => 'smtp.authentication',
        'username' => 'smtp.username',
        'password' => 'smtp.password',
        'certificates' => 'smtp.ca_certificates',
        'from_address' => 'sender.from_address',
        'from_name' => 'sender.from_name',
        'force_from_address' => 'sender.force_from_address',
        'force_from_name' => 'sender.force_from_name',
        'reply_to' => 'sender.reply_to',
    ];

    /** @var array<string, string|bool> */
    public $values = [
        'provider' => '',
        'host' => '',
        'port' => '',
        'security' => 'starttls',
        'authentication' => 'auto',
        'username' => '',
        'certificates' => '',
        'from_address' => '',
        'from_name' => '',
        'force_from_address' => false,
        'force_from_name' => false,
        'reply_to' => '',
    ];

    /** @var string what was typed; never filled from anywhere else but an import */
    public $password = '';

    /**
     * @param array<string, mixed> $connection Connection of the API
     */
    public static function fromConnection(array $connection): self
    {
        $form = new self();
        $smtp = $connection['smtp'] ?? [];
        $sender = $connection['sender'] ?? [];
        $form->values = [
            'provider' => (string) ($smtp['provider'] ?? ''),
            'host' => (string) ($smtp['host'] ?? ''),
            'port' => (string) ($smtp['port'] ?? ''),
            'security' => array_search($smtp['security'] ?? 'SECURITY_STARTTLS', self::SECURITY, true) ?: 'starttls',
            'authentication' => array_search($smtp['authentication'] ?? '', self::AUTHENTICATION, true) ?: 'auto',
            'username' => (string) ($smtp['username'] ?? ''),
            'certificates' => (string) base64_decode((string) ($smtp['caCertificates'] ?? ''), true),
            'from_address' => (string) ($sender['fromAddress'] ?? ''),
            'from_name' => (string) ($sender['fromName'] ?? ''),
            'force_from_address' => !empty($sender['forceFromAddress']),
            'force_from_name' => !empty($sender['forceFromName']),
            'reply_to' => implode(', ', (array) ($sender['replyTo'] ?? [])),
        ];
        return $form;
    }

    /** @return array<string, mixed> Connection of the API */
    public function toConnection(string $name): array
    {
        $value = $this->values;
        $smtp = [
            'provider' => $value['provider'],
            'host' => $value['host'],
            'port' => (int) $value['port'],
            'security' => self::SECURITY[$value['security']] ?? 'SECURITY_STARTTLS',
            'authentication' => self::AUTHENTICATION[$value['authentication']] ?? 'AUTHENTICATION_AUTO',
            'username' => $value['username'],
            'caCertificates' => base64_encode($value['certificates']),
        ];
        if ($this->password !== '') {
            $smtp['password'] = $this->password;
        }
        return ['name' => $name, 'smtp' => $smtp, 'sender' => [
            'fromAddress' => $value['from_address'],
            'fromName' => $value['from_name'],
            'forceFromAddress' => $value['force_from_address'],
            'forceFromName' => $value['force_from_name'],
            'replyTo' => array_values(array_filter(array_map('trim', explode(',', $value['reply_to'])))),
        ]];
    }

    /**
     * The fields of toConnection() as a mask, so that what the form does not
     * have (limits, fallbacks, ...) stays as it is.
     */
    public function mask(): string
    {
        $paths = self::PATHS;
        if ($this->password === '') {
            unset($paths['password']);
        }
        return implode(',', array_map([self::class, 'camel'], $paths));
    }

    /**
     * The form's fields that an error of the API is about.
     *
     * @param string[] $paths such as "connection.smtp.host"
     *
     * @return string[]
     */
    public static function fields(array $paths): array
    {
        $fields = [];
        foreach ($paths as $path) {
            $path = preg_replace('/^(connection|draft)\.|\[\d+\]/', '', $path);
            $field = array_search($path, self::PATHS, true);
            if ($field !== false) {
                $fields[] = $field;
            }
        }
        return array_unique($fields);
    }

    /** FieldMask in JSON has lower camel case. */
    private static function camel(string $path): string
    {
        return preg_replace_callback('/_([a-z])/', static function (array $match): string {
            return strtoupper($match[1]);
        }, $path);
    }
}

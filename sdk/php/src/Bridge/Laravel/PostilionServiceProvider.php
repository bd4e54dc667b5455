<?php

declare(strict_types=1);

namespace Postilion\Bridge\Laravel;

use Illuminate\Support\ServiceProvider;
use Postilion\Bridge\Symfony\PostilionTransport;
use Postilion\Client;

/**
 * Gives Laravel, 9 and newer, the mail transport "postilion". In config/mail.php:
 *
 *     'mailers' => ['postilion' => ['transport' => 'postilion', 'spool' => '/var/spool/postilion/maildrop']],
 *
 * with any option of Postilion\Client, and "target" and "connection".
 */
final class PostilionServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->callAfterResolving('mail.manager', function ($manager): void {
            $manager->extend('postilion', function (array $config): PostilionTransport {
                $target = (string) ($config['target'] ?? '');
                $connection = (string) ($config['connection'] ?? '');
                // What Laravel itself may put there.
                $laravel = ['transport', 'target', 'connection', 'name', 'from', 'reply_to', 'to', 'return_path'];
                $client = new Client($target, array_diff_key($config, array_flip($laravel)));
                return new PostilionTransport($client, $connection);
            });
        });
    }
}

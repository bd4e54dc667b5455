<?php

declare(strict_types=1);

namespace Postilion\Tests\Laravel;

/** As much of Laravel's container as a provider meets. */
final class Application
{
    /** @var MailManager */
    private $manager;

    public function __construct(MailManager $manager)
    {
        $this->manager = $manager;
    }

    public function afterResolving(string $name, \Closure $callback): void
    {
    }

    public function resolved(string $name): bool
    {
        return $name === 'mail.manager';
    }

    public function make(string $name): MailManager
    {
        return $this->manager;
    }
}

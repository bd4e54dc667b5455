<?php

declare(strict_types=1);

namespace Illuminate\Support;

/** What a provider of Laravel has of its parent. */
abstract class ServiceProvider
{
    /** @var \Postilion\Tests\Laravel\Application */
    protected $app;

    public function __construct($app)
    {
        $this->app = $app;
    }

    protected function callAfterResolving($name, $callback)
    {
        $this->app->afterResolving($name, $callback);
        if ($this->app->resolved($name)) {
            $callback($this->app->make($name), $this->app);
        }
    }
}

<?php

namespace Postilion\WordPress\Admin;

/** One of the tabs of the settings page. */
interface Tab
{
    /** What people see. */
    public function title(): string;

    /**
     * Deals with a form of the tab that was sent. Rights and nonce have been
     * checked. May end the request by a redirect; else the tab is shown with
     * what came of it.
     */
    public function handle(): void;

    /** Prints the tab. */
    public function render(): void;
}

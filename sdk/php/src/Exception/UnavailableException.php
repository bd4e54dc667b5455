<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The daemon is away or cannot do it now. */
class UnavailableException extends PostilionException
{
}

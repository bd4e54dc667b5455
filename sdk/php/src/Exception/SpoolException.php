<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The daemon is away, and the message could not be left in the spool either. */
class SpoolException extends UnavailableException
{
}

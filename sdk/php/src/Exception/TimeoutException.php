<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** There was no answer in time. */
class TimeoutException extends UnavailableException
{
}

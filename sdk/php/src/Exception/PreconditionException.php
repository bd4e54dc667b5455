<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The state of things does not allow it, such as resending what is being delivered. */
class PreconditionException extends PostilionException
{
}

<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The answer is none of Postilion's, or the daemon failed on the request. */
class ProtocolException extends PostilionException
{
}

<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** Too much: the message is too large, or a quota is used up. */
class LimitException extends PostilionException
{
}

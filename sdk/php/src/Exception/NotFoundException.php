<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** There is nothing of this name that belongs to the caller. */
class NotFoundException extends PostilionException
{
}

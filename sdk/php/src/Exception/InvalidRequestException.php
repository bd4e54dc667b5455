<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The request is wrong: see getFields(). */
class InvalidRequestException extends PostilionException
{
}

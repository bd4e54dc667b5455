<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The daemon does not know who calls: the token is missing or wrong. */
class AuthenticationException extends PostilionException
{
}

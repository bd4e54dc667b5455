<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** The daemon knows who calls and does not allow it, or the socket's mode does not. */
class PermissionException extends PostilionException
{
}

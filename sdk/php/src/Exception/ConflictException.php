<?php

declare(strict_types=1);

namespace Postilion\Exception;

/** It exists already, or somebody else was faster. */
class ConflictException extends PostilionException
{
}

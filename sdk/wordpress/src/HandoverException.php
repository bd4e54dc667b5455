<?php

namespace Postilion\WordPress;

/** A message was not handed over. The text tells people what to do. */
final class HandoverException extends \RuntimeException
{
}

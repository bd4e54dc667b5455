#!/bin/sh
# Sends a mail by PHP's mail(): examples/php-mail/run.sh you@example.com
#
# For good, set sendmail_path in php.ini, or with php_admin_value in the pool
# of PHP-FPM; an application cannot change it itself.
set -eu

sendmail=${POSTILION_SENDMAIL:-/usr/bin/postilion-sendmail}

exec php -d "sendmail_path=$sendmail -t -i" "$(dirname "$0")/mail.php" "${1:?usage: run.sh ADDRESS}"

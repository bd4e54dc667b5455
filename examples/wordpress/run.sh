#!/bin/bash
# A site of Debian's WordPress, with a MariaDB of its own and PHP's own server,
# on which the plugin is installed and somebody has lost a password:
# examples/wordpress/run.sh you@example.com
#
# With --stay after the address the site stays, to be looked at (the user admin
# with the password admin), until you press Ctrl-C.
set -euo pipefail

address=${1:?usage: run.sh ADDRESS [--stay]}
socket=${POSTILION_SOCKET:-/run/postilion/postilion-http.sock}
here=$(cd "$(dirname "$0")" && pwd)
code=/usr/share/wordpress
site=$(mktemp -d)
servers=()
end() {
  for server in "${servers[@]}"; do kill -- "-$server" && wait "$server" || true; done 2>/dev/null
  rm -rf "$site"
}
trap end EXIT
set -m # each server is a group of its own, since PHP's workers outlive their parent

quietly() { "$@" >>"$site/log" 2>&1 || { cat "$site/log" >&2; exit 1; }; }

# The database.
me=$(id -un)
quietly mariadb-install-db --no-defaults "--user=$me" "--datadir=$site/db" --skip-test-db --auth-root-authentication-method=normal
mariadbd --no-defaults "--user=$me" "--datadir=$site/db" "--socket=$site/sql" --skip-networking --skip-log-bin >>"$site/log" 2>&1 &
servers+=($!)
sql() { mariadb --no-defaults -uroot -S "$site/sql" -e "$1" >/dev/null 2>&1; }
for _ in {1..600}; do sql 'CREATE DATABASE wordpress' && break; sleep 0.1; done

# WordPress: links to Debian's, except for what finds it by the folder it is in.
port=$(php -r '$s = stream_socket_server("tcp://127.0.0.1:0"); echo explode(":", stream_socket_get_name($s, false))[1];')
url=http://127.0.0.1:$port
mkdir -p "$site/www/wp-content/mu-plugins"
cp "$code"/*.php "$site/www/"
cp -r "$code/wp-admin" "$site/www/"
ln -s "$code/wp-includes" "$site/www/wp-includes"
cp "$here/shop-mail.php" "$site/www/wp-content/mu-plugins/"
cat >"$site/www/wp-config.php" <<END
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:$site/sql');
define('DB_CHARSET', 'utf8mb4');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true);
// All that the plugin has to know; it may be set under Settings > Postilion as well.
define('POSTILION_SOCKET', '$socket');
\$table_prefix = 'wp_';
defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
END

# The plugin, as `make wordpress-plugin` builds it.
(cd "$here/../.." && quietly go run ./sdk/wordpress/pack -o "$site/postilion.zip")
quietly python3 -m zipfile -e "$site/postilion.zip" "$site/www/wp-content/plugins"
cat >"$site/install.php" <<END
<?php
define('WP_INSTALLING', true);
\$_SERVER['HTTP_HOST'] = '127.0.0.1:$port';
require '$site/www/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
add_filter('pre_wp_mail', '__return_true'); // no mail about the installation
wp_install('Blog', 'admin', '$address', false, '', 'admin');
update_option('home', 'http://blog.example.com'); // the sender needs a domain
activate_plugin('postilion/postilion.php');
END
quietly php "$site/install.php"

# Somebody has lost a password.
PHP_CLI_SERVER_WORKERS=4 php -S "127.0.0.1:$port" -t "$site/www" >>"$site/log" 2>&1 &
servers+=($!)
answer=$(curl -s --retry 60 --retry-delay 1 --retry-connrefused -w '%{http_code}' --data-urlencode user_login=admin \
  "$url/wp-login.php?action=lostpassword")
if [[ $answer != *302 ]]; then
  sed 's/<[^>]*>//g' <<<"$answer" | grep -i error >&2 || cat "$site/log" >&2
  exit 1
fi
echo "WordPress says that the mail is sent"

if [[ ${2-} == --stay ]]; then
  echo "the site is at $url/wp-admin/"
  wait "${servers[1]}"
fi

#!/bin/bash
# A wiki of Debian's MediaWiki, with SQLite and PHP's own server, whose user
# Jane asks for a new password: examples/mediawiki/run.sh you@example.com
#
# All that a wiki needs for good is the last line of its LocalSettings.php.
set -euo pipefail

address=${1:?usage: run.sh ADDRESS}
here=$(cd "$(dirname "$0")" && pwd)
code=/usr/share/mediawiki
wiki=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$wiki"' EXIT
export MW_CONFIG_FILE=$wiki/LocalSettings.php

maintain() { # SCRIPT ARGUMENTS...
  php "$code/maintenance/$1.php" "${@:2}" >>"$wiki/log" 2>&1 || { cat "$wiki/log" >&2; exit 1; }
}

port=$(php -r '$s = stream_socket_server("tcp://127.0.0.1:0"); echo explode(":", stream_socket_get_name($s, false))[1];')
mkdir "$wiki/data"
maintain install --confpath "$wiki" --dbtype sqlite --dbpath "$wiki/data" --dbname wiki \
  --server "http://127.0.0.1:$port" --scriptpath '' --pass 'a long enough word' Wiki Admin
cat >>"$wiki/LocalSettings.php" <<END
\$wgPasswordSender = 'wiki@example.com';
\$wgJobRunRate = 0;
require_once '$here/PostilionMailer.php';
END
maintain createAndPromote Jane 'another long word'
maintain resetUserEmail --no-reset-password Jane "$address"

php -S "127.0.0.1:$port" -t "$code" >>"$wiki/log" 2>&1 &
server=$!

api() { # PARAMETERS...
  local data=(--data format=json) parameter
  for parameter; do data+=(--data-urlencode "$parameter"); done
  curl -s --retry 60 --retry-delay 1 --retry-connrefused -b "$wiki/jar" -c "$wiki/jar" "${data[@]}" \
    "http://127.0.0.1:$port/api.php"
}
token=$(api action=query meta=tokens | php -r 'echo json_decode(stream_get_contents(STDIN))->query->tokens->csrftoken;')
answer=$(api action=resetpassword user=Jane "token=$token")
if [[ $answer != *'"status":"success"'* ]]; then
  echo "$answer" >&2
  cat "$wiki/log" >&2
  exit 1
fi
echo "MediaWiki says that the mail is sent"

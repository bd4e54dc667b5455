#!/usr/bin/env bash
# Sends a mail by Nodemailer: examples/nodemailer/run.sh you@example.com
# Fetches Nodemailer and gRPC when it runs for the first time.
set -euo pipefail
cd "$(dirname "$0")"
[[ -d node_modules ]] || npm ci --ignore-scripts --silent
exec node send.js "$@"

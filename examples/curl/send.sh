#!/bin/sh
# Sends a mail by JSON over the daemon's socket: examples/curl/send.sh you@example.com
#
# Over TCP the address is http://127.0.0.1:9126, and the token goes along as
# -H "Authorization: Bearer $TOKEN".
set -eu

to=${1:?usage: send.sh ADDRESS}
socket=${POSTILION_SOCKET:-/run/postilion/postilion-http.sock}

curl --silent --show-error --fail-with-body --max-time 60 \
	--unix-socket "$socket" http://postilion/postilion.v1.MailerService/Send \
	-H 'Content-Type: application/json' \
	-d @- <<JSON
{
  "message": {
    "from": {"address": "shop@example.com", "name": "Shop"},
    "to": [{"address": "$to"}],
    "subject": "Your order, with greetings from curl: Grüße",
    "text": "Thank you for your order.",
    "attachments": [{"filename": "invoice.txt", "contentType": "text/plain", "content": "MTIuNTAgRVVSCg=="}]
  },
  "wait": "5s",
  "tags": ["receipt"]
}
JSON
echo

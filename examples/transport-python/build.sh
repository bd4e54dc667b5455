#!/usr/bin/env bash
# Makes the transport one executable file: build.sh FILE
#
# Needs Debian's python3, python3-grpcio, python3-protobuf, python3-cryptography,
# protobuf-compiler and protobuf-compiler-grpc; not the last two where it runs. The stubs are
# made from the compiled API, since protoc before 22, as Debian 12 has it, does
# not know the option debug_redact in its sources.
set -euo pipefail

(($# == 1)) || { echo "usage: build.sh FILE" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

cp "$here"/*.py "$made"
protoc --descriptor_set_in="$here/../../proto/gen/postilion.binpb" \
  --python_out="$made" --grpc_out="$made" --plugin=protoc-gen-grpc="$(command -v grpc_python_plugin)" \
  postilion/plugin/v1/plugin.proto
/usr/bin/python3 -m zipapp "$made" --python /usr/bin/python3 --compress --output "$1"
chmod 755 "$1" # others may not write to a plugin

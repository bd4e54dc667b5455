#!/usr/bin/python3
"""Sends a mail by gRPC: examples/python/send.py you@example.com

Needs Debian's python3-grpcio, python3-protobuf, protobuf-compiler and
protobuf-compiler-grpc. The stubs are made when it runs; a program of your own
makes them once.

They are made from the compiled API, proto/gen/postilion.binpb, since protoc before
22, as Debian 12 has it, does not know the option debug_redact in its sources.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

import grpc

API = pathlib.Path(__file__).resolve().parents[2] / "proto" / "gen" / "postilion.binpb"
FILES = [f"postilion/v1/{name}.proto" for name in ("admin", "connection", "mailer", "message", "outcome")]


def make_stubs(directory):
    """Generates the Python code of the API into a directory."""
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(
        ["protoc", f"--descriptor_set_in={API}", f"--python_out={directory}", f"--grpc_out={directory}",
         f"--plugin=protoc-gen-grpc={plugin}", *FILES],
        check=True)


def target():
    """Gives the daemon's address. POSTILION_SOCKET may name the JSON socket."""
    socket = os.environ.get("POSTILION_SOCKET", "/run/postilion/postilion.sock")
    return "unix:" + socket.replace("-http.sock", ".sock")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: send.py ADDRESS")
    with tempfile.TemporaryDirectory() as directory:
        make_stubs(directory)
        sys.path.insert(0, directory)
        from postilion.v1 import mailer_pb2, mailer_pb2_grpc, message_pb2

    request = mailer_pb2.SendRequest(
        message=mailer_pb2.StructuredMessage(
            to=[mailer_pb2.Address(address=sys.argv[1])],
            subject="Your order, with greetings from Python: Grüße",
            text="Thank you for your order.\n",
            attachments=[mailer_pb2.Attachment(filename="invoice.txt", content_type="text/plain", content=b"12.50 EUR\n")],
        ),
        idempotency_key=str(uuid.uuid4()),
        tags=["receipt"],
    )
    getattr(request.message, "from").address = "shop@example.com"  # "from" is a word of Python
    request.wait.FromSeconds(5)

    # Without the option gRPC names the socket's path as host, which some
    # servers refuse.
    with grpc.insecure_channel(target(), options=[("grpc.default_authority", "localhost")]) as channel:
        try:
            answer = mailer_pb2_grpc.MailerServiceStub(channel).Send(request, timeout=60)
        except grpc.RpcError as error:
            sys.exit(f"not accepted: {error.code().name}: {error.details()}")
    print("accepted", answer.id)
    for recipient in answer.recipients:
        print(" ", recipient.address, message_pb2.MessageState.Name(recipient.state), recipient.outcome.reply)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Sends a mail by gRPC: examples/python/send.py you@example.com

Needs Debian's python3-grpcio and python3-protobuf.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk" / "python"))

from postilion import Attachment, Client, Error, Message  # noqa: E402
from postilion.v1 import message_pb2  # noqa: E402


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: send.py ADDRESS")
    message = Message(
        sender="shop@example.com",
        to=[sys.argv[1]],
        subject="Your order, with greetings from Python: Grüße",
        text="Thank you for your order.\n",
        attachments=[Attachment("invoice.txt", b"12.50 EUR\n", "text/plain")],
    )
    with Client(timeout=60) as client:
        try:
            answer = client.send(message, tags=["receipt"], wait=5)
        except Error as error:
            sys.exit(f"not accepted: {error.code.name}: {error}")
    print("accepted", answer.id)
    for recipient in answer.recipients:
        print(" ", recipient.address, message_pb2.MessageState.Name(recipient.state), recipient.outcome.reply)


if __name__ == "__main__":
    main()

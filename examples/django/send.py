#!/usr/bin/python3
"""Sends a mail by Django: examples/django/send.py you@example.com

Needs Debian's python3-django, python3-grpcio and python3-protobuf. In a project
of your own EMAIL_BACKEND is the one line that changes.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sdk" / "python"))

import django  # noqa: E402
from django.conf import settings  # noqa: E402

settings.configure(
    EMAIL_BACKEND="postilion.django.EmailBackend",
    DEFAULT_FROM_EMAIL="Shop <shop@example.com>",
)
django.setup()

from django.core.mail import EmailMultiAlternatives  # noqa: E402


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: send.py ADDRESS")
    message = EmailMultiAlternatives(
        "Your order, with greetings from Django: Grüße", "Thank you for your order.\n", to=[sys.argv[1]])
    message.attach_alternative("<p>Thank you for your order.</p>", "text/html")
    print("accepted", message.send())


if __name__ == "__main__":
    main()

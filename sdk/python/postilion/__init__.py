"""Postilion takes over an application's outgoing mail.

    from postilion import Client, Message

    with Client() as mail:
        receipt = mail.send(Message(
            sender=("shop@example.com", "Shop"), to=["jane@example.org"],
            subject="Your order", text="Thank you."))
        print(receipt.id)

When send returns, the message is on stable storage and will be delivered, or
fail visibly. Django and smtplib have modules of their own here.
"""

from .client import Client, DEFAULT_SOCKET
from .errors import Error
from .message import Attachment, Message

__all__ = ["Attachment", "Client", "DEFAULT_SOCKET", "Error", "Message"]

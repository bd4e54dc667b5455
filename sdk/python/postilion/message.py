"""A message in parts, as Postilion composes it."""

import mimetypes
import os
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple, Union

from .v1 import connection_pb2, mailer_pb2

# An address, or an address with a display name.
Mailbox = Union[str, Tuple[str, str]]


@dataclass
class Attachment:
    """A file, or with content_id an image that the HTML shows as "cid:<content_id>"."""

    filename: str
    content: bytes
    content_type: str = ""
    content_id: str = ""

    @classmethod
    def from_file(cls, path: Union[str, "os.PathLike[str]"], content_type: str = "", content_id: str = "") -> "Attachment":
        """Reads a file; one that is missing is an OSError, not a message without it."""
        with open(path, "rb") as file:
            content = file.read()
        name = os.path.basename(os.fspath(path))
        return cls(name, content, content_type or mimetypes.guess_type(name)[0] or "", content_id)


@dataclass
class Message:
    """A message. Without sender the connection's From address is taken."""

    sender: Optional[Mailbox] = None
    to: Sequence[Mailbox] = ()
    cc: Sequence[Mailbox] = ()
    bcc: Sequence[Mailbox] = ()
    reply_to: Sequence[Mailbox] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: Sequence[Attachment] = ()
    headers: Dict[str, str] = field(default_factory=dict)
    message_id: str = ""
    in_reply_to: str = ""
    references: Sequence[str] = ()
    # URLs to leave a list by; the first https one takes a POST if one_click.
    list_unsubscribe: Sequence[str] = ()
    one_click: bool = False

    def to_proto(self) -> mailer_pb2.StructuredMessage:
        """Gives the message as the API has it."""
        out = mailer_pb2.StructuredMessage(
            to=_addresses("to", self.to), cc=_addresses("cc", self.cc), bcc=_addresses("bcc", self.bcc),
            reply_to=_addresses("reply_to", self.reply_to),
            subject=self.subject, text=self.text, html=self.html, message_id=self.message_id,
            in_reply_to=self.in_reply_to, references=self.references,
            attachments=[
                mailer_pb2.Attachment(filename=a.filename, content_type=a.content_type, content=a.content, content_id=a.content_id)
                for a in self.attachments
            ],
            headers=[connection_pb2.Header(name=name, value=value) for name, value in self.headers.items()],
        )
        if self.sender is not None:
            getattr(out, "from").CopyFrom(_address(self.sender))  # "from" is a word of Python
        if self.list_unsubscribe:
            out.list_unsubscribe.urls.extend(self.list_unsubscribe)
            out.list_unsubscribe.one_click = self.one_click
        return out


def _addresses(name: str, mailboxes: Sequence[Mailbox]) -> List[mailer_pb2.Address]:
    if isinstance(mailboxes, str):  # or each character would be an address
        raise TypeError(f"{name} is a list of addresses, not a str")
    return [_address(m) for m in mailboxes]


def _address(mailbox: Mailbox) -> mailer_pb2.Address:
    if isinstance(mailbox, str):
        return mailer_pb2.Address(address=mailbox)
    address, name = mailbox
    return mailer_pb2.Address(address=address, name=name)

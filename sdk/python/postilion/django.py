"""Django's mail goes through Postilion:

    EMAIL_BACKEND = "postilion.django.EmailBackend"

    # All of it optional: see Client.
    POSTILION = {"target": "/run/postilion/postilion.sock", "token": "...", "connection": "...", "timeout": 5}
"""

import threading
from typing import Optional, Sequence

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import sanitize_address

from .client import Client
from .errors import Error

_OPTIONS = {"target", "token", "connection", "timeout", "tags"}


class EmailBackend(BaseEmailBackend):
    """Hands each message over as Django has composed it."""

    def __init__(self, fail_silently: bool = False, **kwargs: object) -> None:
        super().__init__(fail_silently=fail_silently)
        options = dict(getattr(settings, "POSTILION", {}))
        options.update({key: value for key, value in kwargs.items() if key in _OPTIONS and value is not None})
        unknown = set(options) - _OPTIONS
        if unknown:
            raise ValueError(f"POSTILION: there is no option {sorted(unknown)[0]!r}; there are {', '.join(sorted(_OPTIONS))}")
        self._connection = str(options.pop("connection", ""))
        self._tags = options.pop("tags", ())
        self._options = options

    def send_messages(self, email_messages: Sequence) -> int:
        """Gives the number of messages that were accepted."""
        sent = 0
        for message in email_messages or ():
            recipients = message.recipients()
            if not recipients:
                continue
            try:
                encoding = message.encoding or settings.DEFAULT_CHARSET
                _client(self._options).send_raw(
                    message.message().as_bytes(linesep="\r\n"),
                    sender=_bare(sanitize_address(message.from_email, encoding)),
                    recipients=[_bare(sanitize_address(r, encoding)) for r in recipients],
                    connection=self._connection, tags=self._tags)
                sent += 1
            except (Error, ValueError):
                if not self.fail_silently:
                    raise
        return sent


_clients = {}
_lock = threading.Lock()


def _client(options: dict) -> Client:
    """One client for all backends of a kind: Django makes one for each call."""
    key = tuple(sorted(options.items()))
    with _lock:
        if key not in _clients:
            _clients[key] = Client(**options)
        return _clients[key]


def _bare(address: str) -> Optional[str]:
    """The address without its display name."""
    return address[address.rindex("<") + 1:-1] if address.endswith(">") else address

"""For programs that use the standard library's smtplib: one import changes.

    from postilion import smtplib

    with smtplib.SMTP() as server:
        server.send_message(message)
"""

import email.generator
import email.policy
import email.utils
import io
import smtplib as _standard
from email.message import Message as _Message
from typing import Dict, Optional, Sequence, Tuple, Union

import grpc

from .client import Client
from .errors import Error

SMTPException = _standard.SMTPException
SMTPDataError = _standard.SMTPDataError
SMTPRecipientsRefused = _standard.SMTPRecipientsRefused
SMTPServerDisconnected = _standard.SMTPServerDisconnected
SMTPNotSupportedError = _standard.SMTPNotSupportedError


class SMTP:
    """What programs use of smtplib.SMTP. Arguments about server, TLS and
    login are taken and not used: the daemon's connection knows them."""

    def __init__(self, host: str = "", port: int = 0, *_: object, client: Optional[Client] = None, connection: str = "",
                 **__: object) -> None:
        self._client = client or Client()
        self._own = client is None
        self._connection = connection

    def __enter__(self) -> "SMTP":
        return self

    def __exit__(self, *_: object) -> None:
        self.quit()

    def connect(self, *_: object, **__: object) -> Tuple[int, bytes]:
        return 220, b"Postilion"

    def ehlo(self, name: str = "") -> Tuple[int, bytes]:
        return 250, b"Postilion"

    helo = ehlo

    def starttls(self, *_: object, **__: object) -> Tuple[int, bytes]:
        return 220, b"not needed"

    def login(self, *_: object, **__: object) -> Tuple[int, bytes]:
        return 235, b"not needed"

    def set_debuglevel(self, _: int) -> None:
        pass

    def sendmail(self, from_addr: str, to_addrs: Union[str, Sequence[str]], msg: Union[str, bytes],
                 mail_options: Sequence[str] = (), rcpt_options: Sequence[str] = ()) -> Dict[str, Tuple[int, bytes]]:
        """Hands over a message. The result is empty: who is refused later is
        told by the events, and by a bounce."""
        if isinstance(msg, str):
            msg = msg.encode("ascii")  # as smtplib has it
        recipients = [to_addrs] if isinstance(to_addrs, str) else list(to_addrs)
        if not recipients:  # as smtplib has it; those of the header are not meant
            raise SMTPRecipientsRefused({})
        try:
            self._client.send_raw(msg, sender=_bare(from_addr), recipients=[_bare(r) for r in recipients],
                                  connection=self._connection, notify_sender=True)
        except Error as error:
            if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise SMTPServerDisconnected(str(error)) from error
            raise SMTPDataError(450 if error.temporary else 550, str(error).encode()) from error
        return {}

    def send_message(self, msg: _Message, from_addr: Optional[str] = None, to_addrs: Optional[Sequence[str]] = None,
                     mail_options: Sequence[str] = (), rcpt_options: Sequence[str] = ()) -> Dict[str, Tuple[int, bytes]]:
        """Hands over a message object; Bcc is not part of what is sent."""
        if from_addr is None:
            from_addr = msg.get("Sender") or msg.get("From") or ""
        if to_addrs is None:
            fields = [value for name in ("To", "Cc", "Bcc") for value in msg.get_all(name, [])]
            to_addrs = [address for _, address in email.utils.getaddresses(fields)]
        out = io.BytesIO()
        policy = email.policy.SMTP if isinstance(msg.policy, email.policy.EmailPolicy) else msg.policy.clone(linesep="\r\n")
        email.generator.BytesGenerator(out, policy=policy).flatten(msg)
        return self.sendmail(from_addr, to_addrs, out.getvalue())

    def noop(self) -> Tuple[int, bytes]:
        self._client.server_info()
        return 250, b"OK"

    def rset(self) -> Tuple[int, bytes]:
        return 250, b"OK"

    def quit(self) -> Tuple[int, bytes]:
        self.close()
        return 221, b"Bye"

    def close(self) -> None:
        if self._own:
            self._client.close()


SMTP_SSL = SMTP


def _bare(address: str) -> str:
    return email.utils.parseaddr(address)[1] or address

"""The client of one daemon."""

import datetime
import os
import threading
import time
import uuid
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Union

import grpc

from .errors import Error, from_rpc
from .message import Message
from .v1 import (admin_pb2, admin_pb2_grpc, connection_pb2, connection_pb2_grpc, mailer_pb2, mailer_pb2_grpc,
                 message_pb2, message_pb2_grpc)

# Where the daemon of a system service takes gRPC calls.
DEFAULT_SOCKET = "/run/postilion/postilion.sock"

_MAX_MESSAGE = 64 << 20  # octets, above the largest content that a daemon can be configured for
_RETRY_PAUSE = 0.1  # seconds

Wait = Union[float, int, datetime.timedelta]


class Client:
    """Talks to one daemon. It is safe for use by several threads, and by
    processes that are forked after it was made.

    target is "unix:///path/of/socket", "/path/of/socket" or "host:port". By
    default it is the environment's POSTILION_ADDRESS, else its
    POSTILION_SOCKET, else DEFAULT_SOCKET; the name of the JSON socket,
    "x-http.sock", stands for "x.sock" beside it. The token is that of the
    environment's POSTILION_TOKEN, or of the file POSTILION_TOKEN_FILE; on a
    Unix socket none is needed where the daemon knows the process's user.
    timeout is how many seconds a call may take; what send waits for an
    outcome comes on top. credentials are those of grpc.ssl_channel_credentials,
    for a daemon on another machine.

    Calls raise Error. The stubs of the whole API are in mailer, connections,
    messages and admin; what they raise is grpc.RpcError.
    """

    def __init__(self, target: str = "", token: str = "", timeout: float = 5.0,
                 credentials: Optional[grpc.ChannelCredentials] = None) -> None:
        self.target, local = _resolve(target or _default_target())
        self.timeout = timeout
        self._credentials = credentials
        token = token or _default_token()
        if token and not local and credentials is None:
            raise ValueError(f"{self.target} is not on this machine and the token would travel in the clear; give credentials")
        self._metadata = (("authorization", "Bearer " + token),) if token else ()
        self._lock = threading.Lock()
        self._channel: Optional[grpc.Channel] = None
        self._pid = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. A later call makes another."""
        with self._lock:
            if self._channel is not None and self._pid == os.getpid():
                self._channel.close()
            self._channel = None

    @property
    def channel(self) -> grpc.Channel:
        """The connection, made in the process that uses it: gRPC's does not
        outlive a fork, and web servers fork their workers."""
        with self._lock:
            if self._channel is None or self._pid != os.getpid():
                options = [
                    # Without it gRPC names the socket's path as host, which
                    # some servers refuse.
                    ("grpc.default_authority", "localhost"),
                    ("grpc.max_receive_message_length", _MAX_MESSAGE),
                    ("grpc.max_send_message_length", _MAX_MESSAGE),
                    # Mail stays between application and daemon.
                    ("grpc.enable_http_proxy", 0),
                    ("grpc.initial_reconnect_backoff_ms", 50),
                    ("grpc.min_reconnect_backoff_ms", 50),
                    ("grpc.max_reconnect_backoff_ms", 2000),
                ]
                if self._credentials is None:
                    self._channel = grpc.insecure_channel(self.target, options=options)
                else:
                    self._channel = grpc.secure_channel(self.target, self._credentials, options=options[1:])
                self._pid = os.getpid()
            return self._channel

    @property
    def mailer(self) -> mailer_pb2_grpc.MailerServiceStub:
        """Configures and tests connections, and sends."""
        return mailer_pb2_grpc.MailerServiceStub(self.channel)

    @property
    def connections(self) -> connection_pb2_grpc.ConnectionServiceStub:
        """Shows and removes connections and keeps the routes."""
        return connection_pb2_grpc.ConnectionServiceStub(self.channel)

    @property
    def messages(self) -> message_pb2_grpc.MessageServiceStub:
        """Shows what became of messages, and steps in."""
        return message_pb2_grpc.MessageServiceStub(self.channel)

    @property
    def admin(self) -> admin_pb2_grpc.AdminServiceStub:
        """Manages who may use the daemon."""
        return admin_pb2_grpc.AdminServiceStub(self.channel)

    # Sending

    def send(self, message: Message, **options: object) -> mailer_pb2.SendResponse:
        """Hands over a message. The options are those of send_request."""
        return self.send_request(mailer_pb2.SendRequest(message=message.to_proto()), **options)

    def send_raw(self, content: bytes, sender: Optional[str] = None, recipients: Iterable[str] = (),
                 **options: object) -> mailer_pb2.SendResponse:
        """Hands over a message that is composed already (RFC 5322).

        sender and recipients are the envelope; without them they are taken
        from the header. An empty sender is the null reverse-path, to which no
        bounces go. The options are those of send_request.
        """
        raw = mailer_pb2.RawMessage(content=content)
        if sender is not None:
            setattr(raw.envelope, "from", sender)
        raw.envelope.recipients.extend(mailer_pb2.EnvelopeRecipient(address=r) for r in recipients)
        return self.send_request(mailer_pb2.SendRequest(raw=raw), **options)

    def send_request(self, request: mailer_pb2.SendRequest, *, connection: str = "", idempotency_key: str = "",
                     wait: Wait = 0, send_at: Optional[datetime.datetime] = None, expires_after: Optional[Wait] = None,
                     tags: Sequence[str] = (), metadata: Optional[Dict[str, str]] = None, origin: str = "",
                     keep_content: bool = False, notify_sender: bool = False) -> mailer_pb2.SendResponse:
        """Sends a request of the API. When it returns, the message is on
        stable storage and will be delivered, or fail visibly; when it raises,
        it was not accepted, unless the answer was lost.

        A key is made if none is given, and the call repeated once if the
        daemon was away for a moment, so that a lost answer never sends twice.
        wait is how many seconds to wait for the first outcome.
        """
        request.idempotency_key = idempotency_key or request.idempotency_key or str(uuid.uuid4())
        if connection:
            request.connection = connection
        if wait:
            request.wait.FromTimedelta(_delta(wait))
        if send_at is not None:
            request.send_at.FromDatetime(_utc(send_at))
        if expires_after is not None:
            request.expires_after.FromTimedelta(_delta(expires_after))
        request.tags.extend(tags)
        request.metadata.update(metadata or {})
        if origin:
            request.origin = origin
        request.keep_content = request.keep_content or keep_content
        request.notify_sender = request.notify_sender or notify_sender
        late = time.monotonic() + self.timeout
        more = request.wait.ToMilliseconds() / 1000
        try:
            return self._call(self.mailer.Send, request, self.timeout + more)
        except Error as error:
            pause = max(error.retry_after or 0, _RETRY_PAUSE)
            rest = late - time.monotonic() - pause
            if error.code != grpc.StatusCode.UNAVAILABLE or rest <= 0:
                raise
        time.sleep(pause)
        return self._call(self.mailer.Send, request, rest + more, wait_for_ready=True)

    # Looking after it

    def configure(self, connection: connection_pb2.Connection, update_mask: Sequence[str] = (), etag: str = "",
                  set_default: bool = False, validate_only: bool = False) -> mailer_pb2.ConfigureResponse:
        """Creates or replaces a connection, or changes the fields of the mask."""
        request = mailer_pb2.ConfigureRequest(connection=connection, etag=etag, set_default=set_default, validate_only=validate_only)
        if update_mask:
            request.update_mask.paths.extend(update_mask)
        return self._call(self.mailer.Configure, request)

    def test_connection(self, name: str = "", draft: Optional[connection_pb2.Connection] = None, send_to: str = "",
                        recipient: str = "") -> mailer_pb2.TestConnectionResponse:
        """Goes through the stages of a delivery. A test that failed is an answer, not an Error."""
        request = mailer_pb2.TestConnectionRequest(send_to=send_to, recipient=recipient)
        if draft is not None:
            request.draft.CopyFrom(draft)
        else:
            request.name = name
        return self._call(self.mailer.TestConnection, request, max(self.timeout, 35))

    def message(self, id: str) -> message_pb2.StoredMessage:
        """Gives a message with its attempts."""
        request = message_pb2.GetMessageRequest(id=id, view=message_pb2.MESSAGE_VIEW_FULL)
        return self._call(self.messages.GetMessage, request).message

    def list_messages(self, limit: int = 50, **filters: object) -> List[message_pb2.StoredMessage]:
        """Gives the newest messages; filters are the fields of ListMessagesRequest."""
        request = message_pb2.ListMessagesRequest(page_size=limit, **filters)
        return list(self._call(self.messages.ListMessages, request).messages)

    def events(self, after_sequence: Optional[int] = None) -> Iterator[message_pb2.Event]:
        """Follows the events, without end: those after a sequence number, or
        from now on. 0 begins with the oldest that is kept."""
        request = message_pb2.WatchEventsRequest(after_sequence=after_sequence)
        try:
            for answer in self.messages.WatchEvents(request, metadata=self._metadata):
                yield answer.event
        except grpc.RpcError as error:
            raise from_rpc(error) from error

    def server_info(self) -> admin_pb2.GetServerInfoResponse:
        """Tells about the daemon, and who the caller is to it."""
        return self._call(self.admin.GetServerInfo, admin_pb2.GetServerInfoRequest())

    def _call(self, method, request, timeout: Optional[float] = None, **options: object):
        try:
            return method(request, timeout=timeout or self.timeout, metadata=self._metadata, **options)
        except grpc.RpcError as error:
            raise from_rpc(error) from error


def _default_target() -> str:
    return os.environ.get("POSTILION_ADDRESS") or os.environ.get("POSTILION_SOCKET") or DEFAULT_SOCKET


def _default_token() -> str:
    token = os.environ.get("POSTILION_TOKEN", "")
    path = os.environ.get("POSTILION_TOKEN_FILE", "")
    if not token and path:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    return token


def _resolve(target: str) -> "tuple[str, bool]":
    """Gives the target as gRPC takes it, and whether it is on this machine."""
    path = target[len("unix:"):] if target.startswith("unix:") else target
    if path.startswith("//"):
        path = path[2:]
    if "/" in path:
        if path.endswith("-http.sock"):
            path = path[:-len("-http.sock")] + ".sock"
        return "unix:" + os.path.abspath(path), True
    host, colon, port = target.rpartition(":")
    if not colon or not port:
        raise ValueError(f'target {target!r}: give "unix:///path/of/socket" or "host:port"')
    return f"dns:///{target}", host in ("localhost", "127.0.0.1", "[::1]")


def _delta(wait: Wait) -> datetime.timedelta:
    return wait if isinstance(wait, datetime.timedelta) else datetime.timedelta(seconds=wait)


def _utc(when: datetime.datetime) -> datetime.datetime:
    """What FromDatetime takes for UTC; a time without zone is the local one, as Python has it."""
    return when.astimezone(datetime.timezone.utc).replace(tzinfo=None)

"""What the daemon, or the way to it, has against a call."""

from typing import Iterator, List, Optional, Tuple

import grpc

from .v1 import outcome_pb2

_DETAILS = "grpc-status-details-bin"
_TYPE = "/postilion.v1.ErrorDetail"
_TEMPORARY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
}


class Error(Exception):
    """A call that failed.

    code is the gRPC status code, message is for people. reason is a stable
    name such as "secret_required", fields are the paths of the request's
    fields that are at fault, remedy says what to do, and retry_after is in
    how many seconds it makes sense to try again: all of them are empty, or
    None, where the daemon gave none, as when it could not be reached.
    """

    def __init__(self, code: grpc.StatusCode, message: str, reason: str = "", fields: Optional[List[str]] = None,
                 remedy: str = "", retry_after: Optional[float] = None) -> None:
        super().__init__(message if not remedy or remedy in message else f"{message}: {remedy}")
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = fields or []
        self.remedy = remedy
        self.retry_after = retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same call can succeed later."""
        return self.code in _TEMPORARY or self.retry_after is not None


def from_rpc(error: grpc.RpcError) -> Error:
    """Reads the error of a call."""
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS:
            continue
        for kind, body in _details(value):
            if kind.endswith(_TYPE):
                detail = outcome_pb2.ErrorDetail.FromString(body)
                wait = detail.retry_after.ToMilliseconds() / 1000 if detail.HasField("retry_after") else None
                return Error(error.code(), error.details(), detail.reason, list(detail.fields), detail.remedy, wait)
    return Error(error.code(), error.details() or error.code().name)


def _details(status: bytes) -> Iterator[Tuple[str, bytes]]:
    """Gives type and value of the details of a google.rpc.Status.

    It reads them itself, since the package that knows this message is not in
    every distribution: field 3 holds google.protobuf.Any, which has the type
    in field 1 and the value in field 2.
    """
    for number, body in _fields(status):
        if number == 3:
            parts = dict(_fields(body))
            yield parts.get(1, b"").decode("utf-8", "replace"), parts.get(2, b"")


def _fields(message: bytes) -> Iterator[Tuple[int, bytes]]:
    """Gives the length-delimited fields of an encoded message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                return
            yield tag >> 3, message[at:at + length]
            at += length
        else:
            return


def _varint(message: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while at < len(message):
        octet = message[at]
        at += 1
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80 or shift > 63:
            break
    return value, at

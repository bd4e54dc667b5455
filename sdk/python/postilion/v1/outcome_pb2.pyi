from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

BLAME_AUTH: Blame
BLAME_CONNECTION: Blame
BLAME_CONTENT: Blame
BLAME_LIMIT: Blame
BLAME_NETWORK: Blame
BLAME_RECIPIENT: Blame
BLAME_SENDER: Blame
BLAME_SERVER: Blame
BLAME_UNSPECIFIED: Blame
DESCRIPTOR: _descriptor.FileDescriptor
OUTCOME_CLASS_ACCEPTED: OutcomeClass
OUTCOME_CLASS_PERMANENT: OutcomeClass
OUTCOME_CLASS_TEMPORARY: OutcomeClass
OUTCOME_CLASS_UNKNOWN: OutcomeClass
OUTCOME_CLASS_UNSPECIFIED: OutcomeClass

class ErrorDetail(_message.Message):
    __slots__ = ["fields", "reason", "remedy", "retry_after"]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    remedy: str
    retry_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., retry_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., remedy: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ["blame", "code", "enhanced_code", "inferred", "phase", "reply", "retry_after"]
    BLAME_FIELD_NUMBER: _ClassVar[int]
    CLASS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENHANCED_CODE_FIELD_NUMBER: _ClassVar[int]
    INFERRED_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    blame: Blame
    code: int
    enhanced_code: str
    inferred: bool
    phase: str
    reply: str
    retry_after: _duration_pb2.Duration
    def __init__(self, blame: _Optional[_Union[Blame, str]] = ..., code: _Optional[int] = ..., enhanced_code: _Optional[str] = ..., reply: _Optional[str] = ..., phase: _Optional[str] = ..., inferred: bool = ..., retry_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., **kwargs) -> None: ...

class OutcomeClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Blame(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

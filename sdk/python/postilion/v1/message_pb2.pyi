from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from postilion.v1 import connection_pb2 as _connection_pb2
from postilion.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
EVENT_TYPE_ACCEPTED: EventType
EVENT_TYPE_CANCELLED: EventType
EVENT_TYPE_DEFERRED: EventType
EVENT_TYPE_EXPIRED: EventType
EVENT_TYPE_FAILED: EventType
EVENT_TYPE_HELD: EventType
EVENT_TYPE_RELEASED: EventType
EVENT_TYPE_RETRIED: EventType
EVENT_TYPE_SENT: EventType
EVENT_TYPE_UNSPECIFIED: EventType
MESSAGE_STATE_CANCELLED: MessageState
MESSAGE_STATE_DEFERRED: MessageState
MESSAGE_STATE_EXPIRED: MessageState
MESSAGE_STATE_FAILED: MessageState
MESSAGE_STATE_HELD: MessageState
MESSAGE_STATE_QUEUED: MessageState
MESSAGE_STATE_SENDING: MessageState
MESSAGE_STATE_SENT: MessageState
MESSAGE_STATE_SUPPRESSED: MessageState
MESSAGE_STATE_UNSPECIFIED: MessageState
MESSAGE_VIEW_BASIC: MessageView
MESSAGE_VIEW_CONTENT: MessageView
MESSAGE_VIEW_FULL: MessageView
MESSAGE_VIEW_UNSPECIFIED: MessageView

class Attempt(_message.Message):
    __slots__ = ["address", "connection", "duration", "number", "outcome", "start_time"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    address: str
    connection: str
    duration: _duration_pb2.Duration
    number: int
    outcome: _outcome_pb2.Outcome
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., address: _Optional[str] = ..., connection: _Optional[str] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, _Mapping]] = ...) -> None: ...

class CancelMessageRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelMessageResponse(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ["address", "attempt", "client", "connection", "id", "message_id", "next_attempt", "outcome", "possible_duplicate", "reason", "sequence", "time", "type"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    POSSIBLE_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    address: str
    attempt: int
    client: str
    connection: str
    id: str
    message_id: str
    next_attempt: _timestamp_pb2.Timestamp
    outcome: _outcome_pb2.Outcome
    possible_duplicate: bool
    reason: str
    sequence: int
    time: _timestamp_pb2.Timestamp
    type: EventType
    def __init__(self, sequence: _Optional[int] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[_Union[EventType, str]] = ..., id: _Optional[str] = ..., message_id: _Optional[str] = ..., address: _Optional[str] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, _Mapping]] = ..., attempt: _Optional[int] = ..., next_attempt: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., possible_duplicate: bool = ..., connection: _Optional[str] = ..., reason: _Optional[str] = ..., client: _Optional[str] = ...) -> None: ...

class GetMessageRequest(_message.Message):
    __slots__ = ["id", "view"]
    ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    id: str
    view: MessageView
    def __init__(self, id: _Optional[str] = ..., view: _Optional[_Union[MessageView, str]] = ...) -> None: ...

class GetMessageResponse(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class HoldMessageRequest(_message.Message):
    __slots__ = ["id", "reason"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class HoldMessageResponse(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ["after_sequence", "id", "page_size", "types", "wait"]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    id: str
    page_size: int
    types: _containers.RepeatedScalarFieldContainer[EventType]
    wait: _duration_pb2.Duration
    def __init__(self, after_sequence: _Optional[int] = ..., id: _Optional[str] = ..., types: _Optional[_Iterable[_Union[EventType, str]]] = ..., page_size: _Optional[int] = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ["events", "last_sequence"]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    last_sequence: int
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ["client", "connection", "message_id", "page_size", "page_token", "recipient", "since", "states", "tag", "until"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    client: str
    connection: str
    message_id: str
    page_size: int
    page_token: str
    recipient: str
    since: _timestamp_pb2.Timestamp
    states: _containers.RepeatedScalarFieldContainer[MessageState]
    tag: str
    until: _timestamp_pb2.Timestamp
    def __init__(self, states: _Optional[_Iterable[_Union[MessageState, str]]] = ..., recipient: _Optional[str] = ..., tag: _Optional[str] = ..., connection: _Optional[str] = ..., message_id: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., client: _Optional[str] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ["messages", "next_page_token"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[StoredMessage]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[StoredMessage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RecipientStatus(_message.Message):
    __slots__ = ["address", "attempts", "connection", "diagnosis", "next_attempt", "outcome", "possible_duplicate", "reason", "state"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    POSSIBLE_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    address: str
    attempts: int
    connection: str
    diagnosis: _connection_pb2.Diagnosis
    next_attempt: _timestamp_pb2.Timestamp
    outcome: _outcome_pb2.Outcome
    possible_duplicate: bool
    reason: str
    state: MessageState
    def __init__(self, address: _Optional[str] = ..., state: _Optional[_Union[MessageState, str]] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, _Mapping]] = ..., attempts: _Optional[int] = ..., next_attempt: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., possible_duplicate: bool = ..., connection: _Optional[str] = ..., reason: _Optional[str] = ..., diagnosis: _Optional[_Union[_connection_pb2.Diagnosis, _Mapping]] = ...) -> None: ...

class ReleaseMessageRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ReleaseMessageResponse(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class ResendMessageRequest(_message.Message):
    __slots__ = ["expires_after", "id"]
    EXPIRES_AFTER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    expires_after: _duration_pb2.Duration
    id: str
    def __init__(self, id: _Optional[str] = ..., expires_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ResendMessageResponse(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: StoredMessage
    def __init__(self, message: _Optional[_Union[StoredMessage, _Mapping]] = ...) -> None: ...

class StoredMessage(_message.Message):
    __slots__ = ["accept_time", "attempts", "client", "connections", "content", "content_available", "counts", "done_time", "expire_time", "id", "message_id", "metadata", "recipients", "send_at", "size", "source", "state", "subject", "tags"]
    class CountsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCEPT_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    DONE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    SEND_AT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    accept_time: _timestamp_pb2.Timestamp
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    client: str
    connections: _containers.RepeatedScalarFieldContainer[str]
    content: bytes
    content_available: bool
    counts: _containers.ScalarMap[str, int]
    done_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    id: str
    message_id: str
    metadata: _containers.ScalarMap[str, str]
    recipients: _containers.RepeatedCompositeFieldContainer[RecipientStatus]
    send_at: _timestamp_pb2.Timestamp
    size: int
    source: str
    state: MessageState
    subject: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., message_id: _Optional[str] = ..., state: _Optional[_Union[MessageState, str]] = ..., recipients: _Optional[_Iterable[_Union[RecipientStatus, _Mapping]]] = ..., subject: _Optional[str] = ..., size: _Optional[int] = ..., accept_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., send_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., done_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., source: _Optional[str] = ..., client: _Optional[str] = ..., connections: _Optional[_Iterable[str]] = ..., counts: _Optional[_Mapping[str, int]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., content: _Optional[bytes] = ..., content_available: bool = ..., **kwargs) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ["after_sequence", "id", "types"]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    id: str
    types: _containers.RepeatedScalarFieldContainer[EventType]
    def __init__(self, after_sequence: _Optional[int] = ..., id: _Optional[str] = ..., types: _Optional[_Iterable[_Union[EventType, str]]] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ["event"]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class MessageState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class MessageView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from postilion.v1 import connection_pb2 as _connection_pb2
from postilion.v1 import domain_pb2 as _domain_pb2
from postilion.v1 import message_pb2 as _message_pb2
from postilion.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DSN_NOTIFY_DELAY: DsnNotify
DSN_NOTIFY_FAILURE: DsnNotify
DSN_NOTIFY_NEVER: DsnNotify
DSN_NOTIFY_SUCCESS: DsnNotify
DSN_NOTIFY_UNSPECIFIED: DsnNotify
DSN_RETURN_FULL: DsnReturn
DSN_RETURN_HEADERS: DsnReturn
DSN_RETURN_UNSPECIFIED: DsnReturn
IMPORTANCE_HIGH: Importance
IMPORTANCE_LOW: Importance
IMPORTANCE_NORMAL: Importance
IMPORTANCE_UNSPECIFIED: Importance
PRIORITY_BULK: Priority
PRIORITY_HIGH: Priority
PRIORITY_NORMAL: Priority
PRIORITY_UNSPECIFIED: Priority
STAGE_STATUS_FAILED: StageStatus
STAGE_STATUS_PASSED: StageStatus
STAGE_STATUS_SKIPPED: StageStatus
STAGE_STATUS_UNSPECIFIED: StageStatus
STAGE_STATUS_WARNING: StageStatus

class Address(_message.Message):
    __slots__ = ["address", "name"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    address: str
    name: str
    def __init__(self, address: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Attachment(_message.Message):
    __slots__ = ["content", "content_id", "content_type", "filename", "inline"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    content_id: str
    content_type: str
    filename: str
    inline: bool
    def __init__(self, filename: _Optional[str] = ..., content_type: _Optional[str] = ..., content: _Optional[bytes] = ..., content_id: _Optional[str] = ..., inline: bool = ...) -> None: ...

class BatchError(_message.Message):
    __slots__ = ["code", "detail", "message"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    detail: _outcome_pb2.ErrorDetail
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., detail: _Optional[_Union[_outcome_pb2.ErrorDetail, _Mapping]] = ...) -> None: ...

class ConfigureRequest(_message.Message):
    __slots__ = ["clear_secrets", "connection", "etag", "set_default", "update_mask", "validate_only"]
    CLEAR_SECRETS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SET_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    clear_secrets: _containers.RepeatedScalarFieldContainer[str]
    connection: _connection_pb2.Connection
    etag: str
    set_default: bool
    update_mask: _field_mask_pb2.FieldMask
    validate_only: bool
    def __init__(self, connection: _Optional[_Union[_connection_pb2.Connection, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ..., validate_only: bool = ..., set_default: bool = ..., clear_secrets: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfigureResponse(_message.Message):
    __slots__ = ["connection", "created", "warnings"]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    connection: _connection_pb2.Connection
    created: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, connection: _Optional[_Union[_connection_pb2.Connection, _Mapping]] = ..., created: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ["envelope_id", "recipients"]
    ENVELOPE_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    RETURN_FIELD_NUMBER: _ClassVar[int]
    envelope_id: str
    recipients: _containers.RepeatedCompositeFieldContainer[EnvelopeRecipient]
    def __init__(self, recipients: _Optional[_Iterable[_Union[EnvelopeRecipient, _Mapping]]] = ..., envelope_id: _Optional[str] = ..., **kwargs) -> None: ...

class EnvelopeRecipient(_message.Message):
    __slots__ = ["address", "notify"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NOTIFY_FIELD_NUMBER: _ClassVar[int]
    address: str
    notify: _containers.RepeatedScalarFieldContainer[DsnNotify]
    def __init__(self, address: _Optional[str] = ..., notify: _Optional[_Iterable[_Union[DsnNotify, str]]] = ...) -> None: ...

class ListUnsubscribe(_message.Message):
    __slots__ = ["one_click", "urls"]
    ONE_CLICK_FIELD_NUMBER: _ClassVar[int]
    URLS_FIELD_NUMBER: _ClassVar[int]
    one_click: bool
    urls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, urls: _Optional[_Iterable[str]] = ..., one_click: bool = ...) -> None: ...

class RawMessage(_message.Message):
    __slots__ = ["content", "envelope"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    envelope: Envelope
    def __init__(self, content: _Optional[bytes] = ..., envelope: _Optional[_Union[Envelope, _Mapping]] = ...) -> None: ...

class SendBatchRequest(_message.Message):
    __slots__ = ["correlation_id", "send"]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    send: SendRequest
    def __init__(self, correlation_id: _Optional[str] = ..., send: _Optional[_Union[SendRequest, _Mapping]] = ...) -> None: ...

class SendBatchResponse(_message.Message):
    __slots__ = ["accepted", "correlation_id", "error"]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    accepted: SendResponse
    correlation_id: str
    error: BatchError
    def __init__(self, correlation_id: _Optional[str] = ..., accepted: _Optional[_Union[SendResponse, _Mapping]] = ..., error: _Optional[_Union[BatchError, _Mapping]] = ...) -> None: ...

class SendRequest(_message.Message):
    __slots__ = ["connection", "expires_after", "idempotency_key", "keep_content", "message", "metadata", "notify_sender", "origin", "priority", "raw", "send_at", "tags", "wait"]
    class MetadataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AFTER_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    KEEP_CONTENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NOTIFY_SENDER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    SEND_AT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    connection: str
    expires_after: _duration_pb2.Duration
    idempotency_key: str
    keep_content: bool
    message: StructuredMessage
    metadata: _containers.ScalarMap[str, str]
    notify_sender: bool
    origin: str
    priority: Priority
    raw: RawMessage
    send_at: _timestamp_pb2.Timestamp
    tags: _containers.RepeatedScalarFieldContainer[str]
    wait: _duration_pb2.Duration
    def __init__(self, connection: _Optional[str] = ..., message: _Optional[_Union[StructuredMessage, _Mapping]] = ..., raw: _Optional[_Union[RawMessage, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., send_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., expires_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., keep_content: bool = ..., notify_sender: bool = ..., origin: _Optional[str] = ...) -> None: ...

class SendResponse(_message.Message):
    __slots__ = ["accept_time", "connection", "id", "message_id", "recipients", "replayed", "state"]
    ACCEPT_TIME_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    accept_time: _timestamp_pb2.Timestamp
    connection: str
    id: str
    message_id: str
    recipients: _containers.RepeatedCompositeFieldContainer[_message_pb2.RecipientStatus]
    replayed: bool
    state: _message_pb2.MessageState
    def __init__(self, id: _Optional[str] = ..., message_id: _Optional[str] = ..., state: _Optional[_Union[_message_pb2.MessageState, str]] = ..., recipients: _Optional[_Iterable[_Union[_message_pb2.RecipientStatus, _Mapping]]] = ..., replayed: bool = ..., accept_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., connection: _Optional[str] = ...) -> None: ...

class StructuredMessage(_message.Message):
    __slots__ = ["attachments", "bcc", "cc", "date", "headers", "html", "importance", "in_reply_to", "list_unsubscribe", "message_id", "references", "reply_to", "sender", "subject", "text", "to"]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    BCC_FIELD_NUMBER: _ClassVar[int]
    CC_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    IN_REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    LIST_UNSUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    attachments: _containers.RepeatedCompositeFieldContainer[Attachment]
    bcc: _containers.RepeatedCompositeFieldContainer[Address]
    cc: _containers.RepeatedCompositeFieldContainer[Address]
    date: _timestamp_pb2.Timestamp
    headers: _containers.RepeatedCompositeFieldContainer[_connection_pb2.Header]
    html: str
    importance: Importance
    in_reply_to: str
    list_unsubscribe: ListUnsubscribe
    message_id: str
    references: _containers.RepeatedScalarFieldContainer[str]
    reply_to: _containers.RepeatedCompositeFieldContainer[Address]
    sender: Address
    subject: str
    text: str
    to: _containers.RepeatedCompositeFieldContainer[Address]
    def __init__(self, sender: _Optional[_Union[Address, _Mapping]] = ..., reply_to: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., to: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., bcc: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ..., html: _Optional[str] = ..., attachments: _Optional[_Iterable[_Union[Attachment, _Mapping]]] = ..., headers: _Optional[_Iterable[_Union[_connection_pb2.Header, _Mapping]]] = ..., list_unsubscribe: _Optional[_Union[ListUnsubscribe, _Mapping]] = ..., importance: _Optional[_Union[Importance, str]] = ..., date: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., in_reply_to: _Optional[str] = ..., references: _Optional[_Iterable[str]] = ..., **kwargs) -> None: ...

class TestConnectionRequest(_message.Message):
    __slots__ = ["check_domain", "draft", "name", "recipient", "send_to", "sender", "skip_proposals", "timeout"]
    CHECK_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SEND_TO_FIELD_NUMBER: _ClassVar[int]
    SKIP_PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    check_domain: bool
    draft: _connection_pb2.Connection
    name: str
    recipient: str
    send_to: str
    sender: str
    skip_proposals: bool
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., draft: _Optional[_Union[_connection_pb2.Connection, _Mapping]] = ..., sender: _Optional[str] = ..., recipient: _Optional[str] = ..., send_to: _Optional[str] = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., skip_proposals: bool = ..., check_domain: bool = ...) -> None: ...

class TestConnectionResponse(_message.Message):
    __slots__ = ["diagnosis", "domain", "duration", "ok", "proposals", "stages", "warnings"]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    diagnosis: _connection_pb2.Diagnosis
    domain: _domain_pb2.CheckDomainResponse
    duration: _duration_pb2.Duration
    ok: bool
    proposals: _containers.RepeatedCompositeFieldContainer[_connection_pb2.Proposal]
    stages: _containers.RepeatedCompositeFieldContainer[TestStage]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ok: bool = ..., stages: _Optional[_Iterable[_Union[TestStage, _Mapping]]] = ..., diagnosis: _Optional[_Union[_connection_pb2.Diagnosis, _Mapping]] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., proposals: _Optional[_Iterable[_Union[_connection_pb2.Proposal, _Mapping]]] = ..., domain: _Optional[_Union[_domain_pb2.CheckDomainResponse, _Mapping]] = ...) -> None: ...

class TestStage(_message.Message):
    __slots__ = ["detail", "duration", "facts", "name", "outcome", "server", "status"]
    class FactsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    detail: str
    duration: _duration_pb2.Duration
    facts: _containers.ScalarMap[str, str]
    name: str
    outcome: _outcome_pb2.Outcome
    server: str
    status: StageStatus
    def __init__(self, name: _Optional[str] = ..., status: _Optional[_Union[StageStatus, str]] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., detail: _Optional[str] = ..., server: _Optional[str] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, _Mapping]] = ..., facts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StageStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Importance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DsnReturn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DsnNotify(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

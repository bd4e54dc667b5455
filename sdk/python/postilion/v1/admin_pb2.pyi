from google.protobuf import timestamp_pb2 as _timestamp_pb2
from postilion.v1 import connection_pb2 as _connection_pb2
from postilion.v1 import domain_pb2 as _domain_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
SCOPE_ADMIN: Scope
SCOPE_CONFIGURE: Scope
SCOPE_CONTENT: Scope
SCOPE_READ: Scope
SCOPE_SEND: Scope
SCOPE_UNSPECIFIED: Scope

class BackupRequest(_message.Message):
    __slots__ = ["directory"]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    directory: str
    def __init__(self, directory: _Optional[str] = ...) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ["bytes"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class Client(_message.Message):
    __slots__ = ["create_time", "guard", "limits", "max_queued_bytes", "max_queued_messages", "name", "origin", "scopes", "tokens", "transports", "unix_users"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    GUARD_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORTS_FIELD_NUMBER: _ClassVar[int]
    UNIX_USERS_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    guard: DeliveryGuard
    limits: _connection_pb2.Limits
    max_queued_bytes: int
    max_queued_messages: int
    name: str
    origin: str
    scopes: _containers.RepeatedScalarFieldContainer[Scope]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    transports: _containers.RepeatedScalarFieldContainer[str]
    unix_users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., scopes: _Optional[_Iterable[_Union[Scope, str]]] = ..., unix_users: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[_connection_pb2.Limits, _Mapping]] = ..., max_queued_messages: _Optional[int] = ..., max_queued_bytes: _Optional[int] = ..., transports: _Optional[_Iterable[str]] = ..., tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., origin: _Optional[str] = ..., guard: _Optional[_Union[DeliveryGuard, _Mapping]] = ...) -> None: ...

class CreateClientRequest(_message.Message):
    __slots__ = ["client", "with_token"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    WITH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    client: Client
    with_token: bool
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ..., with_token: bool = ...) -> None: ...

class CreateClientResponse(_message.Message):
    __slots__ = ["client", "token"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    client: Client
    token: str
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ..., token: _Optional[str] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ["client"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: str
    def __init__(self, client: _Optional[str] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ["secret", "token"]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    secret: str
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class DeleteClientRequest(_message.Message):
    __slots__ = ["force", "name"]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    force: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., force: bool = ...) -> None: ...

class DeleteClientResponse(_message.Message):
    __slots__ = ["held"]
    HELD_FIELD_NUMBER: _ClassVar[int]
    held: int
    def __init__(self, held: _Optional[int] = ...) -> None: ...

class DeliveryGuard(_message.Message):
    __slots__ = ["allowed_recipients", "capture", "hold", "redirect_to"]
    ALLOWED_RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_TO_FIELD_NUMBER: _ClassVar[int]
    allowed_recipients: _containers.RepeatedScalarFieldContainer[str]
    capture: bool
    hold: bool
    redirect_to: str
    def __init__(self, hold: bool = ..., capture: bool = ..., redirect_to: _Optional[str] = ..., allowed_recipients: _Optional[_Iterable[str]] = ...) -> None: ...

class GetHealthRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ["checks", "ok"]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[HealthCheck]
    ok: bool
    def __init__(self, checks: _Optional[_Iterable[_Union[HealthCheck, _Mapping]]] = ..., ok: bool = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ["client", "features", "http_socket", "maildrop_dir", "max_content_bytes", "max_recipients", "notices", "origin", "recipients", "scopes", "start_time", "version"]
    class RecipientsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HTTP_SOCKET_FIELD_NUMBER: _ClassVar[int]
    MAILDROP_DIR_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    client: str
    features: _containers.RepeatedScalarFieldContainer[str]
    http_socket: str
    maildrop_dir: str
    max_content_bytes: int
    max_recipients: int
    notices: _containers.RepeatedScalarFieldContainer[str]
    origin: str
    recipients: _containers.ScalarMap[str, int]
    scopes: _containers.RepeatedScalarFieldContainer[Scope]
    start_time: _timestamp_pb2.Timestamp
    version: str
    def __init__(self, version: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., max_content_bytes: _Optional[int] = ..., max_recipients: _Optional[int] = ..., client: _Optional[str] = ..., scopes: _Optional[_Iterable[_Union[Scope, str]]] = ..., recipients: _Optional[_Mapping[str, int]] = ..., notices: _Optional[_Iterable[str]] = ..., origin: _Optional[str] = ..., http_socket: _Optional[str] = ..., maildrop_dir: _Optional[str] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ["area", "code", "detail", "name", "remedy", "status"]
    AREA_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    area: str
    code: str
    detail: str
    name: str
    remedy: str
    status: _domain_pb2.CheckStatus
    def __init__(self, area: _Optional[str] = ..., name: _Optional[str] = ..., code: _Optional[str] = ..., status: _Optional[_Union[_domain_pb2.CheckStatus, str]] = ..., detail: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class ListClientsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListClientsResponse(_message.Message):
    __slots__ = ["clients"]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    clients: _containers.RepeatedCompositeFieldContainer[Client]
    def __init__(self, clients: _Optional[_Iterable[_Union[Client, _Mapping]]] = ...) -> None: ...

class ListTransportsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListTransportsResponse(_message.Message):
    __slots__ = ["transports"]
    TRANSPORTS_FIELD_NUMBER: _ClassVar[int]
    transports: _containers.RepeatedCompositeFieldContainer[Transport]
    def __init__(self, transports: _Optional[_Iterable[_Union[Transport, _Mapping]]] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ["client", "token_id"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    client: str
    token_id: str
    def __init__(self, client: _Optional[str] = ..., token_id: _Optional[str] = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Token(_message.Message):
    __slots__ = ["create_time", "hint", "id"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    hint: str
    id: str
    def __init__(self, id: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., hint: _Optional[str] = ...) -> None: ...

class Transport(_message.Message):
    __slots__ = ["fields", "name", "sends_nothing", "title", "version"]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SENDS_NOTHING_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[TransportField]
    name: str
    sends_nothing: bool
    title: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., title: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[TransportField, _Mapping]]] = ..., sends_nothing: bool = ...) -> None: ...

class TransportField(_message.Message):
    __slots__ = ["default_value", "help", "label", "name", "options", "required", "secret", "type"]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    default_value: str
    help: str
    label: str
    name: str
    options: _containers.RepeatedScalarFieldContainer[str]
    required: bool
    secret: bool
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., label: _Optional[str] = ..., help: _Optional[str] = ..., default_value: _Optional[str] = ..., required: bool = ..., secret: bool = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateClientRequest(_message.Message):
    __slots__ = ["client"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: Client
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ...) -> None: ...

class UpdateClientResponse(_message.Message):
    __slots__ = ["client"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: Client
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ...) -> None: ...

class Scope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

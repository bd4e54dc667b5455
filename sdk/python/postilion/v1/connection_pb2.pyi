from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from postilion.v1 import domain_pb2 as _domain_pb2
from postilion.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

AUTHENTICATION_AUTO: Authentication
AUTHENTICATION_CRAM_MD5: Authentication
AUTHENTICATION_LOGIN: Authentication
AUTHENTICATION_NONE: Authentication
AUTHENTICATION_PLAIN: Authentication
AUTHENTICATION_SCRAM_SHA_1: Authentication
AUTHENTICATION_SCRAM_SHA_256: Authentication
AUTHENTICATION_UNSPECIFIED: Authentication
AUTHENTICATION_XOAUTH2: Authentication
CONFIDENCE_HIGH: Confidence
CONFIDENCE_LOW: Confidence
CONFIDENCE_MEDIUM: Confidence
CONFIDENCE_UNSPECIFIED: Confidence
DESCRIPTOR: _descriptor.FileDescriptor
ISOLATION_IN_PROCESS: Isolation
ISOLATION_PROCESS: Isolation
ISOLATION_UNSPECIFIED: Isolation
PROPOSAL_SOURCE_AUTOCONFIG: ProposalSource
PROPOSAL_SOURCE_GUESS: ProposalSource
PROPOSAL_SOURCE_MX: ProposalSource
PROPOSAL_SOURCE_PROVIDER: ProposalSource
PROPOSAL_SOURCE_SRV: ProposalSource
PROPOSAL_SOURCE_UNSPECIFIED: ProposalSource
PROPOSAL_SOURCE_VARIATION: ProposalSource
SECURITY_IMPLICIT_TLS: Security
SECURITY_NONE: Security
SECURITY_OPPORTUNISTIC: Security
SECURITY_STARTTLS: Security
SECURITY_UNSPECIFIED: Security
TLS_VERSION_1_0: TlsVersion
TLS_VERSION_1_1: TlsVersion
TLS_VERSION_1_2: TlsVersion
TLS_VERSION_1_3: TlsVersion
TLS_VERSION_UNSPECIFIED: TlsVersion
TRIAL_FAILED: Trial
TRIAL_LOGIN: Trial
TRIAL_SESSION: Trial
TRIAL_UNSPECIFIED: Trial
TRIAL_UNTRIED: Trial

class Connection(_message.Message):
    __slots__ = ["allow_destinations", "create_time", "custom", "default", "display_name", "etag", "fallbacks", "isolation", "limits", "name", "owner", "probe_interval", "retry", "sender", "shared", "smtp", "status", "update_time"]
    ALLOW_DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FALLBACKS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PROBE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SMTP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    allow_destinations: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    custom: CustomSettings
    default: bool
    display_name: str
    etag: str
    fallbacks: _containers.RepeatedScalarFieldContainer[str]
    isolation: Isolation
    limits: Limits
    name: str
    owner: str
    probe_interval: _duration_pb2.Duration
    retry: RetryPolicy
    sender: SenderPolicy
    shared: bool
    smtp: SmtpSettings
    status: ConnectionStatus
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., smtp: _Optional[_Union[SmtpSettings, _Mapping]] = ..., custom: _Optional[_Union[CustomSettings, _Mapping]] = ..., sender: _Optional[_Union[SenderPolicy, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., fallbacks: _Optional[_Iterable[str]] = ..., allow_destinations: _Optional[_Iterable[str]] = ..., shared: bool = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., probe_interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., isolation: _Optional[_Union[Isolation, str]] = ..., default: bool = ..., etag: _Optional[str] = ..., status: _Optional[_Union[ConnectionStatus, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., owner: _Optional[str] = ...) -> None: ...

class ConnectionStatus(_message.Message):
    __slots__ = ["alarms", "diagnosis", "failing_since", "outcome", "paused", "paused_until", "probe_diagnosis", "probe_time", "waiting"]
    ALARMS_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    FAILING_SINCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PROBE_DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    PROBE_TIME_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    alarms: _containers.RepeatedScalarFieldContainer[str]
    diagnosis: Diagnosis
    failing_since: _timestamp_pb2.Timestamp
    outcome: _outcome_pb2.Outcome
    paused: bool
    paused_until: _timestamp_pb2.Timestamp
    probe_diagnosis: Diagnosis
    probe_time: _timestamp_pb2.Timestamp
    waiting: int
    def __init__(self, paused: bool = ..., paused_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., failing_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, _Mapping]] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ..., alarms: _Optional[_Iterable[str]] = ..., waiting: _Optional[int] = ..., probe_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., probe_diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class CustomSettings(_message.Message):
    __slots__ = ["secrets", "settings", "stored_secrets", "transport"]
    class SecretsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    STORED_SECRETS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    secrets: _containers.ScalarMap[str, str]
    settings: _struct_pb2.Struct
    stored_secrets: _containers.RepeatedScalarFieldContainer[str]
    transport: str
    def __init__(self, transport: _Optional[str] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., secrets: _Optional[_Mapping[str, str]] = ..., stored_secrets: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteConnectionRequest(_message.Message):
    __slots__ = ["etag", "force", "name"]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    etag: str
    force: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., force: bool = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteConnectionResponse(_message.Message):
    __slots__ = ["held"]
    HELD_FIELD_NUMBER: _ClassVar[int]
    held: int
    def __init__(self, held: _Optional[int] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ["blame", "code", "explanation", "link", "remedies", "retry_helps", "title"]
    BLAME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    REMEDIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_HELPS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    blame: _outcome_pb2.Blame
    code: str
    explanation: str
    link: str
    remedies: _containers.RepeatedScalarFieldContainer[str]
    retry_helps: bool
    title: str
    def __init__(self, code: _Optional[str] = ..., title: _Optional[str] = ..., explanation: _Optional[str] = ..., remedies: _Optional[_Iterable[str]] = ..., link: _Optional[str] = ..., blame: _Optional[_Union[_outcome_pb2.Blame, str]] = ..., retry_helps: bool = ...) -> None: ...

class DiscoverSettingsRequest(_message.Message):
    __slots__ = ["address", "lookup_only", "password", "timeout", "username"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_ONLY_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    address: str
    lookup_only: bool
    password: str
    timeout: _duration_pb2.Duration
    username: str
    def __init__(self, address: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., lookup_only: bool = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DiscoverSettingsResponse(_message.Message):
    __slots__ = ["notes", "proposals"]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    notes: _containers.RepeatedScalarFieldContainer[str]
    proposals: _containers.RepeatedCompositeFieldContainer[Proposal]
    def __init__(self, proposals: _Optional[_Iterable[_Union[Proposal, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetConnectionRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetConnectionResponse(_message.Message):
    __slots__ = ["connection"]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    connection: Connection
    def __init__(self, connection: _Optional[_Union[Connection, _Mapping]] = ...) -> None: ...

class GetRoutesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetRoutesResponse(_message.Message):
    __slots__ = ["etag", "routes"]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    etag: str
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ["name", "value"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ["concurrency", "per_day", "per_hour", "per_minute", "per_second", "recipients_per_message"]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    PER_DAY_FIELD_NUMBER: _ClassVar[int]
    PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_PER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    concurrency: int
    per_day: int
    per_hour: int
    per_minute: int
    per_second: int
    recipients_per_message: int
    def __init__(self, per_second: _Optional[int] = ..., per_minute: _Optional[int] = ..., per_hour: _Optional[int] = ..., per_day: _Optional[int] = ..., recipients_per_message: _Optional[int] = ..., concurrency: _Optional[int] = ...) -> None: ...

class ListConnectionsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListConnectionsResponse(_message.Message):
    __slots__ = ["connections"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[Connection]
    def __init__(self, connections: _Optional[_Iterable[_Union[Connection, _Mapping]]] = ...) -> None: ...

class ListProvidersRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListProvidersResponse(_message.Message):
    __slots__ = ["providers"]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    def __init__(self, providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ["confidence", "detail", "diagnosis", "smtp", "source", "source_detail", "trial"]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    SMTP_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DETAIL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    confidence: Confidence
    detail: str
    diagnosis: Diagnosis
    smtp: SmtpSettings
    source: ProposalSource
    source_detail: str
    trial: Trial
    def __init__(self, smtp: _Optional[_Union[SmtpSettings, _Mapping]] = ..., source: _Optional[_Union[ProposalSource, str]] = ..., source_detail: _Optional[str] = ..., confidence: _Optional[_Union[Confidence, str]] = ..., trial: _Optional[_Union[Trial, str]] = ..., detail: _Optional[str] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ["authentication", "from_rule", "host", "id", "limits", "link", "mail_domains", "oauth_note", "password_hint", "password_link", "port", "security", "sources", "title", "username_hint"]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    FROM_RULE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    MAIL_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    OAUTH_NOTE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_HINT_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_LINK_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_HINT_FIELD_NUMBER: _ClassVar[int]
    authentication: Authentication
    from_rule: str
    host: str
    id: str
    limits: Limits
    link: str
    mail_domains: _containers.RepeatedScalarFieldContainer[str]
    oauth_note: str
    password_hint: str
    password_link: str
    port: int
    security: Security
    sources: _containers.RepeatedScalarFieldContainer[str]
    title: str
    username_hint: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., security: _Optional[_Union[Security, str]] = ..., authentication: _Optional[_Union[Authentication, str]] = ..., username_hint: _Optional[str] = ..., password_hint: _Optional[str] = ..., link: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., mail_domains: _Optional[_Iterable[str]] = ..., password_link: _Optional[str] = ..., oauth_note: _Optional[str] = ..., from_rule: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ["expires_after", "schedule"]
    EXPIRES_AFTER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    expires_after: _duration_pb2.Duration
    schedule: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    def __init__(self, schedule: _Optional[_Iterable[_Union[_duration_pb2.Duration, _Mapping]]] = ..., expires_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ["clients", "connection", "headers", "recipient_domains", "tags"]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    clients: _containers.RepeatedScalarFieldContainer[str]
    connection: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    recipient_domains: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, clients: _Optional[_Iterable[str]] = ..., recipient_domains: _Optional[_Iterable[str]] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., tags: _Optional[_Iterable[str]] = ..., connection: _Optional[str] = ..., **kwargs) -> None: ...

class SenderPolicy(_message.Message):
    __slots__ = ["allowed_from_domains", "always_bcc", "envelope_from", "force_exceptions", "force_from_address", "force_from_name", "force_reply_to", "from_address", "from_name", "headers", "reply_to"]
    ALLOWED_FROM_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    ALWAYS_BCC_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FROM_FIELD_NUMBER: _ClassVar[int]
    FORCE_EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FROM_NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FROM_NAME_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    allowed_from_domains: _containers.RepeatedScalarFieldContainer[str]
    always_bcc: _containers.RepeatedScalarFieldContainer[str]
    envelope_from: str
    force_exceptions: _containers.RepeatedScalarFieldContainer[str]
    force_from_address: bool
    force_from_name: bool
    force_reply_to: bool
    from_address: str
    from_name: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    reply_to: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, from_address: _Optional[str] = ..., from_name: _Optional[str] = ..., force_from_address: bool = ..., force_from_name: bool = ..., force_exceptions: _Optional[_Iterable[str]] = ..., reply_to: _Optional[_Iterable[str]] = ..., force_reply_to: bool = ..., envelope_from: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., always_bcc: _Optional[_Iterable[str]] = ..., allowed_from_domains: _Optional[_Iterable[str]] = ...) -> None: ...

class SetRoutesRequest(_message.Message):
    __slots__ = ["etag", "routes"]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    etag: str
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class SetRoutesResponse(_message.Message):
    __slots__ = ["etag"]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class SmtpSettings(_message.Message):
    __slots__ = ["allow_plain_auth", "authentication", "ca_certificates", "client_certificate", "client_key", "has_client_key", "has_password", "hello_name", "host", "minimum_tls", "password", "pin_sha256", "pool_size", "port", "provider", "security", "skip_verify", "source_address", "timeouts", "username"]
    ALLOW_PLAIN_AUTH_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    HAS_CLIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    HAS_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    HELLO_NAME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_TLS_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PIN_SHA256_FIELD_NUMBER: _ClassVar[int]
    POOL_SIZE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    SKIP_VERIFY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTS_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    allow_plain_auth: bool
    authentication: Authentication
    ca_certificates: bytes
    client_certificate: bytes
    client_key: bytes
    has_client_key: bool
    has_password: bool
    hello_name: str
    host: str
    minimum_tls: TlsVersion
    password: str
    pin_sha256: str
    pool_size: int
    port: int
    provider: str
    security: Security
    skip_verify: bool
    source_address: str
    timeouts: SmtpTimeouts
    username: str
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., security: _Optional[_Union[Security, str]] = ..., authentication: _Optional[_Union[Authentication, str]] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., has_password: bool = ..., hello_name: _Optional[str] = ..., source_address: _Optional[str] = ..., ca_certificates: _Optional[bytes] = ..., pin_sha256: _Optional[str] = ..., client_certificate: _Optional[bytes] = ..., client_key: _Optional[bytes] = ..., has_client_key: bool = ..., minimum_tls: _Optional[_Union[TlsVersion, str]] = ..., skip_verify: bool = ..., pool_size: _Optional[int] = ..., timeouts: _Optional[_Union[SmtpTimeouts, _Mapping]] = ..., allow_plain_auth: bool = ..., provider: _Optional[str] = ...) -> None: ...

class SmtpTimeouts(_message.Message):
    __slots__ = ["block", "command", "connect", "data", "final", "tls"]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    block: _duration_pb2.Duration
    command: _duration_pb2.Duration
    connect: _duration_pb2.Duration
    data: _duration_pb2.Duration
    final: _duration_pb2.Duration
    tls: _duration_pb2.Duration
    def __init__(self, connect: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., tls: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., command: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., data: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., block: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., final: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Isolation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Security(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Authentication(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TlsVersion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ProposalSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Confidence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Trial(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

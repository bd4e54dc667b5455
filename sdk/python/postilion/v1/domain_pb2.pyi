from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CHECK_STATUS_FAILED: CheckStatus
CHECK_STATUS_NOTICE: CheckStatus
CHECK_STATUS_OK: CheckStatus
CHECK_STATUS_UNKNOWN: CheckStatus
CHECK_STATUS_UNSPECIFIED: CheckStatus
CHECK_STATUS_WARNING: CheckStatus
DESCRIPTOR: _descriptor.FileDescriptor

class CheckDomainRequest(_message.Message):
    __slots__ = ["connection", "dkim_selectors", "domain", "provider"]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DKIM_SELECTORS_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    connection: str
    dkim_selectors: _containers.RepeatedScalarFieldContainer[str]
    domain: str
    provider: str
    def __init__(self, domain: _Optional[str] = ..., connection: _Optional[str] = ..., provider: _Optional[str] = ..., dkim_selectors: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckDomainResponse(_message.Message):
    __slots__ = ["checks", "domain", "ok"]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[DomainCheck]
    domain: str
    ok: bool
    def __init__(self, domain: _Optional[str] = ..., ok: bool = ..., checks: _Optional[_Iterable[_Union[DomainCheck, _Mapping]]] = ...) -> None: ...

class DomainCheck(_message.Message):
    __slots__ = ["code", "detail", "found", "name", "publish", "record_name", "remedies", "status"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    RECORD_NAME_FIELD_NUMBER: _ClassVar[int]
    REMEDIES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    found: _containers.RepeatedScalarFieldContainer[str]
    name: str
    publish: str
    record_name: str
    remedies: _containers.RepeatedScalarFieldContainer[str]
    status: CheckStatus
    def __init__(self, name: _Optional[str] = ..., code: _Optional[str] = ..., status: _Optional[_Union[CheckStatus, str]] = ..., detail: _Optional[str] = ..., record_name: _Optional[str] = ..., found: _Optional[_Iterable[str]] = ..., publish: _Optional[str] = ..., remedies: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

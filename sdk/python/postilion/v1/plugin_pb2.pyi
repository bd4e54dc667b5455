from google.protobuf import timestamp_pb2 as _timestamp_pb2
from postilion.v1 import admin_pb2 as _admin_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
PLUGIN_STATE_BACKOFF: PluginState
PLUGIN_STATE_FAILED: PluginState
PLUGIN_STATE_READY: PluginState
PLUGIN_STATE_STARTING: PluginState
PLUGIN_STATE_STOPPED: PluginState
PLUGIN_STATE_UNSPECIFIED: PluginState

class AddPluginRequest(_message.Message):
    __slots__ = ["path", "plugin", "replace", "sha256"]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    plugin: Plugin
    replace: bool
    sha256: str
    def __init__(self, path: _Optional[str] = ..., plugin: _Optional[_Union[Plugin, _Mapping]] = ..., sha256: _Optional[str] = ..., replace: bool = ...) -> None: ...

class AddPluginResponse(_message.Message):
    __slots__ = ["plugin", "replaced"]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    plugin: Plugin
    replaced: bool
    def __init__(self, plugin: _Optional[_Union[Plugin, _Mapping]] = ..., replaced: bool = ...) -> None: ...

class DisablePluginRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DisablePluginResponse(_message.Message):
    __slots__ = ["plugin"]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    plugin: Plugin
    def __init__(self, plugin: _Optional[_Union[Plugin, _Mapping]] = ...) -> None: ...

class EnablePluginRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class EnablePluginResponse(_message.Message):
    __slots__ = ["plugin"]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    plugin: Plugin
    def __init__(self, plugin: _Optional[_Union[Plugin, _Mapping]] = ...) -> None: ...

class GetPluginLogRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetPluginLogResponse(_message.Message):
    __slots__ = ["lines"]
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lines: _Optional[_Iterable[str]] = ...) -> None: ...

class ListPluginsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListPluginsResponse(_message.Message):
    __slots__ = ["plugins"]
    PLUGINS_FIELD_NUMBER: _ClassVar[int]
    plugins: _containers.RepeatedCompositeFieldContainer[Plugin]
    def __init__(self, plugins: _Optional[_Iterable[_Union[Plugin, _Mapping]]] = ...) -> None: ...

class Plugin(_message.Message):
    __slots__ = ["args", "confinement", "connections", "crashes", "create_time", "enabled", "environment", "file", "max_cpu_millis", "max_memory_bytes", "name", "no_network", "pid", "read_paths", "reason", "sha256", "since", "starts", "state", "transport", "version", "without_tls", "write_paths"]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    CONFINEMENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CRASHES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    MAX_CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NO_NETWORK_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    READ_PATHS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TLS_FIELD_NUMBER: _ClassVar[int]
    WRITE_PATHS_FIELD_NUMBER: _ClassVar[int]
    args: _containers.RepeatedScalarFieldContainer[str]
    confinement: str
    connections: _containers.RepeatedScalarFieldContainer[str]
    crashes: int
    create_time: _timestamp_pb2.Timestamp
    enabled: bool
    environment: _containers.RepeatedScalarFieldContainer[str]
    file: str
    max_cpu_millis: int
    max_memory_bytes: int
    name: str
    no_network: bool
    pid: int
    read_paths: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    sha256: str
    since: _timestamp_pb2.Timestamp
    starts: int
    state: PluginState
    transport: _admin_pb2.Transport
    version: str
    without_tls: bool
    write_paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., args: _Optional[_Iterable[str]] = ..., environment: _Optional[_Iterable[str]] = ..., without_tls: bool = ..., read_paths: _Optional[_Iterable[str]] = ..., write_paths: _Optional[_Iterable[str]] = ..., max_memory_bytes: _Optional[int] = ..., max_cpu_millis: _Optional[int] = ..., no_network: bool = ..., file: _Optional[str] = ..., sha256: _Optional[str] = ..., version: _Optional[str] = ..., transport: _Optional[_Union[_admin_pb2.Transport, _Mapping]] = ..., enabled: bool = ..., state: _Optional[_Union[PluginState, str]] = ..., reason: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., pid: _Optional[int] = ..., starts: _Optional[int] = ..., crashes: _Optional[int] = ..., confinement: _Optional[str] = ..., connections: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PluginVerification(_message.Message):
    __slots__ = ["found_sha256", "name", "ok", "reason", "sha256"]
    FOUND_SHA256_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    found_sha256: str
    name: str
    ok: bool
    reason: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., ok: bool = ..., reason: _Optional[str] = ..., sha256: _Optional[str] = ..., found_sha256: _Optional[str] = ...) -> None: ...

class RemovePluginRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemovePluginResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class VerifyPluginsRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class VerifyPluginsResponse(_message.Message):
    __slots__ = ["ok", "plugins"]
    OK_FIELD_NUMBER: _ClassVar[int]
    PLUGINS_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    plugins: _containers.RepeatedCompositeFieldContainer[PluginVerification]
    def __init__(self, plugins: _Optional[_Iterable[_Union[PluginVerification, _Mapping]]] = ..., ok: bool = ...) -> None: ...

class PluginState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

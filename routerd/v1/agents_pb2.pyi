from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGENT_STATUS_UNSPECIFIED: _ClassVar[AgentStatus]
    AGENT_STATUS_ONLINE: _ClassVar[AgentStatus]
    AGENT_STATUS_BUSY: _ClassVar[AgentStatus]
    AGENT_STATUS_OFFLINE: _ClassVar[AgentStatus]

class StatusCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_CAUSE_UNSPECIFIED: _ClassVar[StatusCause]
    STATUS_CAUSE_SET: _ClassVar[StatusCause]
    STATUS_CAUSE_HEARTBEAT: _ClassVar[StatusCause]
    STATUS_CAUSE_LEASE_ENDED: _ClassVar[StatusCause]

class CooldownCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COOLDOWN_CAUSE_UNSPECIFIED: _ClassVar[CooldownCause]
    COOLDOWN_CAUSE_FAILURES: _ClassVar[CooldownCause]
    COOLDOWN_CAUSE_BELOW_PEERS: _ClassVar[CooldownCause]
    COOLDOWN_CAUSE_TRIAL_FAILED: _ClassVar[CooldownCause]

class AgentSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGENT_SOURCE_UNSPECIFIED: _ClassVar[AgentSource]
    AGENT_SOURCE_CONFIG: _ClassVar[AgentSource]
    AGENT_SOURCE_RPC: _ClassVar[AgentSource]
AGENT_STATUS_UNSPECIFIED: AgentStatus
AGENT_STATUS_ONLINE: AgentStatus
AGENT_STATUS_BUSY: AgentStatus
AGENT_STATUS_OFFLINE: AgentStatus
STATUS_CAUSE_UNSPECIFIED: StatusCause
STATUS_CAUSE_SET: StatusCause
STATUS_CAUSE_HEARTBEAT: StatusCause
STATUS_CAUSE_LEASE_ENDED: StatusCause
COOLDOWN_CAUSE_UNSPECIFIED: CooldownCause
COOLDOWN_CAUSE_FAILURES: CooldownCause
COOLDOWN_CAUSE_BELOW_PEERS: CooldownCause
COOLDOWN_CAUSE_TRIAL_FAILED: CooldownCause
AGENT_SOURCE_UNSPECIFIED: AgentSource
AGENT_SOURCE_CONFIG: AgentSource
AGENT_SOURCE_RPC: AgentSource

class Prices(_message.Message):
    __slots__ = ("input_usd_per_mtok", "output_usd_per_mtok")
    INPUT_USD_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_USD_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    def __init__(self, input_usd_per_mtok: _Optional[float] = ..., output_usd_per_mtok: _Optional[float] = ...) -> None: ...

class AgentDefinition(_message.Message):
    __slots__ = ("version", "type", "pool", "model", "capabilities", "specializations", "prices", "max_concurrency", "metadata", "head_start")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SPECIALIZATIONS_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    HEAD_START_FIELD_NUMBER: _ClassVar[int]
    version: str
    type: str
    pool: str
    model: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    specializations: _containers.RepeatedScalarFieldContainer[str]
    prices: Prices
    max_concurrency: int
    metadata: _containers.ScalarMap[str, str]
    head_start: float
    def __init__(self, version: _Optional[str] = ..., type: _Optional[str] = ..., pool: _Optional[str] = ..., model: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., specializations: _Optional[_Iterable[str]] = ..., prices: _Optional[_Union[Prices, _Mapping]] = ..., max_concurrency: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., head_start: _Optional[float] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("agent_id", "definition", "source", "status", "status_cause", "status_time_ms", "lease_ms", "lease_left_ms", "in_flight", "cooling_until_time_ms", "on_trial")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CAUSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_LEFT_MS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    COOLING_UNTIL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ON_TRIAL_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    definition: AgentDefinition
    source: AgentSource
    status: AgentStatus
    status_cause: StatusCause
    status_time_ms: int
    lease_ms: int
    lease_left_ms: int
    in_flight: int
    cooling_until_time_ms: int
    on_trial: bool
    def __init__(self, agent_id: _Optional[str] = ..., definition: _Optional[_Union[AgentDefinition, _Mapping]] = ..., source: _Optional[_Union[AgentSource, str]] = ..., status: _Optional[_Union[AgentStatus, str]] = ..., status_cause: _Optional[_Union[StatusCause, str]] = ..., status_time_ms: _Optional[int] = ..., lease_ms: _Optional[int] = ..., lease_left_ms: _Optional[int] = ..., in_flight: _Optional[int] = ..., cooling_until_time_ms: _Optional[int] = ..., on_trial: bool = ...) -> None: ...

class RegisterAgentRequest(_message.Message):
    __slots__ = ("agent_id", "definition")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    definition: AgentDefinition
    def __init__(self, agent_id: _Optional[str] = ..., definition: _Optional[_Union[AgentDefinition, _Mapping]] = ...) -> None: ...

class RegisterAgentResponse(_message.Message):
    __slots__ = ("agent", "position")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    position: int
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class UpdateAgentRequest(_message.Message):
    __slots__ = ("agent_id", "definition", "status")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    definition: AgentDefinition
    status: AgentStatus
    def __init__(self, agent_id: _Optional[str] = ..., definition: _Optional[_Union[AgentDefinition, _Mapping]] = ..., status: _Optional[_Union[AgentStatus, str]] = ...) -> None: ...

class UpdateAgentResponse(_message.Message):
    __slots__ = ("agent", "position")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    position: int
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class DeregisterAgentRequest(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    def __init__(self, agent_id: _Optional[str] = ...) -> None: ...

class DeregisterAgentResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    def __init__(self, agent_id: _Optional[str] = ...) -> None: ...

class GetAgentResponse(_message.Message):
    __slots__ = ("agent", "position")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    position: int
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "pool", "type", "capability", "status", "source")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    pool: str
    type: str
    capability: str
    status: AgentStatus
    source: AgentSource
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., pool: _Optional[str] = ..., type: _Optional[str] = ..., capability: _Optional[str] = ..., status: _Optional[_Union[AgentStatus, str]] = ..., source: _Optional[_Union[AgentSource, str]] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "next_page_token", "position")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    next_page_token: str
    position: int
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("agent_id", "status", "lease_ms")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: AgentStatus
    lease_ms: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[AgentStatus, str]] = ..., lease_ms: _Optional[int] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("heartbeats",)
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    heartbeats: int
    def __init__(self, heartbeats: _Optional[int] = ...) -> None: ...

class CapabilityRecord(_message.Message):
    __slots__ = ("work_type", "outcomes", "mean_quality", "mean_cost_usd", "mean_latency_ms", "last_chosen_time_ms", "cue")
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    MEAN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MEAN_COST_USD_FIELD_NUMBER: _ClassVar[int]
    MEAN_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_CHOSEN_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CUE_FIELD_NUMBER: _ClassVar[int]
    work_type: str
    outcomes: int
    mean_quality: float
    mean_cost_usd: float
    mean_latency_ms: float
    last_chosen_time_ms: int
    cue: str
    def __init__(self, work_type: _Optional[str] = ..., outcomes: _Optional[int] = ..., mean_quality: _Optional[float] = ..., mean_cost_usd: _Optional[float] = ..., mean_latency_ms: _Optional[float] = ..., last_chosen_time_ms: _Optional[int] = ..., cue: _Optional[str] = ...) -> None: ...

class CapabilityProfile(_message.Message):
    __slots__ = ("agent_id", "overall", "records")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    OVERALL_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    overall: CapabilityRecord
    records: _containers.RepeatedCompositeFieldContainer[CapabilityRecord]
    def __init__(self, agent_id: _Optional[str] = ..., overall: _Optional[_Union[CapabilityRecord, _Mapping]] = ..., records: _Optional[_Iterable[_Union[CapabilityRecord, _Mapping]]] = ...) -> None: ...

class GetCapabilityProfileRequest(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    def __init__(self, agent_id: _Optional[str] = ...) -> None: ...

class GetCapabilityProfileResponse(_message.Message):
    __slots__ = ("profile", "position")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    profile: CapabilityProfile
    position: int
    def __init__(self, profile: _Optional[_Union[CapabilityProfile, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class ListCapabilityProfilesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "pool", "work_type")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    pool: str
    work_type: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., pool: _Optional[str] = ..., work_type: _Optional[str] = ...) -> None: ...

class ListCapabilityProfilesResponse(_message.Message):
    __slots__ = ("profiles", "next_page_token", "position")
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[CapabilityProfile]
    next_page_token: str
    position: int
    def __init__(self, profiles: _Optional[_Iterable[_Union[CapabilityProfile, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

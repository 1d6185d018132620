from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReasonCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_CODE_UNSPECIFIED: _ClassVar[ReasonCode]
    REASON_CODE_SAMPLED: _ClassVar[ReasonCode]
    REASON_CODE_BEST_KNOWN: _ClassVar[ReasonCode]
    REASON_CODE_COLD_START: _ClassVar[ReasonCode]
    REASON_CODE_OVERRIDE: _ClassVar[ReasonCode]
    REASON_CODE_EXPLICIT: _ClassVar[ReasonCode]
    REASON_CODE_STICKY: _ClassVar[ReasonCode]
    REASON_CODE_LOW_CONFIDENCE_FALLBACK: _ClassVar[ReasonCode]
    REASON_CODE_OVERLOAD_FALLBACK: _ClassVar[ReasonCode]
    REASON_CODE_ESCALATION: _ClassVar[ReasonCode]
    REASON_CODE_RETRY: _ClassVar[ReasonCode]
    REASON_CODE_PROBE: _ClassVar[ReasonCode]
    REASON_CODE_SHADOW_BASELINE: _ClassVar[ReasonCode]
    REASON_CODE_EXPERIMENT: _ClassVar[ReasonCode]
    REASON_CODE_STATIC_ROUTE: _ClassVar[ReasonCode]
    REASON_CODE_SIGNAL_ROUTE: _ClassVar[ReasonCode]

class SignalSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_SOURCE_UNSPECIFIED: _ClassVar[SignalSource]
    SIGNAL_SOURCE_RULES: _ClassVar[SignalSource]
    SIGNAL_SOURCE_ENDPOINT: _ClassVar[SignalSource]
    SIGNAL_SOURCE_NONE: _ClassVar[SignalSource]

class OutcomeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_KIND_UNSPECIFIED: _ClassVar[OutcomeKind]
    OUTCOME_KIND_REPORT: _ClassVar[OutcomeKind]
    OUTCOME_KIND_REVISE: _ClassVar[OutcomeKind]
    OUTCOME_KIND_RETRACT: _ClassVar[OutcomeKind]

class FollowCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FOLLOW_CAUSE_UNSPECIFIED: _ClassVar[FollowCause]
    FOLLOW_CAUSE_FAILED: _ClassVar[FollowCause]
    FOLLOW_CAUSE_REFUSED: _ClassVar[FollowCause]
    FOLLOW_CAUSE_LOW_CONFIDENCE: _ClassVar[FollowCause]
REASON_CODE_UNSPECIFIED: ReasonCode
REASON_CODE_SAMPLED: ReasonCode
REASON_CODE_BEST_KNOWN: ReasonCode
REASON_CODE_COLD_START: ReasonCode
REASON_CODE_OVERRIDE: ReasonCode
REASON_CODE_EXPLICIT: ReasonCode
REASON_CODE_STICKY: ReasonCode
REASON_CODE_LOW_CONFIDENCE_FALLBACK: ReasonCode
REASON_CODE_OVERLOAD_FALLBACK: ReasonCode
REASON_CODE_ESCALATION: ReasonCode
REASON_CODE_RETRY: ReasonCode
REASON_CODE_PROBE: ReasonCode
REASON_CODE_SHADOW_BASELINE: ReasonCode
REASON_CODE_EXPERIMENT: ReasonCode
REASON_CODE_STATIC_ROUTE: ReasonCode
REASON_CODE_SIGNAL_ROUTE: ReasonCode
SIGNAL_SOURCE_UNSPECIFIED: SignalSource
SIGNAL_SOURCE_RULES: SignalSource
SIGNAL_SOURCE_ENDPOINT: SignalSource
SIGNAL_SOURCE_NONE: SignalSource
OUTCOME_KIND_UNSPECIFIED: OutcomeKind
OUTCOME_KIND_REPORT: OutcomeKind
OUTCOME_KIND_REVISE: OutcomeKind
OUTCOME_KIND_RETRACT: OutcomeKind
FOLLOW_CAUSE_UNSPECIFIED: FollowCause
FOLLOW_CAUSE_FAILED: FollowCause
FOLLOW_CAUSE_REFUSED: FollowCause
FOLLOW_CAUSE_LOW_CONFIDENCE: FollowCause

class Task(_message.Message):
    __slots__ = ("task_id", "group_id", "work_type", "domain", "labels", "complexity", "description", "features", "embedding", "session_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    group_id: str
    work_type: str
    domain: str
    labels: _containers.ScalarMap[str, str]
    complexity: float
    description: str
    features: _containers.ScalarMap[str, float]
    embedding: _containers.RepeatedScalarFieldContainer[float]
    session_id: str
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., work_type: _Optional[str] = ..., domain: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., complexity: _Optional[float] = ..., description: _Optional[str] = ..., features: _Optional[_Mapping[str, float]] = ..., embedding: _Optional[_Iterable[float]] = ..., session_id: _Optional[str] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("source", "label", "work_type", "signal_confidence", "classifier_version", "failure", "cache_hit", "latency_ms")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_VERSION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CACHE_HIT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    source: SignalSource
    label: str
    work_type: str
    signal_confidence: float
    classifier_version: str
    failure: str
    cache_hit: bool
    latency_ms: float
    def __init__(self, source: _Optional[_Union[SignalSource, str]] = ..., label: _Optional[str] = ..., work_type: _Optional[str] = ..., signal_confidence: _Optional[float] = ..., classifier_version: _Optional[str] = ..., failure: _Optional[str] = ..., cache_hit: bool = ..., latency_ms: _Optional[float] = ...) -> None: ...

class Directives(_message.Message):
    __slots__ = ("inject", "agent_id", "model", "spawn", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INJECT_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPAWN_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    inject: str
    agent_id: str
    model: str
    spawn: bool
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, inject: _Optional[str] = ..., agent_id: _Optional[str] = ..., model: _Optional[str] = ..., spawn: bool = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Preference(_message.Message):
    __slots__ = ("quality", "cost", "latency")
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    quality: float
    cost: float
    latency: float
    def __init__(self, quality: _Optional[float] = ..., cost: _Optional[float] = ..., latency: _Optional[float] = ...) -> None: ...

class Follows(_message.Message):
    __slots__ = ("decision_id", "cause", "evidence")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    cause: FollowCause
    evidence: Evidence
    def __init__(self, decision_id: _Optional[str] = ..., cause: _Optional[_Union[FollowCause, str]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("reported_confidence", "competence", "explanation")
    REPORTED_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    COMPETENCE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    reported_confidence: float
    competence: float
    explanation: str
    def __init__(self, reported_confidence: _Optional[float] = ..., competence: _Optional[float] = ..., explanation: _Optional[str] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("mean", "sd")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    mean: float
    sd: float
    def __init__(self, mean: _Optional[float] = ..., sd: _Optional[float] = ...) -> None: ...

class Companion(_message.Message):
    __slots__ = ("agent_id", "decision_id", "inclusion_probability")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    decision_id: str
    inclusion_probability: float
    def __init__(self, agent_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., inclusion_probability: _Optional[float] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("agent_id", "probability", "quality", "cost_usd", "latency_ms", "utility", "exclusion", "detail")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSION_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    probability: float
    quality: Estimate
    cost_usd: Estimate
    latency_ms: Estimate
    utility: Estimate
    exclusion: str
    detail: str
    def __init__(self, agent_id: _Optional[str] = ..., probability: _Optional[float] = ..., quality: _Optional[_Union[Estimate, _Mapping]] = ..., cost_usd: _Optional[_Union[Estimate, _Mapping]] = ..., latency_ms: _Optional[_Union[Estimate, _Mapping]] = ..., utility: _Optional[_Union[Estimate, _Mapping]] = ..., exclusion: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("outcome_id", "decision_id", "kind", "source", "success", "quality", "cost_usd", "latency_ms", "reported_confidence", "executed_agent_id", "explanation", "event_time_ms", "group_id", "signal", "cancelled")
    OUTCOME_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    REPORTED_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    outcome_id: str
    decision_id: str
    kind: OutcomeKind
    source: str
    success: bool
    quality: float
    cost_usd: float
    latency_ms: float
    reported_confidence: float
    executed_agent_id: str
    explanation: str
    event_time_ms: int
    group_id: str
    signal: str
    cancelled: bool
    def __init__(self, outcome_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., kind: _Optional[_Union[OutcomeKind, str]] = ..., source: _Optional[str] = ..., success: bool = ..., quality: _Optional[float] = ..., cost_usd: _Optional[float] = ..., latency_ms: _Optional[float] = ..., reported_confidence: _Optional[float] = ..., executed_agent_id: _Optional[str] = ..., explanation: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., group_id: _Optional[str] = ..., signal: _Optional[str] = ..., cancelled: bool = ...) -> None: ...

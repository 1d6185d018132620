from routerd.v1 import agents_pb2 as _agents_pb2
from routerd.v1 import policy_pb2 as _policy_pb2
from routerd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_CONFIG_APPLIED: _ClassVar[EventType]
    EVENT_TYPE_DECISION: _ClassVar[EventType]
    EVENT_TYPE_OUTCOME: _ClassVar[EventType]
    EVENT_TYPE_DECISIONS_CLOSED: _ClassVar[EventType]
    EVENT_TYPE_AGENT_REGISTERED: _ClassVar[EventType]
    EVENT_TYPE_AGENT_UPDATED: _ClassVar[EventType]
    EVENT_TYPE_AGENT_DEREGISTERED: _ClassVar[EventType]
    EVENT_TYPE_AGENT_STATUS_CHANGED: _ClassVar[EventType]
    EVENT_TYPE_OVERRIDE_SET: _ClassVar[EventType]
    EVENT_TYPE_OVERRIDE_REMOVED: _ClassVar[EventType]
    EVENT_TYPE_AGENT_COOLED_DOWN: _ClassVar[EventType]
    EVENT_TYPE_AGENT_RECOVERED: _ClassVar[EventType]
    EVENT_TYPE_DRIFT_DETECTED: _ClassVar[EventType]
    EVENT_TYPE_OUTCOMES_IMPORTED: _ClassVar[EventType]
    EVENT_TYPE_CLAIM: _ClassVar[EventType]
    EVENT_TYPE_COMPETENCE_DISPUTED: _ClassVar[EventType]
    EVENT_TYPE_EXPERIMENT_STARTED: _ClassVar[EventType]
    EVENT_TYPE_EXPERIMENT_STOPPED: _ClassVar[EventType]
    EVENT_TYPE_EXPERIMENT_PROMOTED: _ClassVar[EventType]
    EVENT_TYPE_EXPERIMENT_DELETED: _ClassVar[EventType]
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_CONFIG_APPLIED: EventType
EVENT_TYPE_DECISION: EventType
EVENT_TYPE_OUTCOME: EventType
EVENT_TYPE_DECISIONS_CLOSED: EventType
EVENT_TYPE_AGENT_REGISTERED: EventType
EVENT_TYPE_AGENT_UPDATED: EventType
EVENT_TYPE_AGENT_DEREGISTERED: EventType
EVENT_TYPE_AGENT_STATUS_CHANGED: EventType
EVENT_TYPE_OVERRIDE_SET: EventType
EVENT_TYPE_OVERRIDE_REMOVED: EventType
EVENT_TYPE_AGENT_COOLED_DOWN: EventType
EVENT_TYPE_AGENT_RECOVERED: EventType
EVENT_TYPE_DRIFT_DETECTED: EventType
EVENT_TYPE_OUTCOMES_IMPORTED: EventType
EVENT_TYPE_CLAIM: EventType
EVENT_TYPE_COMPETENCE_DISPUTED: EventType
EVENT_TYPE_EXPERIMENT_STARTED: EventType
EVENT_TYPE_EXPERIMENT_STOPPED: EventType
EVENT_TYPE_EXPERIMENT_PROMOTED: EventType
EVENT_TYPE_EXPERIMENT_DELETED: EventType

class GetDecisionRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class GetDecisionResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: DecisionRecord
    def __init__(self, decision: _Optional[_Union[DecisionRecord, _Mapping]] = ...) -> None: ...

class DecisionRecord(_message.Message):
    __slots__ = ("decision_id", "request_id", "position", "time_ms", "task_id", "group_id", "work_type", "domain", "labels", "session_id", "agent_id", "propensity", "u", "policy_id", "decision_confidence", "reason_code", "reason", "fallback_agent_id", "alternative_agent_ids", "candidates", "stages", "open", "outcome", "follows", "classification", "description", "escalate_below", "companion_of", "inclusion_probability", "claim_accepted")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    U_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FOLLOWS_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_BELOW_FIELD_NUMBER: _ClassVar[int]
    COMPANION_OF_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CLAIM_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    request_id: str
    position: int
    time_ms: int
    task_id: str
    group_id: str
    work_type: str
    domain: str
    labels: _containers.ScalarMap[str, str]
    session_id: str
    agent_id: str
    propensity: float
    u: float
    policy_id: str
    decision_confidence: float
    reason_code: _types_pb2.ReasonCode
    reason: str
    fallback_agent_id: str
    alternative_agent_ids: _containers.RepeatedScalarFieldContainer[str]
    candidates: _containers.RepeatedCompositeFieldContainer[_types_pb2.Candidate]
    stages: _containers.RepeatedScalarFieldContainer[str]
    open: bool
    outcome: OutcomeState
    follows: _types_pb2.Follows
    classification: _types_pb2.Classification
    description: str
    escalate_below: float
    companion_of: str
    inclusion_probability: float
    claim_accepted: bool
    def __init__(self, decision_id: _Optional[str] = ..., request_id: _Optional[str] = ..., position: _Optional[int] = ..., time_ms: _Optional[int] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., work_type: _Optional[str] = ..., domain: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., session_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., propensity: _Optional[float] = ..., u: _Optional[float] = ..., policy_id: _Optional[str] = ..., decision_confidence: _Optional[float] = ..., reason_code: _Optional[_Union[_types_pb2.ReasonCode, str]] = ..., reason: _Optional[str] = ..., fallback_agent_id: _Optional[str] = ..., alternative_agent_ids: _Optional[_Iterable[str]] = ..., candidates: _Optional[_Iterable[_Union[_types_pb2.Candidate, _Mapping]]] = ..., stages: _Optional[_Iterable[str]] = ..., open: bool = ..., outcome: _Optional[_Union[OutcomeState, _Mapping]] = ..., follows: _Optional[_Union[_types_pb2.Follows, _Mapping]] = ..., classification: _Optional[_Union[_types_pb2.Classification, _Mapping]] = ..., description: _Optional[str] = ..., escalate_below: _Optional[float] = ..., companion_of: _Optional[str] = ..., inclusion_probability: _Optional[float] = ..., claim_accepted: bool = ...) -> None: ...

class OutcomeState(_message.Message):
    __slots__ = ("quality", "cost_usd", "latency_ms", "executed_agent_id", "reports", "quality_assumed")
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_ASSUMED_FIELD_NUMBER: _ClassVar[int]
    quality: float
    cost_usd: float
    latency_ms: float
    executed_agent_id: str
    reports: int
    quality_assumed: bool
    def __init__(self, quality: _Optional[float] = ..., cost_usd: _Optional[float] = ..., latency_ms: _Optional[float] = ..., executed_agent_id: _Optional[str] = ..., reports: _Optional[int] = ..., quality_assumed: bool = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "from_time_ms", "until_time_ms", "agent_id", "work_type", "domain", "labels", "group_id", "session_id", "task_id", "request_id", "reason_code", "policy_id", "open", "at_least_position")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_POSITION_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    from_time_ms: int
    until_time_ms: int
    agent_id: str
    work_type: str
    domain: str
    labels: _containers.ScalarMap[str, str]
    group_id: str
    session_id: str
    task_id: str
    request_id: str
    reason_code: _types_pb2.ReasonCode
    policy_id: str
    open: bool
    at_least_position: int
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., from_time_ms: _Optional[int] = ..., until_time_ms: _Optional[int] = ..., agent_id: _Optional[str] = ..., work_type: _Optional[str] = ..., domain: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., group_id: _Optional[str] = ..., session_id: _Optional[str] = ..., task_id: _Optional[str] = ..., request_id: _Optional[str] = ..., reason_code: _Optional[_Union[_types_pb2.ReasonCode, str]] = ..., policy_id: _Optional[str] = ..., open: bool = ..., at_least_position: _Optional[int] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token", "projected_through")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROJECTED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[DecisionRecord]
    next_page_token: str
    projected_through: int
    def __init__(self, decisions: _Optional[_Iterable[_Union[DecisionRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., projected_through: _Optional[int] = ...) -> None: ...

class GetSummaryRequest(_message.Message):
    __slots__ = ("from_time_ms", "until_time_ms", "max_groups", "at_least_position")
    FROM_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_GROUPS_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_POSITION_FIELD_NUMBER: _ClassVar[int]
    from_time_ms: int
    until_time_ms: int
    max_groups: int
    at_least_position: int
    def __init__(self, from_time_ms: _Optional[int] = ..., until_time_ms: _Optional[int] = ..., max_groups: _Optional[int] = ..., at_least_position: _Optional[int] = ...) -> None: ...

class GetSummaryResponse(_message.Message):
    __slots__ = ("projected_through", "total", "agents", "work_types", "groups")
    PROJECTED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    WORK_TYPES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    projected_through: int
    total: Summary
    agents: _containers.RepeatedCompositeFieldContainer[Summary]
    work_types: _containers.RepeatedCompositeFieldContainer[Summary]
    groups: _containers.RepeatedCompositeFieldContainer[Summary]
    def __init__(self, projected_through: _Optional[int] = ..., total: _Optional[_Union[Summary, _Mapping]] = ..., agents: _Optional[_Iterable[_Union[Summary, _Mapping]]] = ..., work_types: _Optional[_Iterable[_Union[Summary, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[Summary, _Mapping]]] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("key", "decisions", "share", "explored", "open", "rated", "mean_quality", "mean_cost_usd", "total_cost_usd", "mean_latency_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    EXPLORED_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    RATED_FIELD_NUMBER: _ClassVar[int]
    MEAN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MEAN_COST_USD_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COST_USD_FIELD_NUMBER: _ClassVar[int]
    MEAN_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    key: str
    decisions: int
    share: float
    explored: int
    open: int
    rated: int
    mean_quality: float
    mean_cost_usd: float
    total_cost_usd: float
    mean_latency_ms: float
    def __init__(self, key: _Optional[str] = ..., decisions: _Optional[int] = ..., share: _Optional[float] = ..., explored: _Optional[int] = ..., open: _Optional[int] = ..., rated: _Optional[int] = ..., mean_quality: _Optional[float] = ..., mean_cost_usd: _Optional[float] = ..., total_cost_usd: _Optional[float] = ..., mean_latency_ms: _Optional[float] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("from_position", "types")
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    from_position: int
    types: _containers.RepeatedScalarFieldContainer[EventType]
    def __init__(self, from_position: _Optional[int] = ..., types: _Optional[_Iterable[_Union[EventType, str]]] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("position", "time_ms", "type", "config", "decision", "outcome", "closed", "agent", "override_change", "drift", "imported", "claim", "experiment_change")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_CHANGE_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_CHANGE_FIELD_NUMBER: _ClassVar[int]
    position: int
    time_ms: int
    type: EventType
    config: ConfigChange
    decision: DecisionRecord
    outcome: AcceptedOutcome
    closed: ClosedDecisions
    agent: AgentChange
    override_change: OverrideChange
    drift: Drift
    imported: ImportedOutcomes
    claim: Claim
    experiment_change: ExperimentChange
    def __init__(self, position: _Optional[int] = ..., time_ms: _Optional[int] = ..., type: _Optional[_Union[EventType, str]] = ..., config: _Optional[_Union[ConfigChange, _Mapping]] = ..., decision: _Optional[_Union[DecisionRecord, _Mapping]] = ..., outcome: _Optional[_Union[AcceptedOutcome, _Mapping]] = ..., closed: _Optional[_Union[ClosedDecisions, _Mapping]] = ..., agent: _Optional[_Union[AgentChange, _Mapping]] = ..., override_change: _Optional[_Union[OverrideChange, _Mapping]] = ..., drift: _Optional[_Union[Drift, _Mapping]] = ..., imported: _Optional[_Union[ImportedOutcomes, _Mapping]] = ..., claim: _Optional[_Union[Claim, _Mapping]] = ..., experiment_change: _Optional[_Union[ExperimentChange, _Mapping]] = ...) -> None: ...

class ConfigChange(_message.Message):
    __slots__ = ("config_json", "engine_version", "fingerprint")
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    config_json: str
    engine_version: str
    fingerprint: str
    def __init__(self, config_json: _Optional[str] = ..., engine_version: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class AcceptedOutcome(_message.Message):
    __slots__ = ("outcome", "decision_ids")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DECISION_IDS_FIELD_NUMBER: _ClassVar[int]
    outcome: _types_pb2.Outcome
    decision_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, outcome: _Optional[_Union[_types_pb2.Outcome, _Mapping]] = ..., decision_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ClosedDecisions(_message.Message):
    __slots__ = ("decision_ids", "censored")
    DECISION_IDS_FIELD_NUMBER: _ClassVar[int]
    CENSORED_FIELD_NUMBER: _ClassVar[int]
    decision_ids: _containers.RepeatedScalarFieldContainer[str]
    censored: int
    def __init__(self, decision_ids: _Optional[_Iterable[str]] = ..., censored: _Optional[int] = ...) -> None: ...

class ImportedOutcomes(_message.Message):
    __slots__ = ("source", "outcomes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    source: str
    outcomes: int
    def __init__(self, source: _Optional[str] = ..., outcomes: _Optional[int] = ...) -> None: ...

class Drift(_message.Message):
    __slots__ = ("agent_id", "size", "evidence", "outcomes", "since_position", "kept")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    SINCE_POSITION_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    size: float
    evidence: float
    outcomes: int
    since_position: int
    kept: float
    def __init__(self, agent_id: _Optional[str] = ..., size: _Optional[float] = ..., evidence: _Optional[float] = ..., outcomes: _Optional[int] = ..., since_position: _Optional[int] = ..., kept: _Optional[float] = ...) -> None: ...

class AgentChange(_message.Message):
    __slots__ = ("agent_id", "definition", "previous_version", "status", "status_cause", "lease_ms", "until_time_ms", "cooldown_cause", "times")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CAUSE_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_CAUSE_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    definition: _agents_pb2.AgentDefinition
    previous_version: str
    status: _agents_pb2.AgentStatus
    status_cause: _agents_pb2.StatusCause
    lease_ms: int
    until_time_ms: int
    cooldown_cause: _agents_pb2.CooldownCause
    times: int
    def __init__(self, agent_id: _Optional[str] = ..., definition: _Optional[_Union[_agents_pb2.AgentDefinition, _Mapping]] = ..., previous_version: _Optional[str] = ..., status: _Optional[_Union[_agents_pb2.AgentStatus, str]] = ..., status_cause: _Optional[_Union[_agents_pb2.StatusCause, str]] = ..., lease_ms: _Optional[int] = ..., until_time_ms: _Optional[int] = ..., cooldown_cause: _Optional[_Union[_agents_pb2.CooldownCause, str]] = ..., times: _Optional[int] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("decision_id", "competence", "expected_quality", "accepted", "shown_quality", "outcomes", "agent_id")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    COMPETENCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    SHOWN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    competence: float
    expected_quality: float
    accepted: bool
    shown_quality: float
    outcomes: int
    agent_id: str
    def __init__(self, decision_id: _Optional[str] = ..., competence: _Optional[float] = ..., expected_quality: _Optional[float] = ..., accepted: bool = ..., shown_quality: _Optional[float] = ..., outcomes: _Optional[int] = ..., agent_id: _Optional[str] = ...) -> None: ...

class OverrideChange(_message.Message):
    __slots__ = ("override_id", "definition", "expired")
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    definition: _policy_pb2.OverrideDefinition
    expired: bool
    def __init__(self, override_id: _Optional[str] = ..., definition: _Optional[_Union[_policy_pb2.OverrideDefinition, _Mapping]] = ..., expired: bool = ...) -> None: ...

class ExperimentChange(_message.Message):
    __slots__ = ("experiment_id", "definition", "arm_id")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ARM_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    definition: _policy_pb2.ExperimentDefinition
    arm_id: str
    def __init__(self, experiment_id: _Optional[str] = ..., definition: _Optional[_Union[_policy_pb2.ExperimentDefinition, _Mapping]] = ..., arm_id: _Optional[str] = ...) -> None: ...

from routerd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
    __slots__ = ("decision_id", "request_id", "position", "time_ms", "task_id", "group_id", "work_type", "domain", "labels", "session_id", "agent_id", "propensity", "u", "policy_id", "decision_confidence", "reason_code", "reason", "fallback_agent_id", "alternative_agent_ids", "candidates", "stages", "open", "outcome")
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
    def __init__(self, decision_id: _Optional[str] = ..., request_id: _Optional[str] = ..., position: _Optional[int] = ..., time_ms: _Optional[int] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., work_type: _Optional[str] = ..., domain: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., session_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., propensity: _Optional[float] = ..., u: _Optional[float] = ..., policy_id: _Optional[str] = ..., decision_confidence: _Optional[float] = ..., reason_code: _Optional[_Union[_types_pb2.ReasonCode, str]] = ..., reason: _Optional[str] = ..., fallback_agent_id: _Optional[str] = ..., alternative_agent_ids: _Optional[_Iterable[str]] = ..., candidates: _Optional[_Iterable[_Union[_types_pb2.Candidate, _Mapping]]] = ..., stages: _Optional[_Iterable[str]] = ..., open: bool = ..., outcome: _Optional[_Union[OutcomeState, _Mapping]] = ...) -> None: ...

class OutcomeState(_message.Message):
    __slots__ = ("quality", "cost_usd", "latency_ms", "executed_agent_id", "reports")
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    quality: float
    cost_usd: float
    latency_ms: float
    executed_agent_id: str
    reports: int
    def __init__(self, quality: _Optional[float] = ..., cost_usd: _Optional[float] = ..., latency_ms: _Optional[float] = ..., executed_agent_id: _Optional[str] = ..., reports: _Optional[int] = ...) -> None: ...

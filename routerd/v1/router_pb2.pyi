from google.rpc import status_pb2 as _status_pb2
from routerd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RouteRequest(_message.Message):
    __slots__ = ("request_id", "task", "agent_id", "required_capabilities", "pool", "preference", "max_cost_usd", "max_latency_ms", "explain", "event_time_ms", "follows")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_USD_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task: _types_pb2.Task
    agent_id: str
    required_capabilities: _containers.RepeatedScalarFieldContainer[str]
    pool: str
    preference: _types_pb2.Preference
    max_cost_usd: float
    max_latency_ms: float
    explain: bool
    event_time_ms: int
    follows: _types_pb2.Follows
    def __init__(self, request_id: _Optional[str] = ..., task: _Optional[_Union[_types_pb2.Task, _Mapping]] = ..., agent_id: _Optional[str] = ..., required_capabilities: _Optional[_Iterable[str]] = ..., pool: _Optional[str] = ..., preference: _Optional[_Union[_types_pb2.Preference, _Mapping]] = ..., max_cost_usd: _Optional[float] = ..., max_latency_ms: _Optional[float] = ..., explain: bool = ..., event_time_ms: _Optional[int] = ..., follows: _Optional[_Union[_types_pb2.Follows, _Mapping]] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("decision_id", "request_id", "agent_id", "propensity", "policy_id", "decision_confidence", "reason_code", "reason", "fallback_agent_id", "alternative_agent_ids", "position", "candidates", "classification", "directives", "escalate_below", "companions", "inclusion_probability")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVES_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_BELOW_FIELD_NUMBER: _ClassVar[int]
    COMPANIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    request_id: str
    agent_id: str
    propensity: float
    policy_id: str
    decision_confidence: float
    reason_code: _types_pb2.ReasonCode
    reason: str
    fallback_agent_id: str
    alternative_agent_ids: _containers.RepeatedScalarFieldContainer[str]
    position: int
    candidates: _containers.RepeatedCompositeFieldContainer[_types_pb2.Candidate]
    classification: _types_pb2.Classification
    directives: _types_pb2.Directives
    escalate_below: float
    companions: _containers.RepeatedCompositeFieldContainer[_types_pb2.Companion]
    inclusion_probability: float
    def __init__(self, decision_id: _Optional[str] = ..., request_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., propensity: _Optional[float] = ..., policy_id: _Optional[str] = ..., decision_confidence: _Optional[float] = ..., reason_code: _Optional[_Union[_types_pb2.ReasonCode, str]] = ..., reason: _Optional[str] = ..., fallback_agent_id: _Optional[str] = ..., alternative_agent_ids: _Optional[_Iterable[str]] = ..., position: _Optional[int] = ..., candidates: _Optional[_Iterable[_Union[_types_pb2.Candidate, _Mapping]]] = ..., classification: _Optional[_Union[_types_pb2.Classification, _Mapping]] = ..., directives: _Optional[_Union[_types_pb2.Directives, _Mapping]] = ..., escalate_below: _Optional[float] = ..., companions: _Optional[_Iterable[_Union[_types_pb2.Companion, _Mapping]]] = ..., inclusion_probability: _Optional[float] = ...) -> None: ...

class RouteBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RouteRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RouteRequest, _Mapping]]] = ...) -> None: ...

class RouteBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RouteResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RouteResult, _Mapping]]] = ...) -> None: ...

class RouteResult(_message.Message):
    __slots__ = ("request_id", "answer", "status")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    answer: RouteResponse
    status: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., answer: _Optional[_Union[RouteResponse, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RouteStreamRequest(_message.Message):
    __slots__ = ("request", "timeout_ms")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    request: RouteRequest
    timeout_ms: int
    def __init__(self, request: _Optional[_Union[RouteRequest, _Mapping]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class RouteStreamResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: RouteResult
    def __init__(self, result: _Optional[_Union[RouteResult, _Mapping]] = ...) -> None: ...

class PreviewRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: RouteRequest
    def __init__(self, request: _Optional[_Union[RouteRequest, _Mapping]] = ...) -> None: ...

class PreviewResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: RouteResponse
    def __init__(self, answer: _Optional[_Union[RouteResponse, _Mapping]] = ...) -> None: ...

class ClaimRequest(_message.Message):
    __slots__ = ("decision_id", "competence")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    COMPETENCE_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    competence: float
    def __init__(self, decision_id: _Optional[str] = ..., competence: _Optional[float] = ...) -> None: ...

class ClaimResponse(_message.Message):
    __slots__ = ("expected_quality", "disputed", "position")
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    expected_quality: float
    disputed: bool
    position: int
    def __init__(self, expected_quality: _Optional[float] = ..., disputed: bool = ..., position: _Optional[int] = ...) -> None: ...

class ReportOutcomeRequest(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: _types_pb2.Outcome
    def __init__(self, outcome: _Optional[_Union[_types_pb2.Outcome, _Mapping]] = ...) -> None: ...

class ReportOutcomeResponse(_message.Message):
    __slots__ = ("outcome_id", "position", "duplicate", "decisions")
    OUTCOME_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    outcome_id: str
    position: int
    duplicate: bool
    decisions: int
    def __init__(self, outcome_id: _Optional[str] = ..., position: _Optional[int] = ..., duplicate: bool = ..., decisions: _Optional[int] = ...) -> None: ...

class StreamOutcomesRequest(_message.Message):
    __slots__ = ("outcome", "timeout_ms")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    outcome: _types_pb2.Outcome
    timeout_ms: int
    def __init__(self, outcome: _Optional[_Union[_types_pb2.Outcome, _Mapping]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class StreamOutcomesResponse(_message.Message):
    __slots__ = ("outcome_id", "ack", "status")
    OUTCOME_ID_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    outcome_id: str
    ack: ReportOutcomeResponse
    status: _status_pb2.Status
    def __init__(self, outcome_id: _Optional[str] = ..., ack: _Optional[_Union[ReportOutcomeResponse, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

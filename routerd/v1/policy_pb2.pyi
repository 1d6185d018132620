from routerd.v1 import agents_pb2 as _agents_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AlarmKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALARM_KIND_UNSPECIFIED: _ClassVar[AlarmKind]
    ALARM_KIND_ENTROPY_COLLAPSE: _ClassVar[AlarmKind]
    ALARM_KIND_CANNOT_WIN: _ClassVar[AlarmKind]
    ALARM_KIND_SILENCE: _ClassVar[AlarmKind]
    ALARM_KIND_FEATURE_DRIFT: _ClassVar[AlarmKind]
    ALARM_KIND_FEATURE_SWAP: _ClassVar[AlarmKind]
    ALARM_KIND_AGENT_DRIFT: _ClassVar[AlarmKind]

class OverrideAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERRIDE_ACTION_UNSPECIFIED: _ClassVar[OverrideAction]
    OVERRIDE_ACTION_FORCE: _ClassVar[OverrideAction]
    OVERRIDE_ACTION_FORBID: _ClassVar[OverrideAction]

class OverrideOtherwise(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERRIDE_OTHERWISE_UNSPECIFIED: _ClassVar[OverrideOtherwise]
    OVERRIDE_OTHERWISE_REFUSE: _ClassVar[OverrideOtherwise]
    OVERRIDE_OTHERWISE_POLICY: _ClassVar[OverrideOtherwise]

class ExperimentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_STATUS_UNSPECIFIED: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_RUNNING: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_STOPPED: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_PROMOTED: _ClassVar[ExperimentStatus]
ALARM_KIND_UNSPECIFIED: AlarmKind
ALARM_KIND_ENTROPY_COLLAPSE: AlarmKind
ALARM_KIND_CANNOT_WIN: AlarmKind
ALARM_KIND_SILENCE: AlarmKind
ALARM_KIND_FEATURE_DRIFT: AlarmKind
ALARM_KIND_FEATURE_SWAP: AlarmKind
ALARM_KIND_AGENT_DRIFT: AlarmKind
OVERRIDE_ACTION_UNSPECIFIED: OverrideAction
OVERRIDE_ACTION_FORCE: OverrideAction
OVERRIDE_ACTION_FORBID: OverrideAction
OVERRIDE_OTHERWISE_UNSPECIFIED: OverrideOtherwise
OVERRIDE_OTHERWISE_REFUSE: OverrideOtherwise
OVERRIDE_OTHERWISE_POLICY: OverrideOtherwise
EXPERIMENT_STATUS_UNSPECIFIED: ExperimentStatus
EXPERIMENT_STATUS_RUNNING: ExperimentStatus
EXPERIMENT_STATUS_STOPPED: ExperimentStatus
EXPERIMENT_STATUS_PROMOTED: ExperimentStatus

class OverrideDefinition(_message.Message):
    __slots__ = ("when", "action", "agent_id", "pool", "type", "priority", "expires_time_ms", "otherwise", "author", "reason")
    class WhenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WHEN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    when: _containers.ScalarMap[str, str]
    action: OverrideAction
    agent_id: str
    pool: str
    type: str
    priority: int
    expires_time_ms: int
    otherwise: OverrideOtherwise
    author: str
    reason: str
    def __init__(self, when: _Optional[_Mapping[str, str]] = ..., action: _Optional[_Union[OverrideAction, str]] = ..., agent_id: _Optional[str] = ..., pool: _Optional[str] = ..., type: _Optional[str] = ..., priority: _Optional[int] = ..., expires_time_ms: _Optional[int] = ..., otherwise: _Optional[_Union[OverrideOtherwise, str]] = ..., author: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Override(_message.Message):
    __slots__ = ("override_id", "definition", "source", "set_time_ms", "expired")
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SET_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    definition: OverrideDefinition
    source: _agents_pb2.AgentSource
    set_time_ms: int
    expired: bool
    def __init__(self, override_id: _Optional[str] = ..., definition: _Optional[_Union[OverrideDefinition, _Mapping]] = ..., source: _Optional[_Union[_agents_pb2.AgentSource, str]] = ..., set_time_ms: _Optional[int] = ..., expired: bool = ...) -> None: ...

class CreateOverrideRequest(_message.Message):
    __slots__ = ("override_id", "definition")
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    definition: OverrideDefinition
    def __init__(self, override_id: _Optional[str] = ..., definition: _Optional[_Union[OverrideDefinition, _Mapping]] = ...) -> None: ...

class CreateOverrideResponse(_message.Message):
    __slots__ = ("rule", "position")
    RULE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    rule: Override
    position: int
    def __init__(self, rule: _Optional[_Union[Override, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class GetOverrideRequest(_message.Message):
    __slots__ = ("override_id",)
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    def __init__(self, override_id: _Optional[str] = ...) -> None: ...

class GetOverrideResponse(_message.Message):
    __slots__ = ("rule", "position")
    RULE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    rule: Override
    position: int
    def __init__(self, rule: _Optional[_Union[Override, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class ListOverridesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "when")
    class WhenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    when: _containers.ScalarMap[str, str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., when: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListOverridesResponse(_message.Message):
    __slots__ = ("rules", "next_page_token", "position")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Override]
    next_page_token: str
    position: int
    def __init__(self, rules: _Optional[_Iterable[_Union[Override, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class UpdateOverrideRequest(_message.Message):
    __slots__ = ("override_id", "definition")
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    definition: OverrideDefinition
    def __init__(self, override_id: _Optional[str] = ..., definition: _Optional[_Union[OverrideDefinition, _Mapping]] = ...) -> None: ...

class UpdateOverrideResponse(_message.Message):
    __slots__ = ("rule", "position")
    RULE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    rule: Override
    position: int
    def __init__(self, rule: _Optional[_Union[Override, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class DeleteOverrideRequest(_message.Message):
    __slots__ = ("override_id",)
    OVERRIDE_ID_FIELD_NUMBER: _ClassVar[int]
    override_id: str
    def __init__(self, override_id: _Optional[str] = ...) -> None: ...

class DeleteOverrideResponse(_message.Message):
    __slots__ = ("position", "removed")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    position: int
    removed: bool
    def __init__(self, position: _Optional[int] = ..., removed: bool = ...) -> None: ...

class ListBudgetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBudgetsResponse(_message.Message):
    __slots__ = ("budgets", "next_page_token", "position")
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[Budget]
    next_page_token: str
    position: int
    def __init__(self, budgets: _Optional[_Iterable[_Union[Budget, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("budget_id", "value", "window_begin_time_ms", "window_end_time_ms", "usd", "spent_usd", "usd_per_decision", "decisions", "price")
    BUDGET_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BEGIN_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    USD_FIELD_NUMBER: _ClassVar[int]
    SPENT_USD_FIELD_NUMBER: _ClassVar[int]
    USD_PER_DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    budget_id: str
    value: str
    window_begin_time_ms: int
    window_end_time_ms: int
    usd: float
    spent_usd: float
    usd_per_decision: float
    decisions: int
    price: float
    def __init__(self, budget_id: _Optional[str] = ..., value: _Optional[str] = ..., window_begin_time_ms: _Optional[int] = ..., window_end_time_ms: _Optional[int] = ..., usd: _Optional[float] = ..., spent_usd: _Optional[float] = ..., usd_per_decision: _Optional[float] = ..., decisions: _Optional[int] = ..., price: _Optional[float] = ...) -> None: ...

class GetPolicyStateRequest(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: int
    def __init__(self, decisions: _Optional[int] = ...) -> None: ...

class GetPolicyStateResponse(_message.Message):
    __slots__ = ("state", "position")
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    state: PolicyState
    position: int
    def __init__(self, state: _Optional[_Union[PolicyState, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class PolicyState(_message.Message):
    __slots__ = ("policy_id", "kind", "outcomes", "schedule", "decisions", "drawn", "explored_share", "entropy", "confidence", "explanation", "agents", "alarms")
    class ScheduleEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    EXPLORED_SHARE_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    ALARMS_FIELD_NUMBER: _ClassVar[int]
    policy_id: str
    kind: str
    outcomes: float
    schedule: _containers.ScalarMap[str, float]
    decisions: int
    drawn: int
    explored_share: float
    entropy: float
    confidence: float
    explanation: str
    agents: _containers.RepeatedCompositeFieldContainer[AgentShare]
    alarms: _containers.RepeatedCompositeFieldContainer[Alarm]
    def __init__(self, policy_id: _Optional[str] = ..., kind: _Optional[str] = ..., outcomes: _Optional[float] = ..., schedule: _Optional[_Mapping[str, float]] = ..., decisions: _Optional[int] = ..., drawn: _Optional[int] = ..., explored_share: _Optional[float] = ..., entropy: _Optional[float] = ..., confidence: _Optional[float] = ..., explanation: _Optional[str] = ..., agents: _Optional[_Iterable[_Union[AgentShare, _Mapping]]] = ..., alarms: _Optional[_Iterable[_Union[Alarm, _Mapping]]] = ...) -> None: ...

class AgentShare(_message.Message):
    __slots__ = ("agent_id", "share", "mean_probability", "highest_probability", "outcomes")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MEAN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    share: float
    mean_probability: float
    highest_probability: float
    outcomes: float
    def __init__(self, agent_id: _Optional[str] = ..., share: _Optional[float] = ..., mean_probability: _Optional[float] = ..., highest_probability: _Optional[float] = ..., outcomes: _Optional[float] = ...) -> None: ...

class Alarm(_message.Message):
    __slots__ = ("kind", "about", "description", "likely_cause", "action")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LIKELY_CAUSE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    kind: AlarmKind
    about: str
    description: str
    likely_cause: str
    action: str
    def __init__(self, kind: _Optional[_Union[AlarmKind, str]] = ..., about: _Optional[str] = ..., description: _Optional[str] = ..., likely_cause: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class StaticRoute(_message.Message):
    __slots__ = ("when", "agent_id")
    class WhenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WHEN_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    when: _containers.ScalarMap[str, str]
    agent_id: str
    def __init__(self, when: _Optional[_Mapping[str, str]] = ..., agent_id: _Optional[str] = ...) -> None: ...

class ExperimentArm(_message.Message):
    __slots__ = ("arm_id", "weight", "policy_json", "static_routes")
    ARM_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    POLICY_JSON_FIELD_NUMBER: _ClassVar[int]
    STATIC_ROUTES_FIELD_NUMBER: _ClassVar[int]
    arm_id: str
    weight: float
    policy_json: str
    static_routes: _containers.RepeatedCompositeFieldContainer[StaticRoute]
    def __init__(self, arm_id: _Optional[str] = ..., weight: _Optional[float] = ..., policy_json: _Optional[str] = ..., static_routes: _Optional[_Iterable[_Union[StaticRoute, _Mapping]]] = ...) -> None: ...

class ExperimentDefinition(_message.Message):
    __slots__ = ("when", "unit", "arms", "shadow", "author", "reason")
    class WhenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WHEN_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    when: _containers.ScalarMap[str, str]
    unit: str
    arms: _containers.RepeatedCompositeFieldContainer[ExperimentArm]
    shadow: bool
    author: str
    reason: str
    def __init__(self, when: _Optional[_Mapping[str, str]] = ..., unit: _Optional[str] = ..., arms: _Optional[_Iterable[_Union[ExperimentArm, _Mapping]]] = ..., shadow: bool = ..., author: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class MetricMean(_message.Message):
    __slots__ = ("metric", "outcomes", "mean")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    metric: str
    outcomes: int
    mean: float
    def __init__(self, metric: _Optional[str] = ..., outcomes: _Optional[int] = ..., mean: _Optional[float] = ...) -> None: ...

class ArmResult(_message.Message):
    __slots__ = ("arm_id", "decisions", "metrics")
    ARM_ID_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    arm_id: str
    decisions: int
    metrics: _containers.RepeatedCompositeFieldContainer[MetricMean]
    def __init__(self, arm_id: _Optional[str] = ..., decisions: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[MetricMean, _Mapping]]] = ...) -> None: ...

class ExperimentLift(_message.Message):
    __slots__ = ("arm_id", "metric", "mean", "low", "high", "refused")
    ARM_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    arm_id: str
    metric: str
    mean: float
    low: float
    high: float
    refused: str
    def __init__(self, arm_id: _Optional[str] = ..., metric: _Optional[str] = ..., mean: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., refused: _Optional[str] = ...) -> None: ...

class Experiment(_message.Message):
    __slots__ = ("experiment_id", "definition", "status", "start_time_ms", "stop_time_ms", "promoted_arm_id", "results", "lifts", "agreement")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    STOP_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_ARM_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    LIFTS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    definition: ExperimentDefinition
    status: ExperimentStatus
    start_time_ms: int
    stop_time_ms: int
    promoted_arm_id: str
    results: _containers.RepeatedCompositeFieldContainer[ArmResult]
    lifts: _containers.RepeatedCompositeFieldContainer[ExperimentLift]
    agreement: float
    def __init__(self, experiment_id: _Optional[str] = ..., definition: _Optional[_Union[ExperimentDefinition, _Mapping]] = ..., status: _Optional[_Union[ExperimentStatus, str]] = ..., start_time_ms: _Optional[int] = ..., stop_time_ms: _Optional[int] = ..., promoted_arm_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[ArmResult, _Mapping]]] = ..., lifts: _Optional[_Iterable[_Union[ExperimentLift, _Mapping]]] = ..., agreement: _Optional[float] = ...) -> None: ...

class CreateExperimentRequest(_message.Message):
    __slots__ = ("experiment_id", "definition")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    definition: ExperimentDefinition
    def __init__(self, experiment_id: _Optional[str] = ..., definition: _Optional[_Union[ExperimentDefinition, _Mapping]] = ...) -> None: ...

class CreateExperimentResponse(_message.Message):
    __slots__ = ("experiment", "position")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    experiment: Experiment
    position: int
    def __init__(self, experiment: _Optional[_Union[Experiment, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class GetExperimentRequest(_message.Message):
    __slots__ = ("experiment_id",)
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    def __init__(self, experiment_id: _Optional[str] = ...) -> None: ...

class GetExperimentResponse(_message.Message):
    __slots__ = ("experiment", "position")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    experiment: Experiment
    position: int
    def __init__(self, experiment: _Optional[_Union[Experiment, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class ListExperimentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExperimentsResponse(_message.Message):
    __slots__ = ("experiments", "next_page_token", "position")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[Experiment]
    next_page_token: str
    position: int
    def __init__(self, experiments: _Optional[_Iterable[_Union[Experiment, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class StopExperimentRequest(_message.Message):
    __slots__ = ("experiment_id",)
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    def __init__(self, experiment_id: _Optional[str] = ...) -> None: ...

class StopExperimentResponse(_message.Message):
    __slots__ = ("experiment", "position")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    experiment: Experiment
    position: int
    def __init__(self, experiment: _Optional[_Union[Experiment, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class PromoteExperimentRequest(_message.Message):
    __slots__ = ("experiment_id", "arm_id")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ARM_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    arm_id: str
    def __init__(self, experiment_id: _Optional[str] = ..., arm_id: _Optional[str] = ...) -> None: ...

class PromoteExperimentResponse(_message.Message):
    __slots__ = ("experiment", "position")
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    experiment: Experiment
    position: int
    def __init__(self, experiment: _Optional[_Union[Experiment, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class DeleteExperimentRequest(_message.Message):
    __slots__ = ("experiment_id",)
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    def __init__(self, experiment_id: _Optional[str] = ...) -> None: ...

class DeleteExperimentResponse(_message.Message):
    __slots__ = ("position", "removed")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    position: int
    removed: bool
    def __init__(self, position: _Optional[int] = ..., removed: bool = ...) -> None: ...

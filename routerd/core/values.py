"""The values that cross the engine's border: what is asked and told, and the words for it.

They are logged within events (see routerd.core.events), so a field may be added with a default and
never renamed, reordered or given another meaning. Arrays are raw little-endian float64.
"""

from __future__ import annotations

from enum import StrEnum

from routerd.core.base import Value
from routerd.core.signals import Classified


class Reason(StrEnum):
    """Why this agent: short, stable, the same word on every surface."""

    SAMPLED = "SAMPLED"
    BEST_KNOWN = "BEST_KNOWN"
    COLD_START = "COLD_START"
    EXPLICIT = "EXPLICIT"
    STATIC_ROUTE = "STATIC_ROUTE"
    STICKY = "STICKY"
    PROBE = "PROBE"
    RETRY = "RETRY"
    ESCALATION = "ESCALATION"
    OVERRIDE = "OVERRIDE"
    LOW_CONFIDENCE_FALLBACK = "LOW_CONFIDENCE_FALLBACK"
    OVERLOAD_FALLBACK = "OVERLOAD_FALLBACK"
    EXPERIMENT = "EXPERIMENT"
    SHADOW_BASELINE = "SHADOW_BASELINE"
    SIGNAL_ROUTE = "SIGNAL_ROUTE"


class Exclusion(StrEnum):
    """Why an agent could not be chosen."""

    MISSING_CAPABILITY = "MISSING_CAPABILITY"
    WRONG_POOL = "WRONG_POOL"
    TRIED = "TRIED"
    OFFLINE = "OFFLINE"
    AT_CAPACITY = "AT_CAPACITY"
    OVER_MAX_COST = "OVER_MAX_COST"
    OVER_MAX_LATENCY = "OVER_MAX_LATENCY"
    BUSY = "BUSY"
    OVERRIDDEN = "OVERRIDDEN"
    OVER_BUDGET = "OVER_BUDGET"
    COOLING_DOWN = "COOLING_DOWN"


class AgentSource(StrEnum):
    """Who defines an agent or a rule. RPC changes nothing of what the configuration defines."""

    CONFIG = "CONFIG"
    RPC = "RPC"


class AgentStatus(StrEnum):
    """How an agent stands. BUSY: only if nobody else can be chosen. OFFLINE: not at all."""

    ONLINE = "ONLINE"
    BUSY = "BUSY"
    OFFLINE = "OFFLINE"


class StatusCause(StrEnum):
    """Where a status comes from: somebody set it, the agent's own heartbeat, or their absence."""

    SET = "SET"
    HEARTBEAT = "HEARTBEAT"
    LEASE_ENDED = "LEASE_ENDED"


class FollowCause(StrEnum):
    """Why the agent before is not the last word on a task."""

    FAILED = "FAILED"
    REFUSED = "REFUSED"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"


class OutcomeKind(StrEnum):
    REPORT = "REPORT"
    REVISE = "REVISE"
    RETRACT = "RETRACT"


class Preference(Value, frozen=True):
    """Weights that replace the configured ones for one request; None keeps the configured one."""

    quality: float | None = None
    cost: float | None = None
    latency: float | None = None


class Task(Value, frozen=True):
    """What is to be done. Texts stay on this side of `encode`: they are never logged."""

    task_id: str = ""
    group_id: str = ""
    work_type: str = ""
    domain: str = ""
    labels: dict[str, str] = {}
    complexity: float | None = None
    description: str = ""
    features: dict[str, float] = {}
    embedding: tuple[float, ...] = ()
    session_id: str = ""


class Evidence(Value, frozen=True):
    """What shows that another agent is needed: reported_confidence of a result, competence of an
    agent, each from 0 to 1; and an explanation, which nothing learns from."""

    reported_confidence: float | None = None
    competence: float | None = None
    explanation: str = ""


class Follows(Value, frozen=True):
    """The decision that a request goes on from, and why; without a cause it is refused."""

    decision_id: str = ""
    cause: FollowCause | None = None
    evidence: Evidence = Evidence()


class Request(Value, frozen=True):
    """One question to the router. An empty request_id is made from the log position.

    signal: what a classifier made of the description; it is no part of what the caller asked.
    """

    request_id: str = ""
    task: Task = Task()
    agent_id: str = ""
    required_capabilities: tuple[str, ...] = ()
    pool: str = ""
    preference: Preference = Preference()
    max_cost_usd: float | None = None
    max_latency_ms: float | None = None
    event_time_ms: int = 0
    follows: Follows | None = None
    signal: Classified | None = None


class Query(Value, frozen=True):
    """A request as the law sees it: encoded features instead of texts. Logged in its decision.

    digest: of what was asked; empty without an id of the caller's, by which it could ask again.
    probe: how many agents are to be tried at once; 0 for one. companion_of: the decision that this
    one accompanies as its companion of that number, from 1.
    signal: how the work type was found, when the request had none. description: masked, and only
    where the configuration keeps it.
    """

    request_id: str
    digest: bytes
    x: bytes
    cell: int
    new_slots: tuple[tuple[str, str], ...] = ()
    task_id: str = ""
    group_id: str = ""
    work_type: str = ""
    domain: str = ""
    labels: dict[str, str] = {}
    session_id: str = ""
    agent_id: str = ""
    required_capabilities: tuple[str, ...] = ()
    pool: str = ""
    preference: Preference = Preference()
    max_cost_usd: float | None = None
    max_latency_ms: float | None = None
    follows: Follows | None = None
    signal: Classified | None = None
    description: str = ""
    probe: int = 0
    companion_of: str = ""
    companion: int = 0


class Claim(Value, frozen=True):
    """What a decision's agent says before it starts: how able it is, from 0 to 1."""

    decision_id: str = ""
    competence: float | None = None


class Heartbeat(Value, frozen=True):
    """What an agent says of itself, and for how long that holds. 0 stands for LEASE_MS."""

    agent_id: str = ""
    status: AgentStatus = AgentStatus.ONLINE
    lease_ms: int = 0


class Listing(Value, frozen=True):
    """Which agents to tell, and from where on; an unset filter admits all.

    work_type: of their profiles only the records of it. page_token: the id of the last agent of
    the page before.
    """

    pool: str = ""
    type: str = ""
    capability: str = ""
    status: AgentStatus | None = None
    source: AgentSource | None = None
    work_type: str = ""
    page_size: int = 0
    page_token: str = ""


class Excluded(Value, frozen=True):
    agent_id: str
    reason: Exclusion
    detail: str = ""


class Outcome(Value, frozen=True):
    """What came of a decision, as one source tells it; unset metrics say nothing.

    cancelled: its agent was stopped before it was done, since another's result was taken.
    """

    outcome_id: str = ""
    decision_id: str = ""
    kind: OutcomeKind = OutcomeKind.REPORT
    source: str = ""
    success: bool | None = None
    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    reported_confidence: float | None = None
    executed_agent_id: str = ""
    explanation: str = ""
    event_time_ms: int = 0
    group_id: str = ""
    signal: str = ""
    cancelled: bool = False

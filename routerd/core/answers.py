"""What the engine answers: a logged decision with what people and programs ask about it."""

from __future__ import annotations

from typing import NamedTuple

from routerd.core.events import Decision
from routerd.core.experiment import Trial
from routerd.core.ledger import Ledger
from routerd.core.lift import Lift
from routerd.core.rules import Budget, Override
from routerd.core.settings import Agent
from routerd.core.state import Claimed
from routerd.core.values import AgentSource, AgentStatus, StatusCause


class Estimate(NamedTuple):
    mean: float
    sd: float


class Candidate(NamedTuple):
    """One agent as the law saw it; the estimates are None where they were not kept."""

    agent_id: str
    probability: float
    quality: Estimate | None = None
    cost_usd: Estimate | None = None
    latency_ms: Estimate | None = None
    utility: Estimate | None = None
    exclusion: str = ""
    detail: str = ""


class Companion(NamedTuple):
    """Another agent that is tried at once; decision_id is empty in a preview."""

    agent_id: str
    decision_id: str
    inclusion: float


class Answer(NamedTuple):
    """A decision and its place in the log; decision_id is empty in a preview."""

    decision_id: str
    position: int
    decision: Decision
    candidates: tuple[Candidate, ...]
    sentence: str
    companions: tuple[Companion, ...] = ()


class Ack(NamedTuple):
    """An accepted outcome; position is where it was first accepted.

    decisions: how many it is of; not told of a duplicate.
    """

    outcome_id: str
    position: int
    duplicate: bool
    decisions: int = 0


class Found(NamedTuple):
    """A decision looked up; the metrics are the current values of what was reported.

    claim: what became of it; None without one, and of a decision that is closed.
    """

    decision_id: str
    position: int
    decision: Decision
    open: bool
    quality: float | None
    cost_usd: float | None
    latency_ms: float | None
    executed_agent_id: str
    reports: int
    sentence: str
    claim: Claimed | None = None


class Listed(NamedTuple):
    """An agent, and how it stood after a position of the log.

    since_ms: when its status was last said; 0 when nobody ever did, and then the cause is None.
    lease_ms: how long each of its heartbeats holds; 0 while no lease runs. in_flight: its open
    decisions that heard nothing yet and are not too old, which max_concurrency limits.
    cooling_until_ms: set aside until then because it fails; 0 when it is not. on_trial: that time
    has passed.
    """

    agent: Agent
    source: AgentSource
    status: AgentStatus
    cause: StatusCause | None
    since_ms: int
    lease_ms: int
    in_flight: int
    position: int
    cooling_until_ms: int = 0
    on_trial: bool = False


class Page(NamedTuple):
    """Some agents in id order; next is the token of the page after it, empty on the last."""

    agents: tuple[Listed, ...]
    next: str
    position: int


class CapabilityRecord(NamedTuple):
    """What an agent has shown in a work type; a mean is None where nothing was reported.

    work_type: empty for tasks without one, or for all. last_ms: when it was last chosen; 0: never.
    """

    work_type: str
    outcomes: int
    mean_quality: float | None
    mean_cost_usd: float | None
    mean_latency_ms: float | None
    last_ms: int
    cue: str


class Profile(NamedTuple):
    """What an agent has shown in all of its work, and in each work type of it."""

    agent_id: str
    overall: CapabilityRecord
    records: tuple[CapabilityRecord, ...]


class ListedOverride(NamedTuple):
    """An override, and how it stood after a position of the log.

    set_ms: when it was set over RPC; 0 for a configured one. expired: its time is over.
    """

    override: Override
    source: AgentSource
    set_ms: int
    expired: bool
    position: int


class OverridePage(NamedTuple):
    """Some overrides in id order; next is the token of the page after it, empty on the last."""

    overrides: tuple[ListedOverride, ...]
    next: str
    position: int


class ListedBudget(NamedTuple):
    """What stands at one budget, or at its value of `per`; windows begin and end in ms."""

    budget: Budget
    value: str
    begin_ms: int
    end_ms: int
    ledger: Ledger


class BudgetPage(NamedTuple):
    """Some budgets in the order of their names and values; next is the token of the page after."""

    budgets: tuple[ListedBudget, ...]
    next: str
    position: int


class ListedExperiment(NamedTuple):
    """An experiment and what came of it, after a position of the log."""

    trial: Trial
    lifts: tuple[Lift, ...]
    position: int


class ExperimentPage(NamedTuple):
    """Some experiments in id order; next is the token of the page after it."""

    experiments: tuple[ListedExperiment, ...]
    next: str
    position: int


class Removal(NamedTuple):
    """Something is gone as of a position; removed: whether it was there."""

    removed: bool
    position: int


class Logged(NamedTuple):
    """The last position of a call that tells nothing else."""

    position: int

"""The events of the log: all that ever happens to a state.

An event is logged as it stands here (see routerd.log.codec), so a field may be added with a
default and never renamed, reordered or given another meaning. Arrays are raw little-endian float64.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from routerd.core.base import Event, Value
from routerd.core.experiment import Experiment, Trialled
from routerd.core.rules import Override
from routerd.core.settings import Agent
from routerd.core.values import AgentStatus, Excluded, Outcome, Query, Reason, StatusCause


class ConfigApplied(Event, frozen=True, tag=True):
    """The engine's configuration from here on; always the event at position 1 of a partition.

    config: the normalised engine configuration as JSON. fingerprint: of this machine's numeric
    kernels (see routerd.core.fingerprint); laws are bit-exact only under an equal one.
    """

    partition: str
    config: bytes
    engine_version: str
    fingerprint: str


class Decision(Event, frozen=True, tag=True):
    """One draw from one law.

    agents are the eligible ones in id order, law their probabilities (float64). stages names those
    that changed the law, in order. predicted_usd: what its budgets are charged, None without any.
    given_up: of a capped exploration, the utility that the policy's law gives up, and the best's.
    escalate_below: a reported confidence below it calls for another agent; None where none pays.
    inclusion: of several at once, the probability that this agent is among them (see
    routerd.core.probe); None of one alone. at_once: how many it began, itself and its companions.
    """

    query: Query
    agent_id: str
    propensity: float
    u: float
    agents: tuple[str, ...]
    law: bytes
    policy_id: str
    reason: Reason
    detail: str = ""
    confidence: float | None = None
    fallback: str = ""
    alternatives: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    predicted_usd: float | None = None
    given_up: tuple[float, float] | None = None
    escalate_below: float | None = None
    trial: Trialled | None = None
    inclusion: float | None = None
    at_once: int = 1


class OutcomeReported(Event, frozen=True, tag=True):
    """An accepted outcome. Its order among others: see routerd.core.outcomes.

    decision_ids: the open decisions of its group, the oldest first; empty when it is of one
    decision. A signal stands beside the quality that the configuration made of it.
    """

    outcome: Outcome
    digest: bytes
    decision_ids: tuple[str, ...] = ()


class DecisionsClosed(Event, frozen=True, tag=True):
    """Decisions that accept no more outcomes: their window ended or the bound was reached.

    censored: the last so many were closed by the bound alone. They might still have been told an
    outcome, so that nothing is concluded from their silence.
    """

    decision_ids: tuple[str, ...]
    censored: int = 0


class DriftDetected(Event, frozen=True, tag=True):
    """An agent does better or worse than it did.

    size: by how much quality, negative for worse, over the `outcomes` that tell so; they are of
    decisions from position `since` on. evidence: log likelihood ratio. keep: the weight that is
    left to outcomes of earlier decisions. count: decayed number of all outcomes until then.
    """

    agent_id: str
    size: float
    evidence: float
    outcomes: int
    since: int
    keep: float
    count: float = 0.0


class Recorded(Value, frozen=True):
    """What an agent once made of a task, encoded as a request's is. x: raw float64."""

    agent_id: str
    x: bytes
    cell: int
    quality: float
    cost_usd: float | None = None
    latency_ms: float | None = None


class OutcomesImported(Event, frozen=True, tag=True):
    """Outcomes that were learnt from without a decision.

    source: a hash of the file that they are from, in hex. through: how many of its rows these
    agents are done with. weight: what each counts, where a reported outcome counts 1. new_slots: as
    in Query.
    """

    source: str
    through: int
    outcomes: tuple[Recorded, ...] = ()
    weight: float = 1.0
    new_slots: tuple[tuple[str, str], ...] = ()


class AgentRegistered(Event, frozen=True, tag=True):
    """An agent that came over RPC."""

    agent: Agent


class AgentUpdated(Event, frozen=True, tag=True):
    """A new definition of an agent that came over RPC.

    previous_version: the one before, when it is a new version of the agent; else empty.
    """

    agent: Agent
    previous_version: str = ""


class AgentDeregistered(Event, frozen=True, tag=True):
    """An agent that came over RPC is gone. What it learnt is kept for its return."""

    agent_id: str


class AgentStatusChanged(Event, frozen=True, tag=True):
    """An agent stands otherwise than before, in the eyes of whoever is the cause.

    lease_ms: how long a heartbeat holds; 0 for no lease.
    """

    agent_id: str
    status: AgentStatus
    cause: StatusCause
    lease_ms: int = 0


AgentEvent = AgentRegistered | AgentUpdated | AgentDeregistered | AgentStatusChanged
"""What is told of an agent over RPC, by its heartbeats or their absence."""


class CooldownCause(StrEnum):
    """Why an agent is set aside."""

    FAILURES = "FAILURES"
    BELOW_PEERS = "BELOW_PEERS"
    TRIAL_FAILED = "TRIAL_FAILED"


class AgentCooledDown(Event, frozen=True, tag=True):
    """An agent fails, so it is set aside until a time. times: in a row."""

    agent_id: str
    until_ms: int
    times: int
    cause: CooldownCause


class AgentRecovered(Event, frozen=True, tag=True):
    """An agent that was set aside has passed its trial."""

    agent_id: str


class RemovalCause(StrEnum):
    """Why a rule is gone: somebody removed it, or its time was over."""

    REMOVED = "REMOVED"
    EXPIRED = "EXPIRED"


class OverrideSet(Event, frozen=True, tag=True):
    """An override that came over RPC: a new one, or another in place of its namesake."""

    override: Override


class OverrideRemoved(Event, frozen=True, tag=True):
    """An override that came over RPC is gone."""

    override_id: str
    cause: RemovalCause = RemovalCause.REMOVED


class ExperimentStarted(Event, frozen=True, tag=True):
    """An experiment runs from here on."""

    experiment: Experiment


class ExperimentStopped(Event, frozen=True, tag=True):
    """An experiment takes no more decisions; outcomes of those that it has still count."""

    experiment_id: str


class ExperimentPromoted(Event, frozen=True, tag=True):
    """An arm is in force for all tasks from here on, and its experiment has ended."""

    experiment_id: str
    arm_id: str


class ExperimentDeleted(Event, frozen=True, tag=True):
    """An experiment that had ended is forgotten, with its sums."""

    experiment_id: str


ExperimentEvent = ExperimentStarted | ExperimentStopped | ExperimentPromoted | ExperimentDeleted


class ClaimMade(Event, frozen=True, tag=True):
    """A decision's agent claims its task, or is not let.

    competence: as it said, from 0 to 1; None when it said nothing. expected: the quality that its
    earlier self-reports of this height came to.
    """

    decision_id: str
    accepted: bool
    competence: float | None = None
    expected: float | None = None


class CompetenceDisputed(Event, frozen=True, tag=True):
    """An agent says of itself what its results do not bear out.

    shown: its mean quality over so many outcomes.
    """

    decision_id: str
    agent_id: str
    competence: float
    shown: float
    outcomes: int


AnyEvent = (
    ConfigApplied
    | Decision
    | OutcomeReported
    | DecisionsClosed
    | DriftDetected
    | OutcomesImported
    | AgentEvent
    | OverrideSet
    | OverrideRemoved
    | ExperimentEvent
    | AgentCooledDown
    | AgentRecovered
    | ClaimMade
    | CompetenceDisputed
)


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event with its place in the log: position from 1, hash chained over all before it."""

    position: int
    hash: bytes
    event: AnyEvent

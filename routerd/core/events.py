"""The events of the log: all that ever happens to a state.

An event is logged as it stands here (see routerd.log.codec), so a field may be added with a
default and never renamed, reordered or given another meaning. Arrays are raw little-endian float64.
"""

from __future__ import annotations

import msgspec

from routerd.core.base import Event
from routerd.core.claim_events import ClaimMade, CompetenceDisputed
from routerd.core.experiment import (
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
    Trialled,
)
from routerd.core.health import AgentCooledDown, AgentRecovered
from routerd.core.imports import OutcomesImported
from routerd.core.rule_events import OverrideRemoved, OverrideSet
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

AnyEvent = (
    ConfigApplied
    | Decision
    | OutcomeReported
    | DecisionsClosed
    | DriftDetected
    | OutcomesImported
    | AgentRegistered
    | AgentUpdated
    | AgentDeregistered
    | AgentStatusChanged
    | OverrideSet
    | OverrideRemoved
    | ExperimentStarted
    | ExperimentStopped
    | ExperimentPromoted
    | ExperimentDeleted
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

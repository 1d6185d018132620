"""What the policy does of late: shares, entropy and exploration, read from the open decisions.

Nothing is kept for it. What is told is of the latest decisions that are still open, at most LOOK.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import NamedTuple

from routerd.core.events import Decision
from routerd.core.policies import floor_of, gamma_of, width_of
from routerd.core.reasons import law_of
from routerd.core.settings import RandomPolicy, SquareCBPolicy, ThompsonPolicy, ValuePolicy
from routerd.core.state import OpenDecision, State
from routerd.core.values import Reason
from routerd.core.words import counted

LOOK = 1_000


class AgentPulse(NamedTuple):
    """How an agent fares: its mean and its highest probability, and its share of the draws.

    laws: of how many laws it was a part. outcomes: the decayed count that it is known by.
    """

    agent_id: str
    mean_probability: float
    highest_probability: float
    share: float
    laws: int
    outcomes: float


class Pulse(NamedTuple):
    """decisions: how many were looked at; drawn: those of them whose law the policy alone made,
    which the rest is of. entropy: mean over laws, as a share of the largest possible; confidence:
    mean decision_confidence. None where there is nothing to take a mean of."""

    decisions: int
    drawn: int
    explored: float | None
    entropy: float | None
    confidence: float | None
    agents: tuple[AgentPulse, ...]


def latest(state: State, count: int = LOOK) -> list[OpenDecision]:
    """The open decisions, the latest first."""
    return list(islice(reversed(state.decisions.values()), count))


def pulse(state: State, entries: list[OpenDecision]) -> Pulse:
    """What became of these decisions."""
    drawn = [entry.decision for entry in entries if of_policy(entry.decision)]
    total, highest = dict.fromkeys(state.roster.ids, 0.0), dict.fromkeys(state.roster.ids, 0.0)
    laws, chosen = dict.fromkeys(state.roster.ids, 0), dict.fromkeys(state.roster.ids, 0)
    entropies = []
    for decision in drawn:
        law = law_of(decision)
        for agent_id, p in law.items():
            if agent_id in total:
                total[agent_id] += p
                highest[agent_id] = max(highest[agent_id], p)
                laws[agent_id] += 1
        if decision.agent_id in chosen:
            chosen[decision.agent_id] += 1
        if len(law) > 1:
            nats = -sum(p * math.log(p) for p in law.values() if p > 0.0)
            entropies.append(nats / math.log(len(law)))
    explored = [decision.reason is Reason.SAMPLED for decision in drawn]
    sure = [decision.confidence for decision in drawn if decision.confidence is not None]
    agents = tuple(
        AgentPulse(
            agent_id,
            total[agent_id] / max(laws[agent_id], 1),
            highest[agent_id],
            chosen[agent_id] / max(len(drawn), 1),
            laws[agent_id],
            max(state.learner.weight_of(state.arm_of[agent_id]), 0.0),
        )
        for agent_id in state.roster.ids
    )
    return Pulse(len(entries), len(drawn), mean(explored), mean(entropies), mean(sure), agents)


def of_policy(decision: Decision) -> bool:
    """Whether the policy alone made the law. A price of money is a part of its utility."""
    return decision.stages[-1:] == ("policy",) or decision.stages[-2:] == ("policy", "budget")


def mean(values: list[bool] | list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def schedule(state: State) -> dict[str, float]:
    """What the policy's exploration comes to after the outcomes so far."""
    kind, count = state.config.policy, max(state.learner.count, 0.0)
    match kind:
        case ValuePolicy():
            horizon = count + kind.patience * len(state.roster.ids)
            return {"horizon": horizon, "spread": kind.spread, "floor": kind.floor}
        case ThompsonPolicy():
            return {"v": width_of(kind, count), "floor": floor_of(kind, count)}
        case SquareCBPolicy():
            return {"gamma": gamma_of(kind, count)}
        case RandomPolicy():
            return {}
    return {"floor": kind.floor}


def why(state: State, seen: Pulse) -> str:
    """How much is explored, and what it follows from, in a sentence."""
    kind, told = state.config.policy, schedule(state)
    if seen.explored is None:
        return "no decision of the policy's own is open to look at"
    alone = f" that it made alone, of {seen.decisions}," if seen.drawn < seen.decisions else ""
    much = f"{seen.explored:.1%} of {counted(seen.drawn, 'decision')}{alone} explored"
    match kind:
        case ValuePolicy():
            return (
                f"{much}: agents are tried as far as knowing them better may pay over at most "
                f"{told['horizon']:.0f} decisions to come, and never less than {kind.floor:.2%}"
            )
        case ThompsonPolicy():
            known = counted(round(state.learner.count), "outcome")
            return (
                f"{much}: the posterior is drawn from at {told['v']:.2f} of its width after "
                f"{known}, with a floor of {told['floor']:.2%}"
            )
        case SquareCBPolicy():
            return f"{much}: by the inverse of an agent's gap to the best times {told['gamma']:.0f}"
        case RandomPolicy():
            return f"{much}: every agent is as likely as the others"
    return f"{much}: {kind.id} names one agent, with a floor of {told.get('floor', 1.0):.2%}"

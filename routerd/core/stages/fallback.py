"""When the law moves to the agent to fall back on: the one that the static table names.

(1 - e) of it does, where e is `fallback.exploration`; the rest stays with the policy, so that what
the fallback rests on can change: confidence can grow, a failing type can recover. A follow-up is
left alone, and so is a task for which the table names nobody eligible.
"""

from __future__ import annotations

from routerd.core.confidence import by_mean, confidence
from routerd.core.law import Law
from routerd.core.settings import Agent
from routerd.core.state import State
from routerd.core.static import table_index
from routerd.core.tally import QUALITY
from routerd.core.values import AgentStatus, Exclusion, Reason
from routerd.core.view import View
from routerd.core.words import counted

MOVED = frozenset({"sticky", "cold_start", "confidence_gate"})
"""Stages that moved the law to one agent already."""


def fallback_index(law: Law, view: View) -> int:
    """Index into the law of the agent that the static table names; -1 when it is not there."""
    routed = table_index(view)
    return law.eligible.index(routed) if routed in law.eligible else -1


def fallen_back(law: Law, view: View, stage: str, reason: Reason, why: str) -> Law:
    """The law after it moved, or as it was when there is nothing to move it to."""
    index = fallback_index(law, view)
    if (
        index < 0
        or not MOVED.isdisjoint(law.stages)
        or law.p[index] >= 1.0
        or view.query.follows is not None
    ):
        return law
    explored = view.state.config.fallback.exploration
    p = explored * law.p
    p[index] += 1.0 - explored
    return law.by(stage, p=p, reason=reason, detail=why, about=index)


def cold_start(law: Law, view: View) -> Law:
    """While few outcomes are known for this kind of work, the static table answers."""
    needed = view.state.config.cold_start.static_until
    if not needed:
        return law
    known = int(view.state.tally.told[:, view.query.cell, QUALITY].sum())
    if known >= needed:
        return law
    why = f"the static table answers until enough outcomes are known: {known} of {needed} are"
    return fallen_back(law, view, "cold_start", Reason.STATIC_ROUTE, why)


def confidence_gate(law: Law, view: View) -> Law:
    """Below the threshold it is not sure enough that any agent beats the static table's."""
    least = view.state.config.thresholds.confidence
    if not least:
        return law
    mean, variance = view.utility_of(law.eligible)
    sure = confidence(mean, variance, by_mean(mean), fallback_index(law, view))
    if sure is None or sure >= least:
        return law
    why = f"only {sure:.0%} sure of a better agent, {least:.0%} is asked for"
    return fallen_back(law, view, "confidence_gate", Reason.LOW_CONFIDENCE_FALLBACK, why)


def overload(law: Law, view: View) -> Law:
    """When the agent of choice is of an overloaded pool or a failing type; never to another such.

    The agent of choice is the law's most likely, or one that has no room now and is expected to be
    better.
    """
    settings = view.state.config.fallback
    if settings.pool_load is None and settings.type_failures is None:
        return law
    index = fallback_index(law, view)
    if index < 0:
        return law
    agents = view.state.roster.agents
    wrong = trouble(agents[choice(law, view)], view)
    if not wrong or trouble(agents[law.eligible[index]], view):
        return law
    return fallen_back(law, view, "overload", Reason.OVERLOAD_FALLBACK, wrong)


def choice(law: Law, view: View) -> int:
    """Roster index of the agent that would be chosen, if only it had room."""
    state, mean = view.state, view.utility[0]
    full = (Exclusion.AT_CAPACITY, Exclusion.BUSY)
    likely = law.eligible[int(law.p.argmax())]
    crowded = [state.roster.index[e.agent_id] for e in law.excluded if e.reason in full]
    return max((likely, *crowded), key=lambda i: float(mean[i]))


def trouble(agent: Agent, view: View) -> str:
    """Why an agent is not to be relied on now; empty when it is."""
    state, settings = view.state, view.state.config.fallback
    if settings.pool_load is not None:
        load = pool_load(agent.pool, state, view.time_ms)
        if load >= settings.pool_load:
            return f"pool {agent.pool} is {load:.0%} loaded"
    if settings.type_failures is not None and agent.type:
        failures = state.failing.get(agent.type, 0)
        if failures >= settings.type_failures:
            return f"agents of type {agent.type} failed {counted(failures, 'time')} in a row"
    return ""


def pool_load(pool: str, state: State, time_ms: int) -> float:
    """Decisions in flight in a pool, as a share of what its agents can have together.

    0 when one of them has no limit. Agents that are busy are full, and offline ones do not count.
    """
    counts = state.in_flight.counted(state.in_flight_since_ms(time_ms))
    busy, room = 0, 0
    for agent in state.roster.agents:
        standing = state.away.get(agent.id)
        if agent.pool != pool or (standing is not None and standing.status is AgentStatus.OFFLINE):
            continue
        if agent.max_concurrency is None:
            return 0.0
        room += agent.max_concurrency
        busy += agent.max_concurrency if standing is not None else counts.get(agent.id, 0)
    return busy / room if room else 1.0

"""Who may be chosen: the hard filters, and the refusal when nobody is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np
from msgspec.structs import replace

from routerd.core.cooldown import set_aside
from routerd.core.errors import ErrorReason, RouterError, not_registered
from routerd.core.follow import tried
from routerd.core.law import Law, Out, Why
from routerd.core.stages.budget import NONE_OVER, exhausted, leave_out, overdrawn
from routerd.core.stages.override import overrule, ruling_overrides
from routerd.core.values import AgentStatus, Excluded, Exclusion, StatusCause
from routerd.core.view import View
from routerd.core.words import counted


def eligibility(law: Law, view: View) -> Law:
    """Hard filters: pool, capabilities, who was tried, status, capacity, predicted cost, latency.

    Then what overrides leave, unless the request names its agent. Busy agents are left out too,
    unless nobody else is left, or the request names one; so are those that are cooling down.
    """
    query, state = view.query, view.state
    full = at_capacity(view) if state.roster.limits else {}
    before = tried(state, query.follows) if query.follows is not None else ()
    cooling = set_aside(state, view.time_ms, query.agent_id) if state.cooling else {}
    conditions = query.pool or query.required_capabilities or view.limited
    ruling = ruling_overrides(view) if state.overrides else ()
    over = overdrawn(view) if state.config.budgets else NONE_OVER
    if not (conditions or before or full or any(over) or cooling or state.away or ruling):
        return law
    agents = state.roster.agents
    why: Why = {i: exclusion(view, i, full, before) for i in law.eligible}
    if over.firm or over.lenient:
        leave_out(why, over, view)
    forced = overrule(why, ruling, agents) if ruling else ""
    if over.soft and not query.agent_id:
        spare(why, {i: (Exclusion.OVER_BUDGET, told) for i, told in over.soft.items()})
    if cooling:
        hot = {i: cooling.get(agents[i].id, "") for i in law.eligible}
        spare(why, {i: (Exclusion.COOLING_DOWN, told) for i, told in hot.items() if told})
    if state.away:
        busy = [i for i in law.eligible if is_busy(view, agents[i].id)]
        spare(why, dict.fromkeys(busy, (Exclusion.BUSY, "is busy, and others are not")))
    excluded = [Excluded(agents[i].id, *out) for i, out in why.items() if out is not None]
    if not excluded:
        return replace(law, forced=forced) if forced else law
    if len(excluded) == len(why):
        raise nobody(view, excluded)
    eligible = tuple([i for i, out in why.items() if out is None])
    p = np.full(len(eligible), 1.0 / len(eligible))
    stages = (*law.stages, "eligibility")
    return Law(eligible, p, stages=stages, excluded=tuple(excluded), forced=forced)


def spare(why: Why, others: Why) -> None:
    """Leave these out as well, unless that leaves nobody."""
    left = {i for i, out in why.items() if out is None}
    if left - others.keys():
        why |= {i: out for i, out in others.items() if i in left}


def exclusion(view: View, index: int, full: Mapping[str, int], before: Sequence[str]) -> Out | None:
    """Why the agent at this roster index may not be chosen; None when it may.

    What will not pass by itself comes first: it says most about what has to change. full: who may
    take no more. before: who was tried for this task.
    """
    query, agent = view.query, view.state.roster.agents[index]
    if query.pool and agent.pool != query.pool:
        return Exclusion.WRONG_POOL, f"is in pool {agent.pool}"
    missing = [c for c in query.required_capabilities if c not in agent.capabilities]
    if missing:
        return Exclusion.MISSING_CAPABILITY, f"lacks {', '.join(missing)}"
    if agent.id in before:
        return Exclusion.TRIED, "was tried for this task already"
    standing = view.state.away.get(agent.id)
    if standing is not None and standing.status is AgentStatus.OFFLINE:
        return Exclusion.OFFLINE, OFFLINE_BECAUSE[standing.cause]
    if agent.id in full:
        busy = counted(full[agent.id], "decision")
        return Exclusion.AT_CAPACITY, f"has {busy} in flight; its limit is {agent.max_concurrency}"
    if query.max_cost_usd is not None and view.cost_known(index):
        predicted = float(view.cost[0][index])
        if predicted > query.max_cost_usd:
            return Exclusion.OVER_MAX_COST, f"is predicted to cost {predicted:.6g} USD"
    if query.max_latency_ms is not None and view.latency_known(index):
        predicted = float(view.latency[0][index])
        if predicted > query.max_latency_ms:
            return Exclusion.OVER_MAX_LATENCY, f"is predicted to take {predicted:.6g} ms"
    return None


def at_capacity(view: View) -> dict[str, int]:
    """The agents that may take no more, and how many decisions each has in flight."""
    state = view.state
    counts = state.in_flight.counted(state.in_flight_since_ms(view.time_ms))
    limits = state.roster.limits.items()
    return {
        agent_id: counts[agent_id] for agent_id, most in limits if counts.get(agent_id, 0) >= most
    }


PASSING = frozenset({Exclusion.OFFLINE, Exclusion.AT_CAPACITY})
"""What keeps an agent out for a while; whatever else leaves nobody, asking again does not help."""

RETRY_AFTER_MS = 1_000

OFFLINE_BECAUSE = {
    None: "is offline",
    StatusCause.SET: "is offline: it was set so",
    StatusCause.HEARTBEAT: "is offline: it said so",
    StatusCause.LEASE_ENDED: "is offline: its heartbeats stopped",
}


def is_busy(view: View, agent_id: str) -> bool:
    """Whether an agent is busy, and not the one that the request insists on."""
    standing = view.state.away.get(agent_id)
    return (
        standing is not None
        and standing.status is AgentStatus.BUSY
        and agent_id != view.query.agent_id
    )


def nobody(view: View, excluded: list[Excluded]) -> RouterError:
    """The error for an empty set of candidates, naming what would have to change."""
    query = view.query
    if query.agent_id and query.agent_id not in view.state.roster.index:
        return not_registered(query.agent_id)
    reasons = {e.reason for e in excluded}
    metadata = {e.agent_id: f"{e.reason}: {e.detail}" for e in excluded[:50]}
    if reasons == {Exclusion.WRONG_POOL}:
        pools = ", ".join(sorted({agent.pool for agent in view.state.roster.agents}))
        text = f"no agent is in pool {query.pool!r}; the pools are {pools}"
        return RouterError(ErrorReason.EMPTY_POOL, text, metadata=metadata)
    if reasons <= {Exclusion.WRONG_POOL, Exclusion.MISSING_CAPABILITY}:
        where = f" in pool {query.pool!r}" if query.pool else ""
        text = f"no agent{where} has all of {', '.join(query.required_capabilities)}"
        return RouterError(ErrorReason.MISSING_CAPABILITY, text, metadata=metadata)
    over = [e for e in excluded if e.reason is Exclusion.OVER_BUDGET]
    if over:
        return exhausted(view, metadata, over)
    text = "no agent is eligible; the metadata names each one's reason"
    overridden = [f"{e.agent_id} {e.detail}" for e in excluded if e.reason is Exclusion.OVERRIDDEN]
    if overridden:
        text = f"{text}, the first being that {overridden[0]}"
    return not_now(text, metadata, reasons)


def not_now(text: str, metadata: Mapping[str, str], reasons: Set[Exclusion]) -> RouterError:
    """Nobody may be chosen; says to come again where one of the reasons passes by itself."""
    passes = RETRY_AFTER_MS if reasons & PASSING else None
    return RouterError(
        ErrorReason.NO_ELIGIBLE_AGENT, text, metadata=metadata, retry_after_ms=passes
    )

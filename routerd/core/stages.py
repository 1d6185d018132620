"""The stages of a decision: each is a function (law, view) -> law, and nothing else.

The first stage says who may be chosen; the others move probability among those. Every stage that
changes the law leaves its name in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from learners.base import Array
from learners.law import win_probabilities, with_floor
from learners.policies import thompson, value_of_information
from learners.schedule import decay
from routerd.core.encode import category
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.settings import StaticPolicy, ThompsonPolicy, ValuePolicy
from routerd.core.values import Excluded, Exclusion, Reason
from routerd.core.view import View


class Law(NamedTuple):
    """p[i] is the probability of the agent at roster index eligible[i], in id order."""

    eligible: tuple[int, ...]
    p: Array
    policy_id: str = ""
    reason: Reason = Reason.SAMPLED
    stages: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()


Stage = Callable[[Law, View], Law]


def eligibility(law: Law, view: View) -> Law:
    """Hard filters: pool, capabilities, predicted cost and latency."""
    query, agents = view.query, view.state.roster.agents
    if not (query.pool or query.required_capabilities or view.limited):
        return law
    excluded, eligible = [], []
    for index in law.eligible:
        why = exclusion(view, index)
        if why is None:
            eligible.append(index)
        else:
            excluded.append(Excluded(agents[index].id, *why))
    if not eligible:
        raise nobody(view, excluded)
    if not excluded:
        return law
    p = np.full(len(eligible), 1.0 / len(eligible))
    stages = (*law.stages, "eligibility")
    return law._replace(eligible=tuple(eligible), p=p, stages=stages, excluded=tuple(excluded))


def exclusion(view: View, index: int) -> tuple[Exclusion, str] | None:
    """Why the agent at this roster index may not be chosen; None when it may."""
    query, agent = view.query, view.state.roster.agents[index]
    if query.pool and agent.pool != query.pool:
        return Exclusion.WRONG_POOL, f"is in pool {agent.pool}"
    missing = [c for c in query.required_capabilities if c not in agent.capabilities]
    if missing:
        return Exclusion.MISSING_CAPABILITY, f"lacks {', '.join(missing)}"
    if query.max_cost_usd is not None and view.cost_known(index):
        predicted = float(view.cost[0][index])
        if predicted > query.max_cost_usd:
            return Exclusion.OVER_MAX_COST, f"predicted {predicted:.6g} USD"
    if query.max_latency_ms is not None and view.latency_known(index):
        predicted = float(view.latency[0][index])
        if predicted > query.max_latency_ms:
            return Exclusion.OVER_MAX_LATENCY, f"predicted {predicted:.6g} ms"
    return None


def nobody(view: View, excluded: list[Excluded]) -> RouterError:
    """The error for an empty set of candidates, naming what would have to change."""
    query = view.query
    reasons = {e.reason for e in excluded}
    metadata = {e.agent_id: f"{e.reason}: {e.detail}" for e in excluded[:50]}
    if reasons == {Exclusion.WRONG_POOL}:
        pools = ", ".join(sorted({agent.pool for agent in view.state.roster.agents}))
        text = f"no agent is in pool {query.pool!r}; the pools are {pools}"
        return RouterError(ErrorReason.EMPTY_POOL, text, metadata=metadata)
    if reasons <= {Exclusion.WRONG_POOL, Exclusion.MISSING_CAPABILITY}:
        text = f"no agent has all of {', '.join(query.required_capabilities)}"
        return RouterError(ErrorReason.MISSING_CAPABILITY, text, metadata=metadata)
    text = "no agent is eligible; the metadata names each one's reason"
    return RouterError(ErrorReason.NO_ELIGIBLE_AGENT, text, metadata=metadata)


def policy(law: Law, view: View) -> Law:
    """The configured policy's law over the eligible."""
    match view.state.config.policy:
        case ValuePolicy() as kind:
            p, reason = value_law(law, view, kind), Reason.SAMPLED
        case ThompsonPolicy() as kind:
            p, reason = thompson_law(law, view, kind), Reason.SAMPLED
        case StaticPolicy() as kind:
            p, reason = static_law(law, view, kind), Reason.STATIC_ROUTE
    return law._replace(p=p, reason=reason, policy_id=kind.id, stages=(*law.stages, "policy"))


def value_law(law: Law, view: View, kind: ValuePolicy) -> Array:
    mean, variance = view.utility_of(law.eligible)
    horizon = view.state.learner.count + kind.patience * len(mean)
    scores = value_of_information(mean, variance, view.noise, horizon, kind.spread)
    return with_floor(win_probabilities(*scores), kind.floor)


def thompson_law(law: Law, view: View, kind: ThompsonPolicy) -> Array:
    mean, variance = view.utility_of(law.eligible)
    count = view.state.learner.count
    scores = thompson(mean, variance, decay(kind.v_0, kind.v_min, count, kind.tau))
    return with_floor(
        win_probabilities(*scores), decay(kind.floor, kind.floor_min, count, kind.tau)
    )


def static_law(law: Law, view: View, kind: StaticPolicy) -> Array:
    """All on the table's agent; where the table names nobody eligible, on the best known."""
    routed = static_route(view)
    mean, _ = view.utility_of(law.eligible)
    chosen = law.eligible.index(routed) if routed in law.eligible else int(mean.argmax())
    p = np.zeros(len(law.eligible))
    p[chosen] = 1.0
    return with_floor(p, kind.floor)


def static_route(view: View) -> int:
    """Roster index that the static table names for this task, by its first match; -1 for none."""
    for route in view.state.config.static_routes:
        if all(category(view.query, key) == value for key, value in route.when.items()):
            return view.state.roster.index.get(route.agent, -1)
    return -1


def explicit(law: Law, view: View) -> Law:
    """The agent that the request names wins, if it is eligible."""
    wanted = view.query.agent_id
    if not wanted:
        return law
    index = view.state.roster.index.get(wanted, -1)
    if index < 0:
        text = f"agent {wanted!r} is not registered"
        raise RouterError(ErrorReason.AGENT_NOT_FOUND, text, metadata={"agent_id": wanted})
    if index not in law.eligible:
        raise nobody(view, [e for e in law.excluded if e.agent_id == wanted])
    p = np.zeros(len(law.eligible))
    p[law.eligible.index(index)] = 1.0
    return law._replace(p=p, reason=Reason.EXPLICIT, stages=(*law.stages, "explicit"))


STAGES: tuple[Stage, ...] = (eligibility, policy, explicit)

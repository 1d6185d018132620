"""What money does to a decision: whom a budget leaves out, and how much may be explored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from routerd.core.budgets import accounts
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.law import Law, Why
from routerd.core.ledger import cap_window, window_ms, window_of
from routerd.core.policies import floor_of, point
from routerd.core.settings import Agent
from routerd.core.values import Excluded, Exclusion
from routerd.core.view import View


class Over(NamedTuple):
    """Agents that would cross a budget, by roster index, each with why.

    firm: one of money in a window that refuses what does not fit. lenient: one that lets the
    cheapest go on. soft: one of the mean alone, which spares the last ones.
    """

    firm: dict[int, str]
    lenient: dict[int, str]
    soft: dict[int, str]


NONE_OVER = Over({}, {}, {})


def overdrawn(view: View) -> Over:
    """Who would cross a budget. One whose prices are 0 is free and crosses none."""
    over = Over({}, {}, {})
    cost, agents = view.cost[0], view.state.roster.agents
    for budget, value, ledger in accounts(view.state, view.query):
        left = ledger.at(window_of(budget, view.time_ms)).left_usd(budget)
        lenient = over.lenient if budget.exhausted == "cheapest" else over.firm
        found = over.soft if budget.usd is None else lenient
        name = budget.id + (f" of {value or 'nobody'}" if budget.per else "")
        for i in np.flatnonzero(cost > left).tolist():
            if not is_free(agents[i]):
                told = f"is predicted to cost {float(cost[i]):.6g} USD"
                found.setdefault(i, f"{told}; budget {name} has {left:.6g} USD left")
    return over


def is_free(agent: Agent) -> bool:
    prices = agent.prices
    return prices is not None and not (prices.input_usd_per_mtok or prices.output_usd_per_mtok)


def predicted_usd(view: View, index: int) -> float | None:
    """What the budgets of a task are charged when it goes to this agent; None without budgets."""
    if next(accounts(view.state, view.query), None) is None:
        return None
    return charge_of(view, index)


def charge_of(view: View, index: int) -> float:
    """USD that a budget is charged for this agent."""
    agent = view.state.roster.agents[index]
    return 0.0 if is_free(agent) else max(float(view.cost[0][index]), 0.0)


def fitting(view: View, eligible: Sequence[int], most: int) -> int:
    """How many of these agents, whichever they are, fit together into every budget of money."""
    left = [
        ledger.at(window_of(budget, view.time_ms)).left_usd(budget)
        for budget, _, ledger in accounts(view.state, view.query)
        if budget.usd is not None
    ]
    dearest = sorted((charge_of(view, i) for i in eligible), reverse=True)[:most]
    least = min(left, default=math.inf)
    return sum(together <= least for together in accumulate(dearest))


def leave_out(why: Why, over: Over, view: View) -> None:
    """Exclude in `why` those that are over; the cheapest stays where nobody else does, if every
    budget that it crosses lets it."""
    hard = over.lenient | over.firm
    left = [i for i, out in why.items() if out is None]
    losing = [i for i in left if i in hard]
    spared = [i for i in losing if i not in over.firm]
    if spared and len(losing) == len(left):
        cost = view.cost[0]
        losing.remove(min(spared, key=lambda i: (float(cost[i]), i)))
    for i in losing:
        why[i] = (Exclusion.OVER_BUDGET, hard[i])


def refuses(view: View) -> bool:
    """Whether one of the task's budgets refuses what does not fit."""
    found = [account.budget for account in accounts(view.state, view.query)]
    return any(b.usd is not None and b.exhausted == "refuse" for b in found)


def exhausted(view: View, metadata: Mapping[str, str], over: Sequence[Excluded]) -> RouterError:
    """The refusal of a task that nobody fits into the budgets of; says when to come again, if ever.

    over: the agents that they leave out.
    """
    index = [view.state.roster.index[e.agent_id] for e in over]
    never = [too_small(view, i) for i in index]
    text = f"nobody fits into the budget: {over[0].agent_id} {over[0].detail}"
    if all(never):
        text += f". No window will do, since budget {never[0]} in a whole one: raise its `usd`"
        if refuses(view):
            text += ", or have the cheapest agent go on all the same with `exhausted: cheapest`"
    waits = [wait_ms(view, i) for i, small in zip(index, never, strict=True) if not small]
    return RouterError(
        ErrorReason.BUDGET_EXHAUSTED,
        text,
        metadata=metadata,
        retry_after_ms=min(waits, default=None),
    )


def too_small(view: View, index: int) -> str:
    """A budget that an agent never fits into, and what it has in a window; "" without one."""
    for budget, _, _ in accounts(view.state, view.query):
        if budget.usd is not None and float(view.cost[0][index]) > budget.usd:
            return f"{budget.id} has {budget.usd:.6g} USD"
    return ""


def wait_ms(view: View, index: int) -> int:
    """How long until an agent fits into every budget of money, in ms, if nothing more is spent."""
    now, cost = view.time_ms, float(view.cost[0][index])
    ends = [
        window_ms(budget) - now % window_ms(budget)
        for budget, _, ledger in accounts(view.state, view.query)
        if budget.usd is not None and cost > ledger.at(window_of(budget, now)).left_usd(budget)
    ]
    return max(ends)


def budget(law: Law, view: View) -> Law:
    """Say that a price of money moved the policy's law."""
    return law.by("budget") if view.price else law


def exploration_cap(law: Law, view: View) -> Law:
    """Note what the policy's law gives up; above the cap it keeps only its floor."""
    cap = view.state.config.exploration_cap
    if cap.share >= 1.0 or view.query.agent_id:
        return law
    mean, _ = view.utility_of(law.eligible)
    best = float(mean.max())
    spent = view.state.explored.at(cap_window(cap, view.time_ms))
    if spent.given_up > cap.share * spent.best:
        p = point(mean, floor_of(view.state.config.policy, view.state.learner.count))
        law = law.by("exploration_cap", p=p)
    given_up = max(best - float(law.p @ mean), 0.0)
    return replace(law, given_up=(given_up, max(best, 0.0)))

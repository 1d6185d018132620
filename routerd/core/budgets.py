"""The budgets that a task is charged to. Marks, in event time.

A decision is charged with the cost that is predicted of its agent, and with the real one when that
is told: so what is in flight counts, and who tells no costs is charged what was expected. Prices
move when outcomes come, never between the decisions of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from learners.pacing import hull_slope, opened
from routerd.core.encode import category, matches
from routerd.core.events import Decision
from routerd.core.ledger import Explored, Ledger, cap_window, target_usd, window_of
from routerd.core.rules import Budget
from routerd.core.settings import EngineConfig
from routerd.core.state import OpenDecision, State
from routerd.core.tally import COST, QUALITY
from routerd.core.values import Query

OTHERS = "*"
"""The value that those beyond `limits.budget_values` share."""

NEW = Ledger()


class Account(NamedTuple):
    """A budget that a task is charged to: the value of its `per`, and what stands there."""

    budget: Budget
    value: str
    ledger: Ledger


def accounts(state: State, query: Query) -> Iterator[Account]:
    """The accounts of a task."""
    for budget in state.config.budgets:
        if matches(query, budget.when):
            known = state.ledgers.get(budget.id, {})
            value = value_of(query, budget)
            if value not in known and is_full(state, known):
                value = OTHERS
            yield Account(budget, value, known.get(value, NEW))


def value_of(query: Query, budget: Budget) -> str:
    """A task's value of a budget's `per`; one that begins like OTHERS gets a second star."""
    value = category(query, budget.per) if budget.per else ""
    return f"{OTHERS}{value}" if value.startswith(OTHERS) else value


def is_full(state: State, known: Mapping[str, Ledger]) -> bool:
    """Whether as many values have a budget of their own as may."""
    return len(known) - (OTHERS in known) >= state.config.limits.budget_values


def price(state: State, query: Query) -> float:
    """What a USD weighs for a task beyond its preference, in utility."""
    return sum(account.ledger.price for account in accounts(state, query))


def charge(state: State, entry: OpenDecision) -> None:
    """A decision was made: what it is expected to cost is spent."""
    decision = entry.decision
    assert decision.predicted_usd is not None, "a decision without budgets is charged nothing"
    entry.charged_usd = decision.predicted_usd
    for budget, value, ledger in accounts(state, decision.query):
        window = window_of(budget, decision.time_ms)
        if value == OTHERS and ledger.window < window:
            make_room(state, budget, window)
        begun = ledger if ledger.since else replace(ledger, since=entry.position)
        now = begun.at(window)
        now = now.charged(decision.predicted_usd, 1)
        put(state, budget, value, now.carrying(budget, decision.predicted_usd, 1))
        entry.charged_to = (*entry.charged_to, (budget.id, value))


def make_room(state: State, budget: Budget, window: int) -> None:
    """Let go of the values that had no task in this window and in all of the last.

    Once a window, at the first task that finds no place, which is for those behind it.
    """
    known = state.ledgers.get(budget.id, {})
    if is_full(state, known):
        state.ledgers[budget.id] = {
            value: ledger
            for value, ledger in known.items()
            if value == OTHERS or ledger.window >= window - 1
        }


def settle(state: State, entry: OpenDecision, time_ms: int) -> None:
    """What a decision cost is spent in place of what was expected, and moves the price.

    Until its cost is told it is as expected. One whose agent was not let is charged nothing then,
    and counts for nothing. It counts in the window of its decision, if that still runs, and for the
    budgets that the decision was charged to.
    """
    held, cost = entry.charged_usd, entry.credit.cost_usd
    if cost is None and not entry.refused:
        cost = entry.decision.predicted_usd
    if not entry.charged_to or (cost is None and held is None):
        return
    entry.charged_usd = cost
    usd = (cost or 0.0) - (held or 0.0)
    counted = (cost is not None) - (held is not None)
    first, entry.priced = not entry.priced, entry.priced or cost is not None
    for budget, value, ledger in charged_to(state, entry):
        now = recharged(ledger, budget, entry, time_ms, usd, counted)
        if entry.priced and not now.dual:
            now = opened_at(state, budget, now, time_ms)
        elif entry.priced and (first or usd):
            told = (cost or 0.0) if first else usd
            now = now.repriced(budget, time_ms, told, first=first)
        put(state, budget, value, now)


def charged_to(state: State, entry: OpenDecision) -> Iterator[Account]:
    """The accounts that a decision was charged to when it was made, as far as they are the same.

    A value may have a budget of its own since, or have lost it.
    """
    budgets = {budget.id: budget for budget in state.config.budgets}
    for name, value in entry.charged_to:
        ledger = state.ledgers.get(name, {}).get(value, NEW)
        if 0 < ledger.since <= entry.position:
            yield Account(budgets[name], value, ledger)


def recharged(
    ledger: Ledger,
    budget: Budget,
    entry: OpenDecision,
    time_ms: int,
    usd: float,
    decisions: int,
) -> Ledger:
    """A ledger with so much more charged to a decision, in its window if that still runs."""
    now = ledger.at(max(window_of(budget, time_ms), ledger.window))
    if now.window == window_of(budget, entry.decision.time_ms):
        now = now.charged(usd, decisions)
    return now.carrying(budget, usd, decisions)


def opened_at(state: State, budget: Budget, ledger: Ledger, time_ms: int) -> Ledger:
    """The ledger with the price that the agents' records suggest, once two of them have any."""
    tally, points = state.tally, []
    for index in state.roster.everyone:
        arm = state.roster.arm(index)
        told, total = tally.told[arm].sum(axis=0), tally.total[arm].sum(axis=0)
        if told[QUALITY] > 0 and told[COST] > 0:
            quality = state.config.utility.quality * float(total[QUALITY] / told[QUALITY])
            points.append((float(total[COST] / told[COST]), quality))
    if len(points) < 2:
        return ledger
    target = target_usd(ledger, budget, time_ms)
    return ledger.with_pace(opened(hull_slope(points, target), target), target)


def charge_exploration(state: State, event: Decision) -> None:
    """A decision was made under a cap of exploration."""
    assert event.given_up is not None
    given_up, best = event.given_up
    held = state.explored.at(cap_window(state.config.exploration_cap, event.time_ms))
    state.explored = Explored(held.window, held.given_up + given_up, held.best + best)


def put(state: State, budget: Budget, value: str, ledger: Ledger) -> None:
    state.ledgers.setdefault(budget.id, {})[value] = ledger


def keep_ledgers(state: State, config: EngineConfig) -> None:
    """Of the ledgers, those whose budget is the same in a new configuration."""
    before = {budget.id: budget for budget in state.config.budgets}
    same = [budget.id for budget in config.budgets if before.get(budget.id) == budget]
    state.ledgers = {name: state.ledgers[name] for name in same if name in state.ledgers}

"""One run of a replay: who is called what, what a contestant may know, and one thread for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from bench.data.recorded import DataError, Recorded
from bench.replay import baselines
from bench.replay.contest import (
    Conditions,
    Contestant,
    Factory,
    Played,
    Skipped,
    play,
    stream,
    taught_first,
)

GROUPS = ("baselines", "peers")
OWN_SUFFIXES = (".yaml", ".yml", ".json")


class Run(NamedTuple):
    """One policy on the stream of one seed. first: tasks that it is told in full before."""

    data: Recorded
    policy: str
    seed: int
    first: Recorded | None = None


def default_names() -> list[str]:
    """What is replayed when nothing is named: the default, and the baselines."""
    return [*baselines.POLICIES, *baselines.INFORMED]


def peers() -> dict[str, Factory]:
    """The peers' contestants by name; none of their libraries is imported here."""
    from bench.replay.peers import PEERS

    return PEERS


def expanded(names: Sequence[str]) -> list[str]:
    """Names without repetition, `baselines` and `peers` replaced by their members."""
    found: dict[str, None] = {}
    for name in names:
        members = default_names() if name == "baselines" else peers() if name == "peers" else [name]
        found.update(dict.fromkeys(members))
    return list(found)


def enter(run: Run, conditions: Conditions) -> Contestant:
    """The contestant of a run, which knows the tasks and no outcome.

    Raises DataError for an unknown name, Skipped when it cannot take part, ConfigErrors.
    """
    data, name, seed, first = run
    if name in baselines.INFORMED:
        if first is not None:
            raise Skipped(f"it is fitted to the outcomes, so {first.name} would tell it nothing")
        return baselines.INFORMED[name](data, conditions.cost_weight, seed)
    data = data.blind() if first is None else data.after(first)
    if conditions.order != "time":
        data = replace(data, time_ms=None)
    if name in baselines.POLICIES:
        return baselines.POLICIES[name](data, conditions.cost_weight, seed)
    if name.endswith(OWN_SUFFIXES):
        return baselines.own(name, data, conditions.cost_weight, seed)
    known = peers()
    if name not in known:
        there = ", ".join([*default_names(), *GROUPS])
        raise DataError(
            f"no policy is called {name!r}; there are {there}, peers by name, and files"
        )
    return known[name](data, conditions.cost_weight, seed)


def run_one(run: Run, conditions: Conditions) -> Played:
    """One run on one thread, so that its bits do not depend on how many run beside it."""
    with one_thread():
        on = stream(run.data, run.seed, conditions)
        if run.first is not None:
            on = taught_first(run.first, run.seed, on)
        contestant = enter(run, conditions)
        if conditions.budget_usd is not None and isinstance(contestant, baselines.Routed):
            contestant.keep_to(conditions.budget_usd, len(on.scored))
        return play(contestant, on, conditions)


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one thread, where threadpoolctl is there to say so."""
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    limits: AbstractContextManager[Any] = import_module("threadpoolctl").threadpool_limits(1)
    return limits

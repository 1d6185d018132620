"""Variants of the default policy on the same streams: another setting, constant or no features.

Every variant sees the same streams, so that the differences are paired by seed. Utility is scored.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import structs

from bench.baselines import Routed, configured
from bench.contest import Conditions, play, stream
from bench.recorded import Array, Recorded, utility
from bench.replay import one_thread
from bench.stats import bootstrap_ci
from learners.base import Arms
from learners.pooled import PooledRegression
from routerd.core import outlook
from routerd.core.settings import EngineConfig, Policy, ValuePolicy

Draw = tuple[int, int]
"""So many agents and tasks, another draw of them for each seed."""

Constants = Mapping[Any, Mapping[str, Any]]
"""Of each module or class: the names that are replaced while a variant runs, and by what."""


class Variant(NamedTuple):
    """The default but for what is given here. features: whether tasks have any."""

    name: str
    policy: Policy = ValuePolicy()
    constants: Constants = {}
    features: bool = True


_joint = PooledRegression.joint


def joint_given_shared(
    self: PooledRegression, x: Array, at: Array, arms: Arms
) -> tuple[Array, Array, Array]:
    """In the place of PooledRegression.joint: what all arms share counts as known."""
    given = copy(self)
    given.v = np.zeros_like(self.v)
    return _joint(given, x, at, arms)


SHARED_AS_IF_KNOWN: Constants = {PooledRegression: {"joint": joint_given_shared}}


def nobody_leads(mean: Array) -> Array:
    """In the place of learners.policies.lead: every agent's horizon counts in full."""
    return np.zeros(mean.shape[-1])


HORIZON_IN_FULL: Constants = {outlook: {"lead": nobody_leads}}


@contextmanager
def replaced(constants: Constants) -> Iterator[None]:
    """The constants stand replaced for the while."""
    held = [(of, name, getattr(of, name)) for of, names in constants.items() for name in names]
    try:
        for of, names in constants.items():
            for name, value in names.items():
                setattr(of, name, value)
        yield
    finally:
        for of, name, value in held:
            setattr(of, name, value)


def earned(
    data: Recorded, variant: Variant, seed: int, cost_weight: float, draw: Draw | None = None
) -> float:
    """Mean utility of one variant on the stream of one seed."""
    if draw is not None:
        data = data.drawn(*draw, seed)
    with one_thread(), replaced(variant.constants):
        conditions = Conditions(cost_weight=cost_weight)
        on = stream(data, seed, conditions)
        # shuffled tasks come at no time, as in a replay
        blind = replace(data.blind(), time_ms=None)
        config: EngineConfig = configured(blind, cost_weight, seed, variant.policy)
        if not variant.features:
            config = structs.replace(config, features=())
        played = play(Routed(variant.name, config, blind), on, conditions)
        u = utility(on.quality, on.cost_usd, cost_weight)[on.scored]
        return float(u[np.arange(len(played.arms)), played.arms].mean())


def scores(
    data: Recorded,
    variants: Sequence[Variant],
    seeds: int,
    cost_weight: float,
    jobs: int,
    draw: Draw | None = None,
) -> Array:
    """What every variant earned on every stream, (variants, seeds). The tasks are complete."""
    from joblib import Parallel, delayed

    work = [(variant, seed) for variant in variants for seed in range(seeds)]
    runs = Parallel(n_jobs=jobs)(delayed(earned)(data, *one, cost_weight, draw) for one in work)
    return np.array(runs).reshape(len(variants), seeds)


def change(gain: Array) -> dict[str, Any]:
    """The mean of paired differences, (seeds,), and its 95% interval, as the results tell them."""
    return {"change": float(gain.mean()), "ci95": list(bootstrap_ci(gain))}


def options(prog: str, about: str | None) -> argparse.ArgumentParser:
    """The command line that rooms of variants share."""
    ask = argparse.ArgumentParser(prog=f"python -m {prog}", description=about)
    ask.add_argument("files", nargs="+", metavar="FILE")
    ask.add_argument("--seeds", type=int, default=20)
    ask.add_argument("--cost-weight", type=float, default=0.0)
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--out", type=Path, required=True)
    return ask

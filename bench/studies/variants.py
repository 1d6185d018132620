"""Variants of the default policy on the same streams: another setting, constant or no features.

Every variant sees the same streams, so that the differences are paired by seed. Utility is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from msgspec import structs

from bench.data.recorded import Array, Recorded, utility
from bench.replay.baselines import Routed, configured
from bench.replay.contest import Conditions, play, stream
from bench.replay.runs import one_thread
from bench.stats import bootstrap_ci
from bench.studies.streams import Streams
from learners import pooled
from learners.base import Arms
from learners.pooled import PooledRegression
from routerd.core import outlook
from routerd.core.settings import Agent, EngineConfig, Policy, ValuePolicy

Constants = Mapping[Any, Mapping[str, Any]]
"""Of each module or class: the names that are replaced while a variant runs, and by what."""


Define = Callable[[tuple[Agent, ...], Recorded, float, int], tuple[Agent, ...]]
"""The agents with what is declared of them; by the data, the weight of cost and the seed."""


class Variant(NamedTuple):
    """The default but for what is given here. features: whether tasks have any."""

    name: str
    policy: Policy = ValuePolicy()
    constants: Constants = {}
    features: bool = True
    define: Define | None = None


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

_estimate_scales = pooled.estimate_scales


def numbers_as_categories(lam: Array, h: Array, n: float, ss: float) -> tuple[Array, float]:
    """In the place of pooled.estimate_scales: slopes of numbers have the least scale as well."""
    scales, noise = _estimate_scales(lam, h, n, ss)
    scales[3] = max(scales[3], scales[1])
    return scales, noise


NUMBERS_AS_CATEGORIES: Constants = {pooled: {"estimate_scales": numbers_as_categories}}


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


def earned(streams: Streams, variant: Variant, seed: int, cost_weight: float) -> float:
    """Mean utility of one variant on the stream of one seed."""
    data = streams.of(seed)
    with one_thread(), replaced(variant.constants):
        conditions = Conditions(cost_weight=cost_weight)
        on = stream(data, seed, conditions)
        # shuffled tasks come at no time, as in a replay
        blind = replace(data.blind(), time_ms=None)
        config: EngineConfig = configured(blind, cost_weight, seed, variant.policy)
        if not variant.features:
            config = structs.replace(config, features=())
        if variant.define is not None:
            agents = variant.define(config.agents, data, cost_weight, seed)
            config = structs.replace(config, agents=agents)
        played = play(Routed(variant.name, config, blind), on, conditions)
        u = utility(on.quality, on.cost_usd, cost_weight)[on.scored]
        return float(u[np.arange(len(played.arms)), played.arms].mean())


def scores(
    streams: Streams, variants: Sequence[Variant], seeds: int, cost_weight: float, jobs: int
) -> Array:
    """What every variant earned on every stream, (variants, seeds)."""
    from joblib import Parallel, delayed

    work = [(variant, seed) for variant in variants for seed in range(seeds)]
    runs = Parallel(n_jobs=jobs)(delayed(earned)(streams, *one, cost_weight) for one in work)
    return np.array(runs).reshape(len(variants), seeds)


def change(gain: Array) -> dict[str, Any]:
    """The mean of paired differences, (seeds,), and its 95% interval, as the results tell them."""
    return {"change": float(gain.mean()), "ci95": list(bootstrap_ci(gain))}


def against_first(
    streams: Streams,
    variants: Sequence[Variant],
    what: str,
    seeds: int,
    cost_weight: float,
    jobs: int,
    told: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each variant: what it earned, and what that is more than the first, paired.

    what: how the variants differ from the first. told: hears a line for each.
    """
    score = scores(streams, variants, seeds, cost_weight, jobs)
    rows = []
    for variant, mine in zip(variants, score, strict=True):
        paired = change(mine - score[0])
        low, high = paired["ci95"]
        told(
            f"{streams.name:18} {mine.mean():.4f} {paired['change']:+.4f} [{low:+.4f}, {high:+.4f}]"
            f"  {what} {variant.name}"
        )
        rows.append(
            {
                "dataset": streams.name,
                what: variant.name,
                "seeds": seeds,
                "utility_mean": float(mine.mean()),
                **paired,
                "worst_seed": float(mine.min()),
            }
        )
    return rows

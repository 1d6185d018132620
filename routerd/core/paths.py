"""What it is worth to start with an agent, when a reviewer may call in another one after it.

With p the probability that the result's reported confidence is below `thresholds.cascade`, a and e
the quality of what is accepted and of what is escalated,

    quality = (1 - p) a + p e        cost = cost of the start + p * cost of the next agent

All three are learnt from the start's own decisions, by arm and kind of work: the reviewer's
answers, and what came of each. A start is worth that path, or its own utility where that is more,
so the law does not start cheap where it does not pay. Each step teaches its own agent as ever;
that an agent sees the harder tasks when it comes second is the path's to know.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from learners.base import Array
from routerd.core.encode import matches
from routerd.core.state import State
from routerd.core.values import Query

ESCALATED, ACCEPTED, SECOND = range(3)
"""Of a start: whether it was escalated, the quality that was accepted, that after escalation."""
KINDS = 3

Terms = tuple[tuple[int, int, float], ...]
"""(kind, arm, value): what one decision contributes."""


class Seen(Protocol):
    """What a decision looks at (see routerd.core.view)."""

    state: State
    query: Query
    quality_weight: float
    cost_weight: float

    @property
    def quality(self) -> tuple[Array, Array]: ...

    @property
    def alone(self) -> tuple[Array, Array]: ...


class Paths(NamedTuple):
    """Of each start: its utility's mean and variance (k,); whether it climbs, and to whom.

    next: indices among the starts; -1 for none.
    """

    mean: Array
    variance: Array
    climbs: tuple[bool, ...]
    next: tuple[int, ...]


def terms(arm: int, sure: bool | None, quality: float | None, start: int) -> Terms:
    """What a decision teaches of paths.

    arm: who ran. sure: whether the reported confidence was high enough; None without one. start:
    the arm that began the path, of which this is a later step; -1 when this is the start.
    """
    told: Terms = ()
    if sure is not None:
        told = ((ESCALATED, arm, 0.0 if sure else 1.0),)
        if sure and quality is not None:
            told = (*told, (ACCEPTED, arm, quality))
    if start >= 0 and quality is not None:
        told = (*told, (SECOND, start, quality))
    return told


def paths(view: Seen, eligible: tuple[int, ...], mean: Array, variance: Array) -> Paths:
    """mean, variance (k,): of each one's utility when it is not followed by another."""
    state, cell = view.state, view.query.cell
    tau, settings = state.config.thresholds.cascade, state.config.cascade
    assert settings is not None
    index = list(eligible)
    quality = np.clip(view.quality[0][index], 0.0, 1.0)
    hoped = hopes(view)[index]
    after = following(view, eligible, hoped, mean)
    arms = np.array([state.roster.arm(i) for i in eligible], dtype=np.intp)
    half = np.full(len(index), 0.5)
    p, count = state.paths.predict(cell, arms, ESCALATED, half)
    accepted, _ = state.paths.predict(cell, arms, ACCEPTED, np.maximum(quality, tau))
    second, _ = state.paths.predict(cell, arms, SECOND, hoped[after])
    weight = view.quality_weight
    price = weight * quality[after] - mean[after]  # of the next agent's cost and latency
    gained = weight * ((1.0 - p) * accepted + p * second - quality)
    worth = mean + gained - p * price - view.cost_weight * settings.review_usd
    step = weight * (accepted - second) + price
    spread = (1.0 - p) ** 2 * variance + p**2 * variance[after]
    spread += step**2 * p * (1.0 - p) / (count + 1.0)
    climbs = after >= 0
    if not settings.ladders:
        climbs &= worth > mean
    return Paths(
        np.where(climbs, worth, mean),
        np.where(climbs, spread, variance),
        tuple(climbs.tolist()),
        tuple(after.tolist()),
    )


def hopes(view: Seen) -> Array:
    """Over the roster: the quality that an agent may well have.

    Whoever is never tried first is hardly known, so it is hoped for until it is.
    """
    mean, variance = view.quality
    return np.clip(mean + np.sqrt(variance), 0.0, 1.0)


def following(view: Seen, eligible: tuple[int, ...], hoped: Array, mean: Array) -> Array:
    """(k,): whom each is followed by, -1 for nobody.

    By the ladders, or else the one of highest utility among those that may be as good.
    """
    settings = view.state.config.cascade
    assert settings is not None
    if settings.ladders:
        return np.array([rung(view, eligible, i) for i in eligible], dtype=np.intp)
    better = hoped[None, :] >= hoped[:, None]
    np.fill_diagonal(better, False)
    best = np.where(better, mean[None, :], -np.inf).argmax(axis=1)
    return np.where(better.any(axis=1), best, -1)


def next_after(view: Seen, eligible: tuple[int, ...], last: int) -> int:
    """Index into eligible of the agent that follows the one at a roster index; -1 for nobody."""
    settings = view.state.config.cascade
    assert settings is not None
    if settings.ladders:
        return rung(view, eligible, last)
    hoped, mean = hopes(view), view.alone[0]
    as_good = [i for i, k in enumerate(eligible) if hoped[k] >= hoped[last]]
    return max(as_good, key=lambda i: float(mean[eligible[i]]), default=-1)


def rung(view: Seen, eligible: tuple[int, ...], index: int) -> int:
    """Index into eligible of the next agent on the ladder of the one at a roster index; or -1."""
    settings, roster = view.state.config.cascade, view.state.roster
    assert settings is not None
    name = roster.ids[index]
    for ladder in settings.ladders:
        if name in ladder.agents and matches(view.query, ladder.when):
            above = ladder.agents[ladder.agents.index(name) + 1 :]
            held = (roster.index.get(agent_id, -1) for agent_id in above)
            return next((eligible.index(i) for i in held if i in eligible), -1)
    return -1

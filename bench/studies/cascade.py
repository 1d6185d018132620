"""Do cascades pay? A router that may call in a second agent, against mixtures of agents.

Each seed plays all tasks in an order of its own on a fresh router: it chooses a start, hears what a
reviewer says of the result, and goes on to another agent where its answer says so. Its quality and
cost, all exploring included, are held against the best mixture of single agents, known in
hindsight, that costs the same: the upper hull of the agents' (cost, quality). No mixture that
chooses blindly can lie above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from bench.data.recorded import Array, DataError
from bench.data.tablefile import open_table
from bench.engine import Engine
from bench.pages.pictures import Line, Scale, lines
from bench.stats import bootstrap_ci
from routerd.core.settings import EngineConfig
from routerd.core.values import Evidence, FollowCause, Follows, Task

NEEDED = ("task_id", "agent_id", "quality", "cost_usd")
STEPS = 3
HULL_POINTS = 60


class Judged(NamedTuple):
    """Tasks that every agent did and a reviewer judged: quality, cost_usd, confidence (n, K)."""

    agents: tuple[str, ...]
    task_ids: tuple[str, ...]
    domain: tuple[str, ...]
    quality: Array
    cost_usd: Array
    confidence: Array


class Point(NamedTuple):
    """One setting over all seeds: cost_weight, quality per USD. gain: quality above the best
    mixture at equal cost, paired by seed, with its interval. second: tasks that two agents did."""

    cost_weight: float
    tau: float | None
    seeds: int
    quality: float
    cost_usd: float
    gain: float
    ci95: tuple[float, float]
    worst_seed: float
    second: float
    starts: dict[str, float]


def judged(path: Path, column: str) -> Judged:
    """The tasks of a file that have a reviewer's confidence for every agent it judged at all."""
    table = open_table(path)
    missing = [name for name in (*NEEDED, column) if name not in table.names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; cascades need it")
    tasks, agents = ([t or "" for t in table.texts(name)] for name in ("task_id", "agent_id"))
    domains = table.texts("domain") if "domain" in table.names else [""] * len(tasks)
    numbers = [table.floats(name) for name in ("quality", "cost_usd", column)]
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    domain_of: dict[str, str] = {}
    for row, (task, agent) in enumerate(zip(tasks, agents, strict=True)):
        values = tuple(float(column[row]) for column in numbers)
        if not np.isnan(values).any():
            found.setdefault(task, {})[agent] = values
            domain_of[task] = domains[row] or ""
    known = sorted({agent for by_agent in found.values() for agent in by_agent})
    whole = sorted(task for task, by_agent in found.items() if len(by_agent) == len(known))
    if not whole or len(known) < 2:
        raise DataError(f"{path}: no task has {column} for two agents or more")
    cells = np.array([[found[task][agent] for agent in known] for task in whole])
    domain = tuple(domain_of[task] for task in whole)
    return Judged(tuple(known), tuple(whole), domain, *np.moveaxis(cells, 2, 0))


def mixture(data: Judged, cost_usd: float) -> float:
    """The quality of the best mixture of single agents that costs at most so much."""
    cost, quality = data.cost_usd.mean(axis=0), data.quality.mean(axis=0)
    best = max((q for c, q in zip(cost, quality, strict=True) if c <= cost_usd), default=-np.inf)
    for c, q in zip(cost, quality, strict=True):
        for dear, better in zip(cost, quality, strict=True):
            if c <= cost_usd <= dear and c < dear:
                best = max(best, q + (better - q) * (cost_usd - c) / (dear - c))
    return float(best)


def config(data: Judged, cost_weight: float, tau: float | None, seed: int) -> EngineConfig:
    """The shipped default, which weighs cost; with a cascade unless tau is None."""
    plain = {
        "agents": [{"id": agent} for agent in data.agents],
        "clock": "logical",
        "seed": seed,
        "utility": {"cost": cost_weight * 0.001, "cost_scale_usd": 0.001},
    }
    cascade = {} if tau is None else {"cascade": {}, "thresholds": {"cascade": tau}}
    return msgspec.convert({**plain, **cascade}, EngineConfig)


def play(data: Judged, cost_weight: float, tau: float | None, seed: int) -> tuple[Array, Array]:
    """One seed: (quality, cost, steps) of each task, and how often each agent was the start."""
    engine = Engine(config(data, cost_weight, tau, seed))
    told, starts = np.zeros((len(data.task_ids), 3)), np.zeros(len(data.agents))
    for i in np.random.default_rng(seed).permutation(len(data.task_ids)):
        task, follows = Task(work_type=data.domain[i]), None
        for step in range(min(STEPS, len(data.agents))):
            k, _, name = engine.choose(task, f"{i}-{step}", follows=follows)
            starts[k] += step == 0
            sure, cost = float(data.confidence[i, k]), float(data.cost_usd[i, k])
            below = engine.state.decisions[name].decision.escalate_below
            quality = float(data.quality[i, k])
            engine.learn(name, quality, cost, reported_confidence=sure)
            told[i] = quality, told[i, 1] + cost, step + 1
            if below is None or sure >= below:
                break
            evidence = Evidence(reported_confidence=sure)
            follows = Follows(name, FollowCause.LOW_CONFIDENCE, evidence)
    return told, starts


def measure(
    data: Judged, cost_weight: float, tau: float | None, seeds: int, tick: Callable[[], None]
) -> Point:
    played = []
    for seed in range(seeds):
        played.append(play(data, cost_weight, tau, seed))
        tick()
    quality, cost, steps = np.array([told.mean(axis=0) for told, _ in played]).T
    gains = quality - np.array([mixture(data, c) for c in cost])
    starts = np.mean([starts for _, starts in played], axis=0) / len(data.task_ids)
    return Point(
        cost_weight=cost_weight,
        tau=tau,
        seeds=seeds,
        quality=float(quality.mean()),
        cost_usd=float(cost.mean()),
        gain=float(gains.mean()),
        ci95=bootstrap_ci(gains),
        worst_seed=float(gains.min()),
        second=float(steps.mean() - 1.0),
        starts=dict(zip(data.agents, starts.tolist(), strict=True)),
    )


def frontier(data: Judged, points: Sequence[Point]) -> str:
    """Cost and quality of every setting, over the hull of the mixtures, as an <svg>."""
    cost = data.cost_usd.mean(axis=0)
    most = max(point.cost_usd for point in points) * 1.1
    grid = np.linspace(cost.min(), min(most, cost.max()), HULL_POINTS).tolist()
    hull = Line("best mixtures", grid, [mixture(data, c) for c in grid], colour="#000", dash="6 4")
    drawn = [hull]
    colours = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e")
    weights = sorted({point.cost_weight for point in points})
    for colour, weight in zip(colours, weights, strict=False):
        chosen = sorted((p for p in points if p.cost_weight == weight), key=lambda p: p.cost_usd)
        drawn.append(
            Line(
                f"{weight:g} per USD",
                [p.cost_usd for p in chosen],
                [p.quality for p in chosen],
                colour=colour,
                dots=True,
            )
        )
    alt = "Mean quality over mean cost of cascades at several tau, above the mixtures of agents"
    x = Scale("mean cost of a task, USD", lambda v: f"{v:.2g}")
    y = Scale("mean quality", lambda v: f"{v:.2f}")
    return lines(alt, x, y, drawn)

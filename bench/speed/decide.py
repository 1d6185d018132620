"""How long one decision and one observation take in-process, on a grid of agents and features.

A decision is what stands between the wire and the log: features, posterior, law, draw, reasons.
Its fold counts in the steps per second, like all else that a step takes. An observation is the fold
of one outcome: of quality as the peers have it, and, as `routerd+cost`, of quality and cost, which
decisions then weigh. `routerd*64` decides on 64 tasks at once, as a batch does; each has its share.
No log, no wire: those are measured by the load bench. Peers run on the same tasks, each by the
interface that its room in bench.replay.peers names; they get x ready-made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from bench.data.recorded import Array
from bench.engine import Engine
from routerd.core.settings import Agent, CategoryFeature, EngineConfig, NumberFeature, Utility
from routerd.core.values import Task
from routerd.core.view import AT_ONCE

GRID = ((3, 26), (8, 32), (16, 64))
WARM_UP, STEPS, PEER_STEPS = 500, 3_000, 1_000
NUMBERS = 4

Told = Callable[[str], None]


class Step(NamedTuple):
    """Seconds of a decision, of the observation of its outcome, and of both with the fold."""

    decided: float
    learned: float
    whole: float


class DecideTimes(msgspec.Struct):
    """Times in microseconds over the steps after the warm-up."""

    system: str
    agents: int
    features: int
    steps: int
    decide_us_p50: float
    decide_us_p99: float
    learn_us_p50: float
    learn_us_p99: float
    steps_per_s: float


def engine(agents: int, features: int, cost_weight: float = 0.0) -> Engine:
    """The default policy over x of `features` columns: the intercept, numbers and a category."""
    numbers = tuple(NumberFeature(name=f"n{i}") for i in range(NUMBERS))
    slots = features - 1 - NUMBERS
    made = Engine(
        EngineConfig(
            agents=tuple(Agent(id=f"agent-{i:02d}") for i in range(agents)),
            clock="logical",
            features=(*numbers, CategoryFeature(name="work_type", slots=slots)),
            utility=Utility(cost=cost_weight),
        )
    )
    assert made.state.encoder.width == features
    return made


def tasks(features: int, count: int) -> Iterator[tuple[Task, float]]:
    """Seeded tasks with the quality that each will show."""
    rng = np.random.default_rng(1)
    kinds = features - 1 - NUMBERS
    for _ in range(count):
        numbers = {f"n{i}": float(rng.normal()) for i in range(NUMBERS)}
        yield Task(work_type=f"w{rng.integers(kinds)}", features=numbers), float(rng.random())


def step(on: Engine, task: Task, request_id: str, quality: float, cost_usd: float | None) -> Step:
    """One decision and the observation of its outcome."""
    started = time.perf_counter()
    made = on.decide(task, request_id)
    decided = time.perf_counter()
    decision_id = on.take(*made)
    taken = time.perf_counter()
    on.learn(decision_id, quality, cost_usd)
    ended = time.perf_counter()
    return Step(decided - started, ended - taken, ended - started)


def measure(agents: int, features: int, *, costs: bool = False) -> DecideTimes:
    """Time the engine on one point of the grid."""
    on = engine(agents, features, cost_weight=0.1 if costs else 0.0)
    times = [
        step(on, task, f"r{i}", quality, 0.01 * quality if costs else None)
        for i, (task, quality) in enumerate(tasks(features, WARM_UP + STEPS))
    ]
    name = "routerd+cost" if costs else "routerd"
    return row(name, agents, features, np.array(times)[WARM_UP:])


def measure_together(agents: int, features: int) -> DecideTimes:
    """Time decisions that are made so many at once, and then learnt from."""
    on = engine(agents, features)
    seen, quality = zip(*tasks(features, WARM_UP + STEPS), strict=True)
    asked = [(task, f"r{i}") for i, task in enumerate(seen)]
    for i, (task, request_id) in enumerate(asked[:WARM_UP]):
        step(on, task, request_id, quality[i], None)
    times = []
    for first in range(WARM_UP, len(asked) - AT_ONCE + 1, AT_ONCE):
        made, taken, share, folded = on.decide_many(asked[first : first + AT_ONCE]), [], 0.0, 0.0
        for _ in range(AT_ONCE):
            began = time.perf_counter()
            decision, view = next(made)
            share += (time.perf_counter() - began) / AT_ONCE
            taken.append(on.take(decision, view))
            folded += (time.perf_counter() - began) / AT_ONCE
        for i, decision_id in enumerate(taken, first):
            began = time.perf_counter()
            on.learn(decision_id, quality[i])
            learned = time.perf_counter() - began
            times.append(Step(share, learned, folded + learned))
    return row(f"routerd*{AT_ONCE}", agents, features, np.array(times))


def measure_peers(agents: int, features: int, told: Told) -> Iterator[DecideTimes]:
    """Time every family of peers on the same tasks, of which they get x ready-made."""
    from bench.replay.contest import Skipped
    from bench.replay.peers import FAMILIES, encoded, peer_times

    seen, quality = zip(*tasks(features, WARM_UP + PEER_STEPS), strict=True)
    x = encoded(engine(agents, features).state.encoder, seen)
    earned = np.repeat(np.array(quality)[:, None], agents, axis=1)
    for family in FAMILIES:
        try:
            times = peer_times(family, x, earned)[WARM_UP:]
            yield row(family, agents, features, np.column_stack([times, times.sum(axis=1)]))
        except Skipped as why:
            told(f"skipped {family}: {why}")


def row(system: str, agents: int, features: int, times: Array) -> DecideTimes:
    """One line of the table from the seconds (n, 3) of steps."""
    decided, learned, whole = (1e6 * times).T
    return DecideTimes(
        system=system,
        agents=agents,
        features=features,
        steps=len(times),
        decide_us_p50=round(float(np.percentile(decided, 50)), 1),
        decide_us_p99=round(float(np.percentile(decided, 99)), 1),
        learn_us_p50=round(float(np.percentile(learned, 50)), 1),
        learn_us_p99=round(float(np.percentile(learned, 99)), 1),
        steps_per_s=round(1e6 / float(whole.mean())),
    )


def warn(line: str) -> None:
    """Say on stderr who was left out."""
    print(line, file=sys.stderr)


def run(told: Told = warn) -> list[DecideTimes]:
    """The whole grid, one point after the other, routerd first and then the peers.

    told is given a sentence for each peer that is not installed.
    """
    return [
        times
        for agents, features in GRID
        for times in (
            measure(agents, features),
            measure(agents, features, costs=True),
            measure_together(agents, features),
            *measure_peers(agents, features, told),
        )
    ]

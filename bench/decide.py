"""How long one decision and one observation take in-process, on a grid of agents and features.

A decision is encode + decide: features, posterior, law, draw and reasons. An observation is the
fold of one outcome with quality and cost. No log, no wire: those are measured by the load bench.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import numpy as np

from routerd import __version__
from routerd.core.apply import apply
from routerd.core.decide import decide, encode_request
from routerd.core.fingerprint import fingerprint
from routerd.core.settings import Agent, CategoryFeature, EngineConfig, NumberFeature, Utility
from routerd.core.state import State
from routerd.core.values import (
    AnyEvent,
    ConfigApplied,
    Outcome,
    OutcomeReported,
    Record,
    Request,
    Task,
)

GRID = ((3, 26), (8, 32), (16, 64))
WARM_UP, STEPS = 500, 3_000
NUMBERS = 4


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


class Engine:
    """The serving engine without a log: state, decide and apply."""

    def __init__(self, agents: int, features: int) -> None:
        numbers = tuple(NumberFeature(name=f"n{i}") for i in range(NUMBERS))
        slots = features - 1 - NUMBERS
        config = EngineConfig(
            agents=tuple(Agent(id=f"agent-{i:02d}") for i in range(agents)),
            clock="logical",
            features=(*numbers, CategoryFeature(name="work_type", slots=slots)),
            utility=Utility(cost=0.1),
        )
        self.state = State("default")
        self.apply(
            ConfigApplied(1, "default", msgspec.json.encode(config), __version__, fingerprint())
        )
        assert self.state.encoder.width == features

    def apply(self, event: AnyEvent) -> str:
        position = self.state.position + 1
        name = f"d{position}"
        apply(self.state, Record(position, bytes(16), event), name)
        return name

    def step(self, task: Task, quality: float) -> tuple[float, float]:
        """Seconds of one decision and of the observation of its outcome."""
        state = self.state
        request = Request(request_id=f"r{state.position}", task=task)
        started = time.perf_counter()
        decision, _ = decide(
            state, encode_request(state, request, request.request_id), state.position + 1
        )
        decided = time.perf_counter()
        name = self.apply(decision)
        outcome = Outcome(f"o{state.position}", name, quality=quality, cost_usd=0.01 * quality)
        event = OutcomeReported(state.position + 1, outcome, b"")
        before = time.perf_counter()
        self.apply(event)
        return decided - started, time.perf_counter() - before


def tasks(features: int, count: int) -> Iterator[tuple[Task, float]]:
    """Seeded tasks with the quality that each will show."""
    rng = np.random.default_rng(1)
    kinds = features - 1 - NUMBERS
    for _ in range(count):
        numbers = {f"n{i}": float(rng.normal()) for i in range(NUMBERS)}
        yield Task(work_type=f"w{rng.integers(kinds)}", features=numbers), float(rng.random())


def measure(agents: int, features: int) -> DecideTimes:
    """Time the engine on one point of the grid."""
    engine = Engine(agents, features)
    times = np.array([engine.step(*task) for task in tasks(features, WARM_UP + STEPS)])[WARM_UP:]
    decided, learned = (1e6 * times).T
    return DecideTimes(
        system="routerd",
        agents=agents,
        features=features,
        steps=STEPS,
        decide_us_p50=round(float(np.percentile(decided, 50)), 1),
        decide_us_p99=round(float(np.percentile(decided, 99)), 1),
        learn_us_p50=round(float(np.percentile(learned, 50)), 1),
        learn_us_p99=round(float(np.percentile(learned, 99)), 1),
        steps_per_s=round(STEPS / float(times.sum())),
    )


def run() -> list[DecideTimes]:
    """The whole grid, one point after the other."""
    return [measure(agents, features) for agents, features in GRID]

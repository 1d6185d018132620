"""Promise 8 through every stage at once, on a state that goes on learning all the time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.engine import Engine
from routerd.config import parse_experiment
from routerd.core.decide import decide, encode_request
from routerd.core.errors import RouterError
from routerd.core.events import Decision, ExperimentStarted
from routerd.core.reasons import law_of
from routerd.core.settings import EngineConfig
from routerd.router import request_of

SIGMAS = 4.5
STAGES = {
    "eligibility",
    "policy",
    "experiment",
    "budget",
    "exploration_cap",
    "cold_start",
    "confidence_gate",
    "overload",
    "sticky",
    "override",
    "explicit",
}
CONFIG: dict[str, Any] = {
    "clock": "caller",
    "seed": 3,
    "agents": [
        {"id": "a", "pool": "paid", "type": "chat", "max_concurrency": 6},
        {"id": "b", "pool": "paid", "type": "chat", "max_concurrency": 6},
        {"id": "c", "pool": "free", "type": "own"},
        {"id": "d", "pool": "free", "type": "own"},
    ],
    "utility": {"cost": 0.2},
    "policy": {"kind": "thompson", "floor": 0.1, "floor_min": 0.05},
    "static_routes": [{"agent": "c", "when": {"work_type": "code"}}, {"agent": "d"}],
    "thresholds": {"confidence": 0.75, "switch_margin": 0.05},
    "cold_start": {"static_until": 150},
    "fallback": {"exploration": 0.2, "pool_load": 0.6, "type_failures": 4},
    "cooldown": {"failures": 6, "base_seconds": 2.0},
    "budgets": [{"id": "mean", "when": {"work_type": "text"}, "usd_per_decision": 0.004}],
    "exploration_cap": {"share": 0.02, "window_hours": 0.01},
    "overrides": [
        {"id": "eu", "when": {"customer": "c1"}, "pool": "free"},
        {"id": "ban", "when": {"customer": "c2"}, "action": "forbid", "agent": "a"},
    ],
    "outcomes": {"window_hours": 0.01},
}
EXPERIMENTS: list[dict[str, Any]] = [
    {
        "id": "ab",
        "when": {"team": "x"},
        "unit": "customer",
        "arms": [{"id": "one"}, {"id": "two", "policy": {"kind": "squarecb"}}],
    },
    {
        "id": "dark",
        "when": {"team": "y"},
        "unit": "request_id",
        "shadow": True,
        "arms": [{"id": "now", "policy": {"kind": "greedy", "floor": 0.3}}, {"id": "then"}],
    },
]


def fields_of(rng: np.random.Generator, i: int) -> dict[str, Any]:
    """One of many kinds of requests."""
    kind = int(rng.integers(40))
    fields: dict[str, Any] = {
        "work_type": ("code", "text", "maths", f"new{i // 4_000}")[kind % 4],
        "labels": {"customer": f"c{rng.integers(8)}", "team": "xyz"[int(rng.integers(3))]},
    }
    if kind == 0:
        fields["agent_id"] = "b"
    elif kind < 4:
        fields["pool"] = ("paid", "free")[kind % 2]
    elif kind < 9:
        fields["session_id"] = f"s{rng.integers(50)}"
    elif kind == 9:
        fields["preference"] = {"cost": float(rng.random())}
    return fields


class Counts:
    """sum(I - p) and sum p (1 - p) of each agent, over the decisions that a stage had a part in."""

    def __init__(self) -> None:
        self.drift: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.spread: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add(self, made: Decision) -> None:
        for agent_id, p in law_of(made).items():
            apart, variance = (agent_id == made.agent_id) - p, p * (1.0 - p)
            for stage in made.stages:
                self.drift[stage, agent_id] += apart
                self.spread[stage, agent_id] += variance


def simulated(count: int) -> Counts:
    """So many requests, their outcomes with a delay, some of them failures, some never told."""
    rng = np.random.default_rng(11)
    on = Engine(msgspec.convert(CONFIG, EngineConfig))
    for experiment in EXPERIMENTS:
        on._apply(ExperimentStarted(1, parse_experiment(experiment)))
    counts, waiting = Counts(), []
    for i in range(count):
        now_ms = on.state.time_ms + int(rng.integers(1, 40))
        request = request_of({"request_id": f"r{i}", **fields_of(rng, i)})
        query = encode_request(on.state, request, request.request_id)
        try:
            made, view = decide(on.state, query, now_ms)
        except RouterError:
            continue
        counts.add(made)
        waiting.append((on.take(made, view), made.agent_id))
        if len(waiting) > int(rng.integers(1, 24)):
            name, agent_id = waiting.pop(int(rng.integers(len(waiting))))
            if rng.random() < 0.9:
                quality = 0.0 if rng.random() < 0.12 else 0.4 + 0.15 * "dcba".index(agent_id)
                cost_usd = 0.001 * (1 + 3 * "dcba".index(agent_id))
                on.learn(name, quality, cost_usd, time_ms=on.state.time_ms)
    return counts


def hold(counts: Counts) -> None:
    assert {stage for stage, _ in counts.spread} >= STAGES
    misses = {
        key: (drift, counts.spread[key])
        for key, drift in counts.drift.items()
        if abs(drift) > SIGMAS * np.sqrt(counts.spread[key]) + 1e-6
    }
    assert not misses


def test_propensities_are_true_through_every_stage() -> None:
    """|sum(I - p)| <= 4.5 sqrt(sum p (1 - p)), for each stage and agent, over 50,000 requests."""
    hold(simulated(50_000))


@pytest.mark.soak
def test_propensities_are_true_through_every_stage_of_a_million_requests() -> None:
    """The same bound over twenty times as many: a bias twenty times smaller would show."""
    hold(simulated(1_000_000))

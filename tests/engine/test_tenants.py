"""Tenants are partitions: what one does is nothing to another."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from routerd.config import parse_experiment, parse_override
from routerd.core.events import Decision
from routerd.core.settings import EngineConfig
from routerd.core.values import Outcome
from routerd.engine.rules import Rules
from routerd.engine.sequencer import Sequencer
from routerd.engine.trials import Trials
from routerd.engine.verify import verify
from routerd.log.codec import records
from routerd.log.memory import MemoryLog
from routerd.router import request_of
from tests.core.engine import AGENTS

CONFIG: dict[str, Any] = {
    "clock": "logical",
    "agents": [{**agent, "max_concurrency": 60} for agent in AGENTS],
    "budgets": [{"id": "each", "per": "customer", "usd_per_decision": 0.01}],
    "cooldown": {"failures": 3},
    "fallback": {"pool_load": 0.8},
    "static_routes": [{"agent": "small"}],
}


def tenant(log: MemoryLog, name: str) -> Sequencer:
    return Sequencer.open(log, msgspec.convert(CONFIG, EngineConfig), lambda: 1, name)


def step(of: Sequencer, rng: np.random.Generator, i: int) -> None:
    """One call of a tenant: a task with or without its outcome, and at times a new rule."""
    if i == 10:
        Rules(of).create(parse_override({"id": "ban", "action": "forbid", "agent": "large"}))
    if i == 30:
        arms = [{"id": "a"}, {"id": "b", "policy": {"kind": "greedy"}}]
        Trials(of).create(parse_experiment({"id": "x", "unit": "customer", "arms": arms}))
    labels = {"customer": f"c{rng.integers(3)}"}
    asked = {"request_id": f"r{i}", "work_type": f"w{rng.integers(3)}", "labels": labels}
    answer = of.route(request_of(asked))
    if rng.random() < 0.9:
        quality = float(rng.random() > 0.3)
        of.report(Outcome("", answer.decision_id, quality=quality, cost_usd=float(rng.random())))
    of.commit()


def test_the_traffic_of_one_tenant_changes_nothing_for_another() -> None:
    """Beside a busy neighbour on the same log, the same calls give the same state and decisions."""
    alone, shared = MemoryLog(), MemoryLog()
    quiet = tenant(alone, "quiet")
    beside, busy = tenant(shared, "quiet"), tenant(shared, "busy")
    rngs = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    for i in range(120):
        step(quiet, rngs[0], i)
        step(beside, rngs[1], i)
        for j in range(3):
            step(busy, rngs[2], 1_000 + 3 * i + j)
        if i % 20 == 19:
            assert beside.state.hash() == quiet.state.hash()
    made = [[r.event for r in records(log, "quiet")] for log in (alone, shared)]
    assert made[0] == made[1]
    assert sum(isinstance(event, Decision) for event in made[0]) == 120
    found = verify(shared)
    assert found.mismatches == ()
    assert found.state_hashes["quiet"] == quiet.state.hash() != found.state_hashes["busy"]

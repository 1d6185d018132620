"""Recorded tasks that are made up, and a contestant that writes down what happens to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data.recorded import Recorded
from bench.replay.contest import Conditions, Played, play, stream


def made(n: int = 60, agents: int = 3, costs: bool = True, seed: int = 1) -> Recorded:
    """n tasks of three work types; the later an agent's name, the better and the dearer it is."""
    rng = np.random.default_rng(seed)
    quality = np.clip(rng.random((n, agents)) * 0.4 + np.arange(agents) / agents, 0.0, 1.0)
    return Recorded(
        name="made",
        task_ids=tuple(f"t{i:04d}" for i in range(n)),
        agents=tuple(f"agent-{k}" for k in range(agents)),
        domain=tuple(f"kind-{i % 3}" for i in range(n)),
        text=("",) * n,
        quality=quality.round(3),
        cost_usd=(0.01 + 0.01 * np.arange(agents) + 0.001 * rng.random((n, agents)))
        if costs
        else None,
    )


class Witness:
    """Chooses arms in turn and writes down all that it is asked and told."""

    name = "witness"

    def __init__(self, arms: int) -> None:
        self.arms = arms
        self.calls: list[tuple[Any, ...]] = []

    def choose(self, i: int) -> int:
        self.calls.append(("choose", i))
        return i % self.arms

    def learn(
        self, i: int, arm: int, quality: float, cost: float | None, latency: float | None
    ) -> None:
        self.calls.append(("learn", i, arm, quality, cost, latency))


def witnessed(data: Recorded, conditions: Conditions, seed: int = 0) -> tuple[Witness, Played]:
    witness = Witness(len(data.agents))
    return witness, play(witness, stream(data, seed, conditions), conditions)

"""The configurations of the simulation: each history begins with one, and changes it."""

from __future__ import annotations

import random
from typing import Any

OUTCOMES = 8
CONFIG: dict[str, Any] = {
    "agents": [{"id": "large", "capabilities": ["code"]}, {"id": "medium"}, {"id": "small"}],
    "features": [{"kind": "category", "name": "work_type", "slots": 4}],
    "limits": {"decision_outcomes": OUTCOMES},
}
LEARNER = {"kind": "linear", "half_life_days": None}
POLICIES: tuple[dict[str, Any], ...] = (
    {"kind": "value"},
    {"kind": "thompson"},
    {"kind": "squarecb"},
    {"kind": "weighted_score", "floor": 0.1},
)
COOLDOWN = {"below_peers": None, "base_seconds": 2.0, "max_seconds": 5.0}
BUDGETS: tuple[dict[str, Any], ...] = (
    {"id": "work", "per": "work_type", "usd": 0.2, "window_hours": 0.002},
    {"id": "work", "per": "work_type", "usd": 0.5, "window_hours": 0.002},
    {"id": "mean", "usd_per_decision": 0.02},
)


def configuration(rng: random.Random) -> dict[str, Any]:
    """A policy, a weight of cost, and sometimes cooldowns, budgets, probes, and what silence is."""
    made = {
        **CONFIG,
        "policy": {**rng.choice(POLICIES), "learner": LEARNER},
        "utility": {"cost": rng.choice((0.0, 0.1))},
        "outcomes": {
            "sources": ["reviewer", "ci"],
            "missing_quality": rng.choice((None, 0.0, 0.25)),
        },
        "thresholds": {"max_steps": rng.choice((2, 3))},
    }
    if rng.random() < 0.5:
        made["thresholds"] |= {"probe_complexity": 0.5, "probe_agents": rng.choice((2, 3))}
    if rng.random() < 0.6:
        made["cooldown"] = {**COOLDOWN, "failures": rng.choice((1, 2))}
    if rng.random() < 0.4:
        made["budgets"] = [rng.choice(BUDGETS)]
    return made

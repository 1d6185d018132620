"""A long seeded script of calls, and ways to play it: in this process, or over gRPC.

python -m tests.e2e.script DIR [STOP]    plays it on a router with its log in DIR, stopping and
                                         starting anew before the step STOP
python -m tests.e2e.script DIR wide      plays its beginning with as many columns as there may be
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from routerd.core.errors import RouterError
from routerd.core.values import Outcome, Request
from routerd.router import Router

# A logical clock counts a millisecond for each event: windows, epochs and bounds are short enough
# for the script to meet them all.
CONFIG: dict[str, Any] = {
    "clock": "logical",
    "seed": 42,
    "agents": [
        {"id": "haiku", "pool": "cheap", "prices": {"output_usd_per_mtok": 5.0}},
        {"id": "opus", "pool": "paid", "capabilities": ["code", "vision"]},
        {"id": "sonnet", "pool": "paid", "capabilities": ["code"]},
        {"id": "translator", "capabilities": ["translate"], "specializations": ["translate"]},
    ],
    "static_routes": [
        {"agent": "translator", "when": {"work_type": "translate", "lang": "de-fr"}},
        {"agent": "opus"},
    ],
    "features": [
        {"kind": "category", "name": "work_type", "slots": 4},
        {"kind": "category", "name": "tier", "values": ["free", "paid"]},
        {"kind": "number", "name": "complexity", "centre": 0.5},
        {"kind": "text", "size": 4},
        {"kind": "embedding", "dimension": 3, "size": 2},
    ],
    "utility": {"cost": 0.2, "latency": 0.05},
    "policy": {"kind": "value", "learner": {"half_life_days": 2e-5, "epoch_hours": 1e-4}},
    "outcomes": {"window_hours": 4e-4, "sources": ["reviewer", "ci"], "missing_quality": 0.3},
    "limits": {"open_decisions": 500},
}

# The most columns that there may be, and agents enough for matrices that BLAS shares among threads.
WIDE: dict[str, Any] = {
    **CONFIG,
    "agents": [*CONFIG["agents"], *({"id": f"more-{i}"} for i in range(28))],
    "features": [{"kind": "category", "name": "work_type"}, {"kind": "text", "size": 47}],
    "policy": {"kind": "thompson", "floor": 0.5, "floor_min": 0.5},  # which tries them all
}

WORK_TYPES = ("code", "review", "translate", "plan", "search", "")


class Step(NamedTuple):
    """A call. of: the index of the step whose decision an outcome is for; -1 for a request."""

    of: int
    fields: dict[str, Any]

    @property
    def keyed(self) -> bool:
        """Whether sending it twice is safe."""
        return "request_id" in self.fields or "outcome_id" in self.fields


class Target(NamedTuple):
    """Where calls go: each takes the fields of its message, and returns what is acknowledged."""

    route: Callable[[dict[str, Any]], str]
    report: Callable[[dict[str, Any]], str]

    def call(self, step: Step, answers: list[str]) -> str:
        if step.of < 0:
            return self.route(step.fields)
        return self.report({**step.fields, "decision_id": answers[step.of]})


def steps(requests: int = 2_000, seed: int = 7) -> list[Step]:
    """Requests of many kinds, and their outcomes: late, partial, repeated, revised, retracted."""
    rng = random.Random(seed)
    made: list[Step] = []
    waiting: list[tuple[int, int]] = []
    for i in range(requests):
        made.append(Step(-1, request(rng, i)))
        waiting += [(len(made) - 1, n) for n in range(rng.choice((0, 1, 1, 2, 3)))]
        while waiting and rng.random() < 0.6:
            of, n = waiting.pop(rng.randrange(len(waiting)))
            made.append(Step(of, outcome(rng, f"o{of}-{n}")))
        if rng.random() < 0.05:
            made.append(rng.choice(made))  # sent again, word for word
    return made


def request(rng: random.Random, number: int) -> dict[str, Any]:
    work_type = rng.choice(WORK_TYPES)
    task: dict[str, Any] = {
        "work_type": work_type,
        "labels": {"tier": rng.choice(("free", "paid", "gold"))},
        "description": f"{rng.choice(('fix', 'find'))} bug {rng.randrange(99)} of page {number}",
    }
    if work_type == "translate":
        task["labels"]["lang"] = rng.choice(("de-fr", "fr-de"))
    if rng.random() < 0.7:
        task["complexity"] = rng.randrange(9) / 8
    if rng.random() < 0.3:
        task["embedding"] = [rng.randrange(-8, 8) / 8 for _ in range(3)]  # exact in float32
    fields: dict[str, Any] = {"task": task}
    if rng.random() < 0.8:
        fields["request_id"] = f"r{number}"
    if rng.random() < 0.1:
        fields["agent_id"] = rng.choice(("haiku", "sonnet"))
    if rng.random() < 0.15:
        fields["pool"] = rng.choice(("paid", "cheap", "nowhere"))
    if rng.random() < 0.1:
        fields["required_capabilities"] = [rng.choice(("code", "translate", "fly"))]
    if rng.random() < 0.1:
        fields["max_cost_usd"] = rng.choice((0.001, 0.02, 1.0))
    if rng.random() < 0.1:
        fields["max_latency_ms"] = rng.choice((10.0, 5_000.0))
    if rng.random() < 0.2:
        fields["preference"] = {"quality": rng.randrange(4) / 2, "cost": rng.randrange(3) / 2}
    return fields


def outcome(rng: random.Random, outcome_id: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "outcome_id": outcome_id,
        "source": rng.choice(("ci", "", "reviewer")),
    }
    if rng.random() < 0.1:
        return {**fields, "kind": "RETRACT"}
    says = {
        "quality": rng.randrange(9) / 8,
        "success": rng.random() < 0.7,
        "cost_usd": rng.randrange(1, 9) / 100,
        "latency_ms": float(rng.randrange(100, 9_000)),
    }
    fields |= {name: says[name] for name in rng.sample(sorted(says), rng.randint(1, 4))}
    if rng.random() < 0.05:
        fields["executed_agent_id"] = "haiku"
    return fields


def play(target: Target, script: list[Step], answers: list[str]) -> Iterator[Step]:
    """Play what is not answered yet; each step is yielded before its call."""
    for step in script[len(answers) :]:
        if step.of >= 0 and answers[step.of].startswith("!"):
            answers.append("!")  # there is no decision to report on
            continue
        yield step
        answers.append(target.call(step, answers))


def in_process(router: Router) -> Target:
    """Calls of a router in this process; a refusal is acknowledged as `!` and its reason."""

    def told(call: Callable[[], str]) -> str:
        try:
            return call()
        except RouterError as error:
            return f"!{error.reason}"

    return Target(
        lambda fields: told(lambda: router.route(msgspec.convert(fields, Request)).decision_id),
        lambda fields: told(lambda: router.report(msgspec.convert(fields, Outcome)).outcome_id),
    )


def main(directory: str, stop: str = "0") -> None:
    wide = stop == "wide"
    script, config = (steps(200), WIDE) if wide else (steps(), CONFIG)
    answers: list[str] = []
    for end in (0 if wide else int(stop), len(script)):
        with Router.open(config, Path(directory)) as router:
            for _ in play(in_process(router), script[:end], answers):
                pass
    print(*answers, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

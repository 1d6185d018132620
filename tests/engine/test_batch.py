"""A batch writes the very log that its requests write one by one, and answers the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.values import Request
from routerd.core.view import AT_ONCE
from routerd.engine.batch import Told, route_many
from routerd.engine.verify import verify
from routerd.log.codec import records
from routerd.router import request_of
from tests.core.engine import HOUR_MS, START_MS, Engine

CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"clock": "logical"},
    "closing teaches": {
        "clock": "logical",
        "limits": {"open_decisions": 20},
        "outcomes": {"missing_quality": 0.0, "window_hours": 6e-6},
    },
    "time forgets": {
        "clock": "caller",
        "policy": {"kind": "value", "learner": {"epoch_hours": 2, "half_life_days": 1}},
    },
    "no room": {
        "clock": "logical",
        "agents": [{"id": "large", "max_concurrency": 9}, {"id": "small", "max_concurrency": 9}],
    },
    "rules": {
        "clock": "logical",
        "static_routes": [{"agent": "small"}],
        "thresholds": {"confidence": 0.8},
        "cold_start": {"static_until": 3},
        "budgets": [{"id": "all", "usd": 0.25, "exhausted": "cheapest"}],
        "exploration_cap": {"share": 0.01},
        "overrides": [{"id": "w1", "when": {"work_type": "w1"}, "agent": "large"}],
    },
    "paths": {
        "clock": "logical",
        "cascade": {},
        "utility": {"cost": 0.3},
        "cooldown": {"failures": 2},
    },
    "paths of quality alone": {"clock": "logical", "cascade": {}},
    "texts": {"clock": "logical", "features": [{"kind": "text", "size": 8}]},
}


ARMS = [{"id": "a"}, {"id": "b", "policy": {"kind": "greedy", "floor": 0.2}}]


def going_on(name: str, cause: int) -> dict[str, Any]:
    """That a request goes on from a decision."""
    if cause == 0:
        unsure = {"reported_confidence": 0.2}
        return {"decision_id": name, "cause": "LOW_CONFIDENCE", "evidence": unsure}
    return {"decision_id": name, "cause": ("FAILED", "REFUSED")[cause - 1]}


def asked(count: int, clock: str, decisions: list[str]) -> list[Request]:
    """New and repeated requests, known and new work types, wrong ones, and ones with conditions or
    that go on from decisions."""
    rng = np.random.default_rng(3)
    made = []
    for i in range(count):
        fields: dict[str, Any] = {
            "work_type": f"w{rng.integers(1 + i // 3)}",
            "description": f"{i}",
        }
        match int(rng.integers(14)):
            case 0:
                fields["request_id"] = f"r{rng.integers(5)}"
            case 1:
                fields["max_cost_usd"] = -1.0
            case 2:
                fields["agent_id"] = str(rng.choice(["large", "nobody"]))
            case 3:
                fields["preference"] = {"cost": float(rng.random())}
            case 4:
                fields["pool"] = "nowhere"
            case 5:
                directives = {"agent_id": str(rng.choice(["large", "nobody"]))}
                told = {"label": "x", "work_type": f"w{i % 7}", "directives": directives}
                fields["signal"] = {"source": "RULES", "version": "v", **told}
            case 6 | 7 if decisions:
                fields["follows"] = going_on(str(rng.choice(decisions)), int(rng.integers(3)))
            case _:
                fields["request_id"] = f"q{i}"
        if i % 3 == 0:
            fields["session_id"] = f"s{i % 7}"
        if clock == "caller":
            fields["event_time_ms"] = START_MS + i * HOUR_MS // 4
        made.append(request_of(fields))
    return made


def taught(config: dict[str, Any]) -> Engine:
    engine = Engine(**config)
    engine.experiment("x", unit="request_id", when={"work_type": "w2"}, arms=ARMS)
    when = {"event_time_ms": START_MS} if config["clock"] == "caller" else {}
    for i in range(8):
        name = engine.route(work_type=f"w{i % 3}", **when).decision_id
        engine.report(name, quality=i % 4 / 3, cost_usd=0.01, **when)
    return engine


def one_by_one(engine: Engine, requests: list[Request]) -> list[Told]:
    told: list[Told] = []
    for request in requests:
        try:
            told.append(engine.sequencer.route(request))
        except RouterError as error:
            told.append(error)
    return told


def plain(told: list[Told]) -> list[object]:
    return [str(t) if isinstance(t, RouterError) else t for t in told]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [1, 7, AT_ONCE, 90])
def test_a_batch_is_its_requests_in_order(name: str, size: int) -> None:
    """Whatever stands in it, and whatever the decisions before set in motion."""
    config = CONFIGS[name]
    together, alone = taught(config), taught(config)
    requests = asked(90, config["clock"], list(alone.state.decisions))
    told: list[Told] = []
    for start in range(0, len(requests), size):
        batch = [(request, False) for request in requests[start : start + size]]
        told += route_many(together.sequencer, batch)
    assert plain(told) == plain(one_by_one(alone, requests))
    assert together.state.hash() == alone.state.hash()
    for engine in (together, alone):
        engine.sequencer.commit()
    assert list(records(together.log, "default")) == list(records(alone.log, "default"))
    refused = {t.reason for t in told if isinstance(t, RouterError)}
    assert ErrorReason.FIELD_VIOLATIONS in refused
    assert any(isinstance(t, tuple) for t in told)


def test_a_window_that_ends_in_a_batch_has_ended_for_who_comes_behind() -> None:
    """A follow-up behind a request of a later time is refused, whenever it says that it is."""
    config: dict[str, Any] = {"clock": "caller", "outcomes": {"window_hours": 1.0}}
    together, alone = Engine(**config), Engine(**config)
    name, _ = (each.route(event_time_ms=START_MS).decision_id for each in (together, alone))
    later = request_of({"event_time_ms": START_MS + HOUR_MS + 1})  # too few to be closed are over
    behind = request_of({"event_time_ms": START_MS, "follows": going_on(name, 1)})
    told = route_many(together.sequencer, [(later, False), (behind, False)])
    assert plain(told) == plain(one_by_one(alone, [later, behind]))
    assert isinstance(told[1], RouterError)
    assert told[1].reason is ErrorReason.DECISION_EXPIRED
    assert together.state.hash() == alone.state.hash()


def test_a_place_among_a_budgets_values_is_taken_before_the_next_is_priced() -> None:
    """Who comes behind the one that takes the last place shares the others' budget and price."""
    prices = {"large": (10.0, 90.0), "small": (0.1, 0.9)}
    agents = [
        {"id": name, "prices": {"input_usd_per_mtok": i, "output_usd_per_mtok": o}}
        for name, (i, o) in prices.items()
    ]
    budget = {"id": "b", "per": "customer", "usd_per_decision": 0.001, "window_hours": 1.0}
    engine = Engine(agents=agents, budgets=[budget], limits={"budget_values": 2})
    for customer in ("stays", "goes"):
        engine.route(labels={"customer": customer})
    for _ in range(30):
        made = engine.route(labels={"customer": "late"})
        large = made.decision.agent_id == "large"
        quality, cost_usd = (0.9, 0.05) if large else (0.5, 0.0005)
        engine.report(made.decision_id, quality=quality, cost_usd=cost_usd)
    for customer in ("stays", "late"):
        engine.wall.now_ms += HOUR_MS
        engine.route(labels={"customer": customer})
    assert engine.state.ledgers["b"].keys() == {"stays", "*"}  # there is one place
    assert engine.state.ledgers["b"]["*"].price > 0.0
    batch = [request_of({"labels": {"customer": c}, "request_id": c}) for c in ("a", "b")]
    told = route_many(engine.sequencer, [(request, False) for request in batch])
    assert not any(isinstance(answer, RouterError) for answer in told)
    engine.sequencer.commit()
    assert verify(engine.log).mismatches == ()


def test_a_batch_on_a_disk_that_failed_is_refused_as_a_whole() -> None:
    """Nothing is decided while nothing can be written."""
    engine = taught(CONFIGS["plain"])
    engine.sequencer.fail()
    batch = [(request_of({"work_type": "code"}), False)]
    engine.refused(ErrorReason.READ_ONLY, route_many, engine.sequencer, batch)

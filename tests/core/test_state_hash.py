"""The state hash covers all that decisions depend on, fields that are yet to come included."""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from routerd.core.encode import Encoder
from routerd.core.state import OpenDecision, Roster, State, new_cells, new_learner
from routerd.core.values import AgentStatus
from tests.core.engine import Engine

# What follows from fields that are hashed, and from what. A test below holds each to that.
DERIVED = {
    "State.config": "config_bytes",
    "State.encoder": "config_bytes",
    "State.roster": "config_bytes, registered and arm_of",
    "State.away": "standings",
    "State.groups": "decisions",
    "Sums.d": "config_bytes",
    "Sums.gamma": "config_bytes",
    "LogNormalCells.gamma": "config_bytes",
    "LogNormalCells.shift": "config_bytes",
    "LinearRegression.r_inv": "a constant of the learner, and config_bytes",
}

Change = Callable[[State], None]


def lived_in(kind: str = "pooled") -> State:
    """A state in which everything that can hold something does."""
    engine = Engine(
        policy={"kind": "value", "learner": {"kind": kind}}, outcomes={"sources": ["reviewer"]}
    )
    engine.register("guest", max_concurrency=9)
    engine.beat("guest")
    engine.set_status("small", "BUSY")
    for i in range(12):
        work_type = ("code", "text")[i % 2]
        name = engine.route(request_id=f"r{i}", work_type=work_type).decision_id
        engine.report(name, outcome_id=f"o{i}", quality=i % 3 / 2, cost_usd=0.1, latency_ms=9.0)
        engine.report(name, source="reviewer", success=True, executed_agent_id="large")
        engine.wall.now_ms += 25 * 3_600_000 if i == 6 else 1
    engine.route(request_id="unheard")
    return engine.state


def changed(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value + b"x"
        case np.ndarray():
            other = value.copy()
            other.flat[-1] = np.nextafter(other.flat[-1], np.inf)
            return other
        case dict():
            return {**value, next(iter(value)): changed(next(iter(value.values())))}
        case deque():
            return deque(list(value)[:-1])
        case tuple() | list():
            return type(value)([*value[:-1], changed(value[-1])])
        case None:
            return 1.0
        case msgspec.Struct():
            first = value.__struct_fields__[0]
            return msgspec.structs.replace(value, **{first: changed(getattr(value, first))})
    raise AssertionError(f"no way is known to change a {type(value).__name__}: add one")


def fields(owner: object) -> list[str]:
    if isinstance(owner, msgspec.Struct):
        return list(owner.__struct_fields__)
    return list(vars(owner))


def walk(owner: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all fields under an object that are not derived from others."""
    for name in fields(owner):
        if f"{type(owner).__name__}.{name}" in DERIVED:
            continue
        value = getattr(owner, name)
        if hasattr(value, "__dict__") and not isinstance(value, msgspec.Struct):
            yield from walk(value, (*path, name))
        else:
            yield (*path, name)


def change_at(state: State, path: tuple[str, ...]) -> None:
    owner: Any = state
    for name in path[:-1]:
        owner = getattr(owner, name)
    setattr(owner, path[-1], changed(getattr(owner, path[-1])))


@pytest.mark.parametrize("kind", ["pooled", "linear"])
def test_a_change_of_any_field_changes_the_hash(kind: str) -> None:
    """Each field of the state, its learners and tallies moves the hash when it alone changes."""
    state = lived_in(kind)
    whole = state.hash()
    paths = list(walk(state))
    assert len(paths) > 25
    for path in paths:
        other = copy.deepcopy(state)
        change_at(other, path)
        assert other.hash() != whole, f"{'.'.join(path)} is not in the hash"
    assert state.hash() == whole


@pytest.mark.parametrize("field", OpenDecision.__struct_fields__)
def test_a_change_of_any_field_of_an_open_decision_changes_the_hash(field: str) -> None:
    """What is kept of a decision that is open is hashed whole."""
    state = lived_in()
    whole = state.hash()
    entry = list(state.decisions.values())[3]
    setattr(entry, field, changed(getattr(entry, field)))
    assert state.hash() != whole


def test_the_order_of_open_decisions_counts() -> None:
    """The oldest is closed first, so the same decisions in another order are another state."""
    state = lived_in()
    whole = state.hash()
    state.decisions = OrderedDict(reversed(state.decisions.items()))
    assert state.hash() != whole


def test_equal_logs_give_equal_hashes() -> None:
    """Two engines that lived the same have the same hash, map order notwithstanding."""
    one, other = lived_in(), lived_in()
    other.requests = dict(reversed(other.requests.items()))
    assert one.hash() == other.hash()


@pytest.mark.parametrize("kind", ["pooled", "linear"])
def test_what_is_called_derived_is_derived(kind: str) -> None:
    """Everything left out of the hash can be made anew from what is in it."""
    settings: dict[str, Any] = {
        "features": [{"kind": "text"}, {"kind": "embedding", "dimension": 3, "size": 2}],
        "policy": {"kind": "value", "learner": {"kind": kind}},
    }
    engine = Engine(**settings)
    engine.open(agents=[{"id": "zoe"}, {"id": "large"}], utility={"cost": 2.0}, **settings)
    engine.register("guest", max_concurrency=9)
    engine.set_status("guest", "OFFLINE")
    engine.set_status("zoe", "ONLINE")
    engine.route(group_id="plan")
    engine.route(group_id="plan")
    state = engine.state
    config = msgspec.json.decode(state.config_bytes, type=type(state.config))
    assert state.config == config
    made = State(state.partition)
    made.config, made.encoder = config, Encoder(config.features, config.seed)
    made.roster = Roster((*config.agents, *state.registered.values()), state.arm_of)
    made.away = {a: s for a, s in state.standings.items() if s.status is not AgentStatus.ONLINE}
    assert list(made.away) == ["guest"]
    named = [(d.decision.query.group_id, name) for name, d in state.decisions.items()]
    made.groups = {group: {n: None for g, n in named if g == group} for group, _ in named}
    assert list(made.groups) == ["plan"]
    made.learner = new_learner(config, len(state.arm_of), state.encoder.width)
    made.cost, made.latency = new_cells(config, [None] * len(state.arm_of))
    left_out = set()
    pairs = [(state, made)]
    pairs += [(getattr(state, m), getattr(made, m)) for m in ("learner", "cost", "latency")]
    pairs.append((vars(state.learner)["sums"], vars(made.learner)["sums"]))
    for held, fresh in pairs:
        for name in vars(held):
            key = f"{type(held).__name__}.{name}"
            if key in DERIVED:
                left_out.add(key)
                assert alike(getattr(held, name), getattr(fresh, name)), key
    assert {key for key in DERIVED if kind == "linear" or "Linear" not in key} == left_out


def alike(a: Any, b: Any) -> bool:
    """Whether two objects hold equal values throughout."""
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if hasattr(a, "__dict__") and not isinstance(a, msgspec.Struct):
        return type(a) is type(b) and alike(vars(a), vars(b))
    return bool(a == b)

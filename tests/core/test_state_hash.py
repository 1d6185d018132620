"""The state hash covers all that decisions depend on, fields that are yet to come included."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from routerd.core.events import OutcomesImported, Recorded
from routerd.core.restore import restored
from routerd.core.state import Marks, OpenDecision, State
from routerd.core.values import Claim
from tests.core.engine import Engine

# What follows from fields that are hashed, and from what. A test below holds each to that.
DERIVED = {
    "State.config": "config_bytes",
    "State.encoder": "config_bytes",
    "State.roster": "config_bytes, registered and arm_of",
    "State.away": "standings",
    "State.overrides": "config_bytes and placed",
    "State.running": "trials",
    "State.overrides_expire_ms": "placed",
    "State.groups": "decisions",
    "State.requests": "decisions",
    "State.answered": "decisions",
    "State.awaited": "decisions",
    "State.under_way": "decisions and tally",
    "InFlight.counts": "decisions",
    "InFlight.queue": "decisions",
    "Sums.d": "config_bytes",
    "Sums.gamma": "config_bytes",
    "LogNormalCells.gamma": "config_bytes",
    "LogNormalCells.shift": "config_bytes",
    "RowSums.gamma": "config_bytes",
    "ShrunkMeans.gamma": "config_bytes",
    "RowSums._index": "rows",
    "PooledRegression.with_start": "start",
    "LogisticRegression.precision": "a constant of the learner, and config_bytes",
    "Outlook._ahead": "means, when asked",
    "Outlook._rows": "x",
    "LinearRegression.r_inv": "a constant of the learner, and config_bytes",
}

Change = Callable[[State], None]


def lived_in(kind: str = "pooled") -> State:
    """A state in which everything that can hold something does."""
    return inhabited(kind).state


def inhabited(kind: str) -> Engine:
    engine = Engine(
        features=[
            {"kind": "category", "name": "work_type"},
            {"kind": "text"},
            {"kind": "embedding", "dimension": 3, "size": 2},
        ],
        policy={"kind": "value", "learner": {"kind": kind, "half_life_days": 90}},
        outcomes={"sources": ["reviewer"]},
        cooldown={"failures": 2},
        fallback={"type_failures": 9},
        drift={"outcomes_per_false_alarm": 10.0, "inherited_outcomes": 0.5},
        budgets=[{"id": "all", "usd": 1_000.0}],
        exploration_cap={"share": 0.5},
    )
    engine.register(
        "guest", max_concurrency=9, type="coder", head_start=0.1, specializations=["code"]
    )
    engine.report(engine.route(agent_id="guest").decision_id, success=False)
    engine.beat("guest")
    engine.set_status("small", "BUSY")
    for _ in range(2):
        engine.report(engine.route(agent_id="small").decision_id, success=False)
    name = ""
    arms = [{"id": "a"}, {"id": "b", "static_routes": [{"agent": "large"}]}]
    engine.experiment("done", arms=arms)
    engine.trials.promote("done", "b")
    engine.experiment("runs", unit="request_id", arms=arms)
    engine.overrule("pinned", agent="small", when={"customer": "acme"})
    for i in range(12):
        work_type = ("code", "text")[i % 2]
        after = {"follows": {"decision_id": name, "cause": "FAILED"}} if i == 10 else {}
        asked = {"request_id": f"r{i}", "work_type": work_type, "session_id": f"s{-i % 4}"}
        name = engine.route(**asked, **after).decision_id
        engine.sequencer.claim(Claim(name, 0.9))
        engine.report(name, outcome_id=f"o{i}", quality=i % 3 / 2, cost_usd=0.1, latency_ms=9.0)
        engine.report(name, source="reviewer", success=True, executed_agent_id="large")
        engine.wall.now_ms += 25 * 3_600_000 if i == 6 else 1
    for quality in [1.0] * 12 + [0.0] * 12:
        name = engine.route(agent_id="medium", work_type="code").decision_id
        engine.report(name, quality=quality)
    engine.update("guest", version="2", max_concurrency=9, type="coder")
    engine.report(engine.route(agent_id="guest").decision_id, success=False)
    told = Recorded("large", engine.state.decisions[name].decision.query.x, 0, 0.5)
    engine.sequencer.append(OutcomesImported(engine.state.time_ms, "file", 1, (told,)))
    engine.sequencer.commit()
    engine.route(request_id="unheard", group_id="plan")
    engine.route(request_id="unheard too", group_id="plan")
    return engine


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
            last = other.flat[-1]
            other.flat[-1] = last + 1 if other.dtype.kind == "i" else np.nextafter(last, np.inf)
            return other
        case dict():
            return {**value, next(iter(value)): changed(next(iter(value.values())))}
        case deque():
            return deque(list(value)[:-1])
        case tuple() | list():
            return type(value)([*value[:-1], changed(value[-1])] if value else ["new"])
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


@pytest.mark.parametrize("kind", ["pooled", "linear", "logistic", "beta"])
def test_a_change_of_any_field_changes_the_hash(kind: str) -> None:
    """Each field of the state, its learners and tallies moves the hash when it alone changes."""
    state = lived_in(kind)
    whole = state.hash()
    paths = list(walk(state))
    assert len(paths) > 25
    for path in paths:
        other = remade(state)
        assert other.hash() == whole
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
    other.outcomes = dict(reversed(other.outcomes.items()))
    assert one.hash() == other.hash()


@pytest.mark.parametrize("kind", ["pooled", "linear", "logistic", "beta"])
def test_what_is_called_derived_is_derived(kind: str) -> None:
    """What is in the hash, sent through bytes, makes the whole state again, each field of it."""
    state = lived_in(kind)
    made = remade(state)
    assert made.hash() == state.hash()
    assert_alike(state, made, "State")
    assert all((made.away, made.groups, made.in_flight.counts, made.slots))


@pytest.mark.parametrize("kind", ["pooled", "linear", "logistic", "beta"])
def test_a_state_that_was_made_again_lives_on_as_the_first_one(kind: str) -> None:
    """The same events afterwards give the same bits: nothing is lost that only later counts."""
    engine = inhabited(kind)
    twin = inhabited(kind)
    twin.sequencer.state = remade(twin.state)
    for one in (engine, twin):
        for i in range(40):
            name = one.route(request_id=f"late{i}", work_type=f"w{i % 5}").decision_id
            one.report(name, outcome_id=f"late{i}", quality=i % 2, cost_usd=0.2)
            one.wall.now_ms += 6 * 3_600_000
        one.register("late")
    assert engine.state.hash() == twin.state.hash()


def remade(state: State) -> State:
    """The state after a journey through bytes, as in a snapshot."""
    marks = msgspec.msgpack.decode(msgspec.msgpack.encode(state.marks()), type=Marks)
    entries = msgspec.msgpack.decode(
        msgspec.msgpack.encode(list(state.decisions.items())),
        type=list[tuple[str, OpenDecision]],
    )
    return restored(marks, entries, state.models())


KEPT = {"_ahead"}
"""What is made when it is first asked for, of what is compared."""


def assert_alike(a: Any, b: Any, path: str) -> None:
    """Every attribute of one is that of the other."""
    assert type(a) is type(b), path
    if hasattr(a, "__dict__") and not isinstance(a, msgspec.Struct):
        assert vars(a).keys() == vars(b).keys(), path
        for name in vars(a).keys() - KEPT:
            assert_alike(getattr(a, name), getattr(b, name), f"{path}.{name}")
    else:
        assert alike(a, b), path


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

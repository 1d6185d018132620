"""Outcomes that come late: a look that is under way is no reason for another one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from routerd.core import lookahead
from routerd.core.decide import encode_request
from routerd.core.reasons import law_of
from routerd.core.values import Claim
from routerd.core.view import View
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import HOUR_MS, Engine

PAIR = [{"id": "left"}, {"id": "right"}]
HORIZON = 40.0


def share(engine: Engine, agent_id: str) -> float:
    return law_of(engine.preview().decision)[agent_id]


def view_of(engine: Engine) -> View:
    query = encode_request(engine.state, request_of({}), "q")
    return View(engine.state, query, engine.wall.now_ms)


def under_way(engine: Engine) -> list[float]:
    """Of every agent, as a decision now would count them."""
    return list(lookahead.under_way(view_of(engine), HORIZON, engine.state.roster.everyone))


def awaited(engine: Engine) -> tuple[int, dict[str, int]]:
    """How many, and of each agent those under way, if any; the same from the log again."""
    state, again = engine.state, engine.refold()
    assert again.hash() == state.hash()
    for name in ("awaited", "answered", "under_way"):
        assert getattr(again, name) == getattr(state, name)
    looks = {name: len(state.under_way.get(arm, ())) for name, arm in state.arm_of.items()}
    return state.awaited, {name: count for name, count in looks.items() if count}


def test_tasks_that_come_before_any_outcome_are_shared() -> None:
    """A look at one agent is worth as much as one at another until either has told something."""
    engine = Engine(agents=[{"id": f"a{k}"} for k in range(4)])
    chosen = Counter(engine.route().decision.agent_id for _ in range(40))
    assert min(chosen.values()) >= 8
    assert verify(engine.log).mismatches == ()


def test_a_look_is_under_way_until_its_quality_is_known() -> None:
    """What it cost says nothing of that; a result that is withdrawn may come again."""
    engine = Engine(agents=PAIR)
    before = share(engine, "left")
    name = engine.route(agent_id="left").decision_id
    assert share(engine, "left") < before
    engine.report(name, cost_usd=0.1)
    assert awaited(engine) == (1, {"left": 1})
    engine.report(name, quality=0.5)
    assert awaited(engine) == (0, {})
    engine.report(name, kind="RETRACT")
    assert awaited(engine) == (1, {})


def test_looks_before_the_latest_that_told_are_not_under_way() -> None:
    """Where some tell at once and the others never, hardly any is; each agent is its own case."""
    engine = Engine(agents=PAIR)
    names = [engine.route(agent_id="left").decision_id for _ in range(5)]
    engine.route(agent_id="right")
    engine.report(names[3], quality=0.5)
    assert awaited(engine) == (5, {"left": 1, "right": 1})
    assert under_way(engine) == [pytest.approx(2 / 5 * HORIZON / (HORIZON + 5))] * 2
    engine.report(names[1], quality=0.5)  # it comes later, of an earlier one
    assert under_way(engine) == [pytest.approx(3 / 5 * HORIZON / (HORIZON + 4))] * 2
    engine.report(names[4], quality=0.5)
    assert under_way(engine) == [0.0, pytest.approx(4 / 6 * HORIZON / (HORIZON + 3))]


def test_a_look_that_moves_to_another_agent_finds_its_place_there() -> None:
    """It is among looks at that one by when it was made, however late it was told who ran."""
    engine = Engine(agents=PAIR)
    moved = engine.route(agent_id="left").decision_id
    told = engine.route(agent_id="right").decision_id
    engine.route(agent_id="right")
    engine.report(moved, executed_agent_id="right", latency_ms=10.0)
    assert awaited(engine) == (3, {"right": 3})
    assert under_way(engine) == [0.0, pytest.approx(3 * HORIZON / (HORIZON + 3))]
    engine.report(told, quality=0.5)
    assert awaited(engine) == (2, {"right": 1})
    assert under_way(engine) == [0.0, pytest.approx(2 / 3 * HORIZON / (HORIZON + 2))]


def test_it_is_the_look_of_who_ran() -> None:
    engine = Engine(agents=PAIR)
    name = engine.route(agent_id="left").decision_id
    engine.report(name, executed_agent_id="right", latency_ms=10.0)
    assert awaited(engine) == (1, {"right": 1})


def test_a_look_is_where_its_credit_is_whatever_moved_that() -> None:
    """A follow-up asks anew who ran, and another source may be the first one by then."""
    config: dict[str, Any] = {"agents": [*PAIR, {"id": "third"}], "cascade": {}}
    engine = Engine(**config, outcomes={"sources": ["ci", "caller"]})
    name = engine.route(agent_id="left").decision_id
    engine.report(name, source="ci", executed_agent_id="left")
    engine.report(name, source="caller", executed_agent_id="right")
    assert awaited(engine) == (1, {"left": 1})
    engine.open(**config, outcomes={"sources": ["caller", "ci"]})
    evidence = {"reported_confidence": 0.2}
    follows = {"decision_id": name, "cause": "LOW_CONFIDENCE", "evidence": evidence}
    after = engine.route(follows=follows).decision.agent_id
    assert awaited(engine) == (2, {"right": 1, after: 1})
    engine.report(name, quality=0.5)
    assert awaited(engine) == (1, {after: 1})


def test_who_was_stopped_or_not_let_tells_nothing() -> None:
    engine = Engine(agents=PAIR)
    first, second = (engine.route(agent_id="left").decision_id for _ in range(2))
    engine.report(first, cancelled=True)
    assert awaited(engine) == (1, {"left": 1})
    assert not engine.sequencer.claim(Claim(second, 0.0)).accepted
    engine.sequencer.commit()
    assert awaited(engine) == (0, {})


def test_none_is_awaited_beyond_its_window_or_by_another_model() -> None:
    engine = Engine(agents=PAIR, outcomes={"window_hours": 2, "missing_quality": 0.5})
    engine.route(agent_id="left")
    engine.wall.now_ms += 3 * HOUR_MS
    engine.route(agent_id="right")
    assert awaited(engine) == (1, {"right": 1})
    engine.open(agents=PAIR, features=[{"kind": "number", "name": "complexity"}])
    engine.route(agent_id="left")
    assert awaited(engine) == (1, {"left": 1})


def test_the_more_are_under_way_the_smaller_is_the_part_that_will_tell() -> None:
    """Of many that nobody reports, no more count than the outcomes that are counted on."""
    engine = Engine(agents=PAIR)
    assert under_way(engine) == [0.0, 0.0]
    for count in range(1, 200):
        engine.route(agent_id="left" if count % 4 else "right")
        left, right = under_way(engine)
        assert left + right == pytest.approx(count * HORIZON / (HORIZON + count))
    assert left == pytest.approx(150 / 49 * right)
    assert left + right < HORIZON


def test_as_many_can_be_expected_to_tell_as_did_before() -> None:
    """Where one in twenty tells, nineteen that do not are no silence; a withdrawn one tells not."""
    engine = Engine(agents=PAIR)
    for _ in range(10):
        names = [engine.route(agent_id="left").decision_id for _ in range(20)]
        engine.report(names[-1], quality=0.5)
    looks = [engine.route(agent_id="right").decision_id for _ in range(20)]
    assert awaited(engine) == (210, {"right": 20})
    assert under_way(engine) == [0.0, pytest.approx(20 * 11 / 201 * HORIZON / (HORIZON + 210))]
    engine.report(looks[-1], quality=0.5)
    engine.report(looks[-1], kind="RETRACT")
    assert under_way(engine) == [0.0, 0.0]
    assert engine.state.answered == 10
    engine.report(looks[-1], quality=0.5)
    assert engine.state.answered == 11


def test_the_patience_of_the_start_is_in_decisions_whatever_part_of_them_tells() -> None:
    engine = Engine(agents=PAIR)
    assert lookahead.horizon(view_of(engine), 25.0, (0, 1)) == 50.0
    names = [engine.route(agent_id="left").decision_id for _ in range(9)]
    assert lookahead.horizon(view_of(engine), 25.0, (0, 1)) == 50.0  # all may come
    engine.report(names[-1], quality=0.5)
    assert lookahead.horizon(view_of(engine), 25.0, (0, 1)) == pytest.approx(1 + 50 * 2 / 10)


def test_of_agents_that_changed_each_has_its_horizon() -> None:
    engine = Engine(agents=PAIR)
    engine.route(agent_id="right")
    made = lookahead.under_way(view_of(engine), np.array([40.0, 10.0]), (0, 1))
    assert made.tolist() == [0.0, pytest.approx(10.0 / 11.0)]


def test_looks_at_an_agent_from_before_it_changed_are_not_under_way() -> None:
    """Looks at the version before say little of the new one: they are no reason to pass it over."""
    engine = Engine(agents=PAIR, drift={"inherited_outcomes": 0})
    engine.register("other", version="1")
    for _ in range(40):
        for agent_id in ("left", "right", "other"):
            name = engine.route(agent_id=agent_id).decision_id
            engine.report(name, quality=0.6 if agent_id == "left" else 0.5)
    late = [engine.route(agent_id="other").decision_id for _ in range(40)]
    engine.update("other", version="2")
    engine.register("fresh")
    assert awaited(engine) == (40, {})
    assert share(engine, "other") == pytest.approx(share(engine, "fresh"))
    engine.report(late[0], quality=1.0)
    now = engine.route(agent_id="other").decision_id
    assert awaited(engine) == (40, {"other": 1})
    engine.report(now, quality=1.0)
    assert awaited(engine) == (39, {})

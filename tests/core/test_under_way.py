"""Outcomes that come late: a look that is under way is no reason for another one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from routerd.core.decide import encode_request
from routerd.core.reasons import law_of
from routerd.core.view import View
from routerd.router import request_of
from tests.core.engine import Engine

PAIR = [{"id": "left"}, {"id": "right"}]


def share(engine: Engine, agent_id: str) -> float:
    return law_of(engine.preview().decision)[agent_id]


def looks(engine: Engine, horizon: float = 40.0) -> list[float]:
    """Of every agent, as a decision now would count them."""
    query = encode_request(engine.state, request_of({}), "q")
    view = View(engine.state, query, engine.wall.now_ms)
    return list(view.under_way(horizon, engine.state.roster.everyone))


def test_tasks_that_come_before_any_outcome_are_shared() -> None:
    """A look at one agent is worth as much as one at another until either has told something."""
    engine = Engine(agents=[{"id": f"a{k}"} for k in range(4)])
    chosen = Counter(engine.route().decision.agent_id for _ in range(40))
    assert min(chosen.values()) >= 8


def test_a_look_under_way_counts_until_it_tells_or_is_too_old() -> None:
    engine = Engine(agents=PAIR, limits={"in_flight_minutes": 10})
    assert looks(engine) == [0.0, 0.0]
    before = share(engine, "left")
    first = engine.route(agent_id="left").decision_id
    assert share(engine, "left") < before
    engine.report(first, kind="RETRACT")
    assert looks(engine) == [0.0, 0.0]
    assert share(engine, "left") == before
    engine.route(agent_id="left")
    assert looks(engine) > [0.0, 0.0]
    engine.wall.now_ms += 10 * 60_000 + 1
    assert looks(engine) == [0.0, 0.0]
    assert share(engine, "left") == before


def test_the_more_are_under_way_the_smaller_is_the_part_that_will_tell() -> None:
    """Of many that nobody reports, no more count than the outcomes that are counted on."""
    engine = Engine(agents=PAIR)
    for count in range(1, 200):
        engine.route(agent_id="left" if count % 4 else "right")
        left, right = looks(engine, horizon=40.0)
        assert left + right == pytest.approx(count * 40.0 / (40.0 + count))
    assert left == pytest.approx(150 / 49 * right)
    assert left + right < 40.0


def test_of_agents_that_changed_each_has_its_horizon() -> None:
    engine = Engine(agents=PAIR)
    engine.route(agent_id="right")
    query = encode_request(engine.state, request_of({}), "q")
    view = View(engine.state, query, engine.wall.now_ms)
    made = view.under_way(np.array([40.0, 10.0]), (0, 1))
    assert made.tolist() == [0.0, pytest.approx(10.0 / 11.0)]

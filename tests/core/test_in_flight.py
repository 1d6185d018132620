"""max_concurrency: who works on too much already is not given more."""

from __future__ import annotations

import pytest

from routerd.core.base import Event
from routerd.core.errors import ErrorReason
from routerd.core.reasons import law_of
from routerd.engine.verify import verify
from tests.core.engine import HOUR_MS, Engine

ONE = {"id": "one", "max_concurrency": 1}
TWO = {"id": "two", "max_concurrency": 2}
FREE = {"id": "free"}
NOBODY = ErrorReason.NO_ELIGIBLE_AGENT


def in_flight(engine: Engine, agent_id: str) -> int:
    return engine.registry.get(agent_id).in_flight


def test_an_agent_at_its_limit_is_not_chosen() -> None:
    """It leaves the law with its last place taken, and comes back with the first outcome."""
    engine = Engine(agents=[TWO, FREE])
    first = engine.route(agent_id="two").decision_id
    assert set(law_of(engine.preview().decision)) == {"two", "free"}
    engine.route(agent_id="two")
    decision = engine.route().decision
    (out,) = decision.excluded
    assert (out.agent_id, out.reason) == ("two", "AT_CAPACITY")
    assert out.detail == "has 2 decisions in flight; its limit is 2"
    refusal = engine.refused(NOBODY, engine.route, agent_id="two")
    assert refusal.metadata == {"two": "AT_CAPACITY: has 2 decisions in flight; its limit is 2"}
    engine.report(first, cost_usd=0.1)
    assert set(law_of(engine.preview().decision)) == {"two", "free"}
    engine.report(first, cost_usd=0.2)  # heard once is heard
    assert in_flight(engine, "two") == 1


def test_everybody_at_the_limit_is_a_refusal_that_passes() -> None:
    """With all places taken nobody is eligible, until one is given back."""
    engine = Engine(agents=[ONE, TWO])
    names = [engine.route(agent_id=a).decision_id for a in ("one", "two", "two")]
    assert set(engine.refused(NOBODY, engine.route).metadata) == {"one", "two"}
    engine.report(names[1], kind="RETRACT")
    assert engine.route().decision.agent_id == "two"


def test_a_lost_outcome_blocks_for_a_while_only() -> None:
    """After limits.in_flight_minutes a decision counts no more, though nothing else happened."""
    engine = Engine(agents=[ONE], limits={"in_flight_minutes": 10})
    lost = engine.route().decision_id
    engine.wall.now_ms += 10 * 60_000
    engine.refused(NOBODY, engine.route)
    before = len(engine.events(Event))
    engine.wall.now_ms += 1
    assert in_flight(engine, "one") == 0
    assert engine.preview().decision.agent_id == "one"
    second = engine.route().decision_id
    assert len(engine.events(Event)) == before + 1
    engine.report(lost, success=True)  # comes late, and frees nobody else's place
    engine.refused(NOBODY, engine.route)
    engine.report(second, success=True)
    assert in_flight(engine, "one") == 0
    assert verify(engine.log).mismatches == ()
    assert engine.refold().hash() == engine.state.hash()


def test_closing_ends_what_is_in_flight() -> None:
    """A decision that the bound on open decisions closes gives its place back."""
    engine = Engine(agents=[TWO, FREE], limits={"open_decisions": 3})
    for _ in range(2):
        engine.route(agent_id="two")
    engine.refused(NOBODY, engine.route, agent_id="two")
    for _ in range(2):
        engine.route(agent_id="free")
    assert in_flight(engine, "two") == 1
    engine.route(agent_id="two")
    assert verify(engine.log).mismatches == ()


def test_a_limit_counts_what_was_given_before_it() -> None:
    """A limit that is set or lowered later holds at once for what is in flight already."""
    engine = Engine(agents=[FREE])
    engine.register("guest")
    names = [engine.route(agent_id="guest").decision_id for _ in range(3)]
    engine.update("guest", max_concurrency=2)
    engine.refused(NOBODY, engine.route, agent_id="guest")
    for name in names[:2]:
        engine.report(name, success=True)
    engine.route(agent_id="guest")
    engine.deregister("guest")
    engine.register("guest", max_concurrency=2)
    engine.refused(NOBODY, engine.route, agent_id="guest")
    assert engine.refold().hash() == engine.state.hash()


def test_a_retry_takes_no_second_place() -> None:
    """The same request twice is one decision, in flight once; a preview is none."""
    engine = Engine(agents=[ONE])
    engine.preview()
    engine.route(request_id="r")
    engine.route(request_id="r")
    assert in_flight(engine, "one") == 1


def test_the_decided_agent_holds_the_place() -> None:
    """Whoever ran instead: the place that was taken is the one that is given back."""
    engine = Engine(agents=[ONE, FREE])
    name = engine.route(agent_id="one").decision_id
    engine.report(name, executed_agent_id="free", success=True)
    assert (in_flight(engine, "one"), in_flight(engine, "free")) == (0, 0)


@pytest.mark.parametrize("minutes", [1e-3, 60.0])
def test_nothing_is_kept_of_what_is_over(minutes: float) -> None:
    """The books hold no more than what is in flight, and what came after the oldest of it."""
    engine = Engine(agents=[ONE, FREE], limits={"in_flight_minutes": minutes})
    for _ in range(50):
        name = engine.route(agent_id="free").decision_id
        engine.report(name, success=True)
    assert not engine.state.in_flight.queue
    assert engine.state.in_flight.counts == {}
    engine.route(agent_id="one")
    engine.wall.now_ms += HOUR_MS + 1
    engine.route(agent_id="free")
    assert engine.state.in_flight.counts == {"free": 1}
    assert len(engine.state.in_flight.queue) == 1

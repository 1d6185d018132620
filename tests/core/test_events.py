"""What changes besides outcomes: configurations, windows, bounds, and the time of events."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from routerd.core.base import Event
from routerd.core.errors import ErrorReason
from routerd.core.events import ConfigApplied, DecisionsClosed
from routerd.core.react import SHARE
from routerd.core.reasons import law_of
from routerd.core.settings import EngineConfig
from routerd.core.tally import QUALITY
from routerd.router import request_of
from tests.core.engine import AGENTS, HOUR_MS, START_MS, Engine

EXPIRED, NOT_FOUND = ErrorReason.DECISION_EXPIRED, ErrorReason.DECISION_NOT_FOUND
NEW = {"id": "new", "prices": {"output_usd_per_mtok": 4.0}}


def learn(engine: Engine, agent: str, count: int = 8, **outcome: Any) -> None:
    for _ in range(count):
        engine.report(engine.route(agent_id=agent, work_type="code").decision_id, **outcome)


def quality_of(engine: Engine, agent: str) -> float:
    """The expected quality of an agent for code."""
    told = {c.agent_id: c.quality for c in engine.preview(work_type="code").candidates}
    quality = told[agent]
    assert quality
    return quality.mean


def test_the_same_configuration_is_no_event() -> None:
    """Starting again with the same configuration leaves log and state untouched."""
    engine = Engine(seed=3)
    learn(engine, "small", quality=1.0)
    before = engine.sequencer.position, engine.state.hash()
    engine.wall.now_ms += HOUR_MS
    engine.open(seed=3)
    assert (engine.sequencer.position, engine.state.hash()) == before
    assert len(engine.events(ConfigApplied)) == 1


def test_a_change_is_one_event_and_keeps_what_was_learnt() -> None:
    """Another policy, preference or bound is one event; the sums stay."""
    engine = Engine()
    learn(engine, "large", quality=1.0)
    before = quality_of(engine, "large")
    engine.open(policy={"kind": "thompson"}, utility={"cost": 0.5}, limits={"open_decisions": 9})
    assert len(engine.events(ConfigApplied)) == 2
    assert quality_of(engine, "large") == before
    assert engine.route(work_type="code").decision.policy_id == "thompson"


def test_an_added_agent_starts_from_what_all_taught() -> None:
    """A new agent can be chosen at once, changes no other's estimate and is the least sure."""
    engine = Engine()
    for agent in ("large", "medium", "small"):
        learn(engine, agent, quality=0.9)
    before = quality_of(engine, "large")
    engine.open(agents=[*AGENTS, NEW])
    assert quality_of(engine, "large") == pytest.approx(before, abs=1e-9)
    assert quality_of(engine, "new") > 0.6
    told = {c.agent_id: c.quality for c in engine.preview(work_type="code").candidates}
    assert list(told) == ["large", "medium", "new", "small"]
    sds = {agent: quality.sd for agent, quality in told.items() if quality}
    assert max(sds, key=lambda agent: sds[agent]) == "new"
    learn(engine, "new", quality=0.0, count=3)
    assert engine.refold().hash() == engine.state.hash()


def test_a_removed_agent_is_not_chosen_but_still_learns() -> None:
    """A removed agent leaves the law; outcomes of its old decisions count when it returns."""
    engine = Engine()
    learn(engine, "small", quality=0.5)
    late = engine.route(agent_id="small", work_type="code").decision_id
    engine.open(agents=AGENTS[:2])
    assert set(law_of(engine.route().decision)) == {"large", "medium"}
    engine.refused(ErrorReason.AGENT_NOT_FOUND, engine.route, agent_id="small")
    engine.report(late, quality=1.0)
    engine.open(agents=AGENTS)
    assert set(law_of(engine.route().decision)) == {"large", "medium", "small"}
    arm = engine.state.arm_of["small"]
    assert engine.state.learner.state()["n"][arm] == 9
    assert engine.refold().hash() == engine.state.hash()


def test_a_changed_schema_starts_learning_anew() -> None:
    """Old decisions still accept outcomes after a change of features, but teach nothing."""
    engine = Engine()
    learn(engine, "large", quality=1.0)
    old = engine.route(agent_id="large", work_type="code").decision_id
    engine.open(features=[{"kind": "number", "name": "complexity"}])
    assert engine.state.learner.count == 0
    assert quality_of(engine, "large") == quality_of(engine, "small")
    ack = engine.report(old, quality=1.0, cost_usd=0.5)
    assert not ack.duplicate
    assert engine.sequencer.find(old).quality == 1.0
    assert engine.state.learner.count == 0
    assert not engine.state.cost.n.any()
    learn(engine, "large", quality=1.0)
    assert engine.state.learner.count == 8
    engine.report(old, kind="RETRACT")  # takes nothing out of sums that never held it
    assert engine.state.learner.count == 8
    assert engine.refold().hash() == engine.state.hash()


def test_a_changed_model_starts_anew_and_a_changed_policy_does_not() -> None:
    """The learner and its forgetting are what sums are expressed in; the policy is not."""
    engine = Engine()
    learn(engine, "large", quality=1.0)
    engine.open(policy={"kind": "squarecb"})
    assert engine.state.learner.count == 8
    engine.open(policy={"kind": "squarecb", "learner": {"kind": "linear"}})
    assert engine.state.learner.count == 0


def test_a_changed_price_changes_the_guess() -> None:
    """An agent that gets a price is guessed by it from then on, with or without reports."""
    engine = Engine(agents=[{"id": "a"}, {"id": "b"}])
    assert engine.route(max_cost_usd=0.001).decision.excluded == ()
    dear = {"id": "b", "prices": {"output_usd_per_mtok": 200.0}}
    cheap = {"id": "a", "prices": {"output_usd_per_mtok": 0.02}}
    engine.open(agents=[cheap, dear])
    decision = engine.route(max_cost_usd=0.001).decision
    assert [e.agent_id for e in decision.excluded] == ["b"]
    told = {c.agent_id: c.cost_usd for c in engine.preview().candidates}
    assert told["a"]
    assert told["b"]
    assert told["a"].mean < 0.001 < 0.05 < told["b"].mean


def test_the_end_of_a_window_is_an_event() -> None:
    """A decision accepts outcomes for its window; then an event closes it and frees its ids."""
    engine = Engine(outcomes={"window_hours": 2.0})
    old = engine.route(request_id="r").decision_id
    engine.report(old, outcome_id="o", quality=1.0)
    engine.wall.now_ms += 2 * HOUR_MS
    young = engine.route().decision_id
    engine.report(old, cost_usd=0.1)
    engine.wall.now_ms += 2 * HOUR_MS // SHARE + 1
    engine.route()
    (closed,) = engine.events(DecisionsClosed)
    assert closed.decision_ids == (old,)
    engine.refused(EXPIRED, engine.report, old, quality=0.5)
    engine.report(young, quality=0.5)
    assert engine.sequencer.find(old).open is False
    assert engine.sequencer.find(old).decision.query.request_id == "r"
    assert engine.route(request_id="r", work_type="another body").decision_id != old
    assert engine.report(young, outcome_id="o", quality=0.4).duplicate is False
    assert engine.refold().hash() == engine.state.hash()


def test_a_window_ends_without_traffic() -> None:
    """An outcome that comes after the window is refused, even when no event closed it yet."""
    engine = Engine(outcomes={"window_hours": 2.0})
    name = engine.route().decision_id
    engine.wall.now_ms += 2 * HOUR_MS + 1
    engine.refused(EXPIRED, engine.report, name, quality=1.0)


def test_what_was_never_decided_is_not_found() -> None:
    """Only what the log holds is EXPIRED; anything else is NOT_FOUND, near misses included."""
    engine = Engine(outcomes={"window_hours": 1.0})
    old = engine.route().decision_id
    engine.wall.now_ms += 2 * HOUR_MS
    new = engine.route().decision_id
    mixed = old[:8] + new[8:]
    for name in (mixed, old.upper(), old[:-1], f"{old}0", "", "0" * 16, "@1"):
        reason = NOT_FOUND if name else ErrorReason.FIELD_VIOLATIONS
        engine.refused(reason, engine.report, name, quality=1.0)
    engine.refused(EXPIRED, engine.report, old, quality=1.0)


def test_the_oldest_give_way_above_the_bound() -> None:
    """More open decisions than the bound allows close the oldest, in order, by events."""
    engine = Engine(limits={"open_decisions": 3})
    names = [engine.route().decision_id for _ in range(10)]
    assert list(engine.state.decisions) == names[-3:]
    assert len(engine.state.requests) == 3
    closed = [name for event in engine.events(DecisionsClosed) for name in event.decision_ids]
    assert closed == names[:-3]
    engine.refused(EXPIRED, engine.report, names[0], quality=1.0)


def test_at_a_bound_of_many_some_are_closed_at_once() -> None:
    """Not every call pays for an event: a thousandth of the bound goes beside what must."""
    bound = 2 * SHARE
    engine = Engine(agents=AGENTS[:1], limits={"open_decisions": bound})
    names = [engine.sequencer.route(request_of({})).decision_id for _ in range(bound + 5)]
    engine.sequencer.commit()
    first, second = engine.events(DecisionsClosed)
    assert (first.decision_ids, second.decision_ids) == (tuple(names[:3]), tuple(names[3:6]))
    assert list(engine.state.decisions) == names[6:]


def test_a_lowered_bound_closes_all_that_is_above_it() -> None:
    """However many must go, they go with the next event, a bounded number at a time."""
    engine = Engine()
    names = [engine.route().decision_id for _ in range(600)]
    engine.open(limits={"open_decisions": 10})
    engine.route()
    assert len(engine.state.decisions) == 10
    sizes = [len(event.decision_ids) for event in engine.events(DecisionsClosed)]
    assert sum(sizes) == len(names) - 9
    assert max(sizes) == 256


def test_a_missing_quality_follows_the_declared_rule() -> None:
    """With missing_quality, a window that ends without a quality teaches that one; else nothing."""
    for missing, runs, total in ((None, 1, 0.75), (0.25, 3, 1.25)):
        engine = Engine(outcomes={"window_hours": 1.0, "missing_quality": missing})
        told = engine.route(agent_id="small").decision_id
        engine.report(told, quality=0.75)
        engine.report(engine.route(agent_id="small").decision_id, cost_usd=0.1)
        retracted = engine.route(agent_id="small").decision_id
        engine.report(retracted, quality=1.0)
        engine.report(retracted, kind="RETRACT")
        engine.wall.now_ms += 2 * HOUR_MS
        engine.route(agent_id="large")
        assert float(engine.state.tally.told[:, :, QUALITY].sum()) == runs
        assert float(engine.state.tally.total[:, :, QUALITY].sum()) == pytest.approx(total)
        assert engine.refold().hash() == engine.state.hash()


def times(engine: Engine) -> list[int]:
    return [event.time_ms for event in engine.events(Event)]


def test_a_wall_clock_that_steps_back_turns_no_order_around() -> None:
    """Event times never decrease, whatever the clock does; ids still sort by time."""
    engine = Engine()
    names = []
    for step in (0, 5, -3 * 24 * HOUR_MS, 7, 3 * 24 * HOUR_MS, -1, 2):
        engine.wall.now_ms += step
        names.append(engine.route().decision_id)
    assert times(engine) == sorted(times(engine))
    assert names == sorted(names)


def test_time_goes_on_after_a_restart_with_an_earlier_clock() -> None:
    """A clock set back between two starts does not stop time: windows still end."""
    engine = Engine(outcomes={"window_hours": 1.0})
    name = engine.route().decision_id
    engine.wall.now_ms -= 72 * HOUR_MS
    engine.open(outcomes={"window_hours": 1.0})
    engine.report(name, quality=0.5)
    engine.wall.now_ms += HOUR_MS + 1
    engine.refused(EXPIRED, engine.report, name, quality=1.0)
    engine.route()
    assert times(engine)[-1] == START_MS + HOUR_MS + 1


def test_time_goes_on_when_another_clock_is_put_in_force() -> None:
    """By a reload as by a start: from the last event, at the pace of the new clock; never back."""
    month = 30 * 24 * HOUR_MS

    def reload(engine: Engine, **config: Any) -> None:
        typed = msgspec.convert({"agents": AGENTS, **config}, EngineConfig)
        engine.sequencer.configure(typed)

    for change in (reload, Engine.open):
        engine = Engine(clock="caller")
        engine.route(event_time_ms=START_MS + month)
        engine.wall.now_ms += HOUR_MS
        change(engine)
        for _ in range(2):
            engine.route()
            engine.wall.now_ms += HOUR_MS
        engine.route()
        change(engine, clock="logical")
        engine.route()
        engine.route()
        told = [time_ms - START_MS - month for time_ms in times(engine)[3:]]
        assert told == [0, HOUR_MS, *(2 * HOUR_MS + i for i in (0, 0, 1, 2))]
        change(engine, clock="caller")
        engine.route(event_time_ms=START_MS + 2 * month)
        change(engine, clock="wall")
        engine.wall.now_ms += HOUR_MS
        engine.route()
        assert times(engine)[-1] == START_MS + 2 * month + HOUR_MS
        assert engine.refold().hash() == engine.state.hash()


def test_a_caller_clock_follows_the_requests() -> None:
    """With `clock: caller` events have the callers' times, never decreasing, and no other's."""
    engine = Engine(clock="caller")
    day = 24 * HOUR_MS
    names = [engine.route(event_time_ms=t).decision_id for t in (10 * day, 9 * day, 0, 11 * day)]
    engine.report(names[-1], quality=1.0, event_time_ms=10 * day)
    engine.report(names[-1], quality=0.5)
    assert times(engine)[1:-2] == [10 * day, 10 * day, 10 * day, 11 * day]
    assert times(engine)[-2:] == [11 * day, 11 * day]
    assert engine.sequencer.find(names[-1]).quality == 0.5


def test_an_event_time_is_refused_where_it_would_not_be_honoured() -> None:
    """Only `clock: caller` takes a request's time; the others say so."""
    for clock in ("wall", "logical"):
        engine = Engine(clock=clock)
        engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.route, event_time_ms=START_MS)


def test_a_logical_clock_counts_positions() -> None:
    """With `clock: logical` the wall clock is never asked: time is the position."""
    engine = Engine(clock="logical")
    for i in range(4):
        engine.wall.now_ms += i * HOUR_MS
        engine.report(engine.route().decision_id, quality=0.5)
    assert times(engine) == list(range(1, 10))


def test_forgetting_follows_event_time_alone() -> None:
    """After one half-life sums weigh half, whether or not the outcome came late."""
    learner = {"half_life_days": 10.0, "epoch_hours": 24.0}
    engine = Engine(
        clock="caller",
        policy={"kind": "value", "learner": learner},
        outcomes={"window_hours": 1_000.0},
    )
    day = 24 * HOUR_MS
    start = 20_000 * day
    early, late = (
        engine.route(agent_id=agent, event_time_ms=start).decision_id
        for agent in ("large", "small")
    )
    engine.report(early, quality=1.0)
    engine.route(event_time_ms=start + 10 * day)
    engine.report(late, quality=1.0)
    n = engine.state.learner.state()["n"]
    arms = [engine.state.arm_of[agent] for agent in ("large", "small")]
    assert np.allclose(n[arms], 0.5, rtol=0, atol=1e-12)

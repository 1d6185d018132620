"""Sessions: a conversation stays with its agent until another one is better by the margin."""

from __future__ import annotations

import numpy as np

from routerd.core.reasons import law_of
from routerd.core.restore import restored
from routerd.core.values import Reason
from routerd.engine.verify import verify
from tests.core.engine import Engine


def teach(engine: Engine, **quality: float) -> None:
    for _ in range(40):
        for agent_id, value in quality.items():
            engine.report(engine.route(agent_id=agent_id).decision_id, quality=value)


def sound(engine: Engine) -> None:
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


def test_a_session_stays_and_switches_by_the_margin() -> None:
    """A little better is not better enough; much better is, with the law's own probability."""
    engine = Engine()
    engine.route(session_id="chat", agent_id="small")
    teach(engine, small=0.80, medium=0.82, large=0.83)
    alone = law_of(engine.preview().decision)
    assert alone["small"] < 0.5
    stayed = engine.route(session_id="chat")
    assert (stayed.decision.agent_id, stayed.decision.propensity) == ("small", 1.0)
    assert stayed.decision.reason is Reason.STICKY
    assert "sticky" in stayed.decision.stages
    teach(engine, small=0.2)
    without, within = (engine.preview(**asked).decision for asked in ({}, {"session_id": "chat"}))
    free, held = law_of(without), law_of(within)
    assert free["small"] < 0.01
    assert held == free  # everybody else is better by more than the margin
    switched = engine.route(session_id="chat").decision
    assert switched.agent_id != "small"
    assert switched.reason is not Reason.STICKY
    again = engine.route(session_id="chat").decision
    assert again.agent_id == switched.agent_id  # and there it stays
    sound(engine)


def test_only_who_is_better_by_the_margin_keeps_its_probability() -> None:
    engine = Engine(policy={"kind": "random"}, thresholds={"switch_margin": 0.1})
    engine.route(session_id="chat", agent_id="small")
    teach(engine, small=0.5, medium=0.55, large=0.9)
    law = law_of(engine.preview(session_id="chat").decision)
    assert np.allclose([law["large"], law["medium"], law["small"]], [1 / 3, 0.0, 2 / 3])


def test_a_session_whose_agent_cannot_be_chosen_moves_on() -> None:
    """It is gone, tried, or not allowed: the law is as without a session."""
    engine = Engine()
    first = engine.route(session_id="chat", agent_id="small")
    plain = law_of(engine.preview(pool="paid").decision)
    assert law_of(engine.preview(session_id="chat", pool="paid").decision) == plain
    failed = {"decision_id": first.decision_id, "cause": "FAILED"}
    assert "sticky" not in engine.preview(session_id="chat", follows=failed).decision.stages
    second = engine.route(session_id="chat", follows=failed).decision.agent_id
    assert engine.route(session_id="chat").decision.agent_id == second  # who took over


def test_the_latest_sessions_are_remembered() -> None:
    """Up to the bound, by when they were served last, whatever their names."""
    engine = Engine(limits={"sessions": 2})
    for name in ("b", "a", "b", "c"):
        engine.route(session_id=name, agent_id="small")
    assert list(engine.state.sessions) == ["b", "c"]
    state = engine.state
    copy = restored(state.marks(), state.decisions.items(), state.models())
    assert list(copy.sessions) == ["b", "c"]
    assert copy.hash() == state.hash()
    sound(engine)


def test_who_gets_all_of_a_law_gets_no_more() -> None:
    """Twenty-one times a twenty-first may round to a hair more than 1, which is no probability."""
    engine = Engine(agents=[{"id": f"a{k:02}"} for k in range(21)], policy={"kind": "random"})
    first = engine.route(session_id="chat").decision
    stayed = engine.route(session_id="chat").decision
    assert (stayed.agent_id, stayed.reason) == (first.agent_id, Reason.STICKY)
    assert 1.0 - 1e-12 < stayed.propensity <= 1.0

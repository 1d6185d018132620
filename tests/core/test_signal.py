"""The agent that a label goes to, among the other rules of a decision."""

from __future__ import annotations

from typing import Any

import numpy as np

from routerd.core.events import Decision
from routerd.core.values import Exclusion, Reason
from tests.core.engine import Engine

PLAIN = {"source": "RULES", "version": "v", "label": "bug", "work_type": "code"}
SIGNAL = {**PLAIN, "directives": {"agent_id": "large"}}


def decided(engine: Engine, **fields: Any) -> Decision:
    return engine.route(signal=SIGNAL, **fields).decision


def test_the_law_is_the_label_s_agent() -> None:
    """With its work type, and the sentence says which label."""
    engine = Engine()
    answer = engine.route(signal=SIGNAL)
    decision = answer.decision
    assert (decision.agent_id, decision.propensity) == ("large", 1.0)
    assert (decision.reason, decision.stages[-1]) == (Reason.SIGNAL_ROUTE, "signal")
    assert decision.query.work_type == "code"
    assert "classified as bug" in answer.sentence
    assert engine.route(signal=PLAIN).decision.reason is Reason.COLD_START


def test_an_agent_that_may_not_be_chosen_leaves_the_law() -> None:
    engine = Engine()
    decision = decided(engine, pool="free")
    assert (decision.agent_id, "signal" in decision.stages) == ("small", False)
    unknown = {**PLAIN, "directives": {"agent_id": "nobody"}}
    law = np.frombuffer(engine.route(signal=unknown).decision.law)
    assert len(law) == 3
    assert (law < 1).all()


def test_an_override_beats_it_and_it_beats_a_fallback() -> None:
    rule = {"id": "no", "action": "forbid", "agent": "large"}
    decision = decided(Engine(overrides=[rule]))
    assert decision.agent_id != "large"
    assert decision.excluded[0].reason is Exclusion.OVERRIDDEN
    static: dict[str, Any] = {
        "static_routes": [{"agent": "small"}],
        "cold_start": {"static_until": 9},
    }
    decision = decided(Engine(**static))
    assert (decision.agent_id, decision.reason) == ("large", Reason.SIGNAL_ROUTE)
    assert decision.stages[-2:] == ("cold_start", "signal")


def test_the_request_s_own_agent_beats_it() -> None:
    decision = decided(Engine(), agent_id="small")
    assert (decision.agent_id, decision.reason) == ("small", Reason.EXPLICIT)


def test_a_task_that_goes_on_is_left_alone() -> None:
    """What came of the decision before says more than the label."""
    engine = Engine()
    first = engine.route(agent_id="small").decision_id
    follows = {"decision_id": first, "cause": "FAILED"}
    decision = decided(engine, follows=follows)
    assert decision.reason is Reason.RETRY
    assert "signal" not in decision.stages


def test_asking_again_gives_the_first_answer_whatever_the_classifier_says_now() -> None:
    engine = Engine()
    first = engine.route(request_id="r", description="x", signal=SIGNAL)
    for signal in (None, PLAIN):
        again = engine.route(request_id="r", description="x", signal=signal)
        assert again.decision == first.decision


def test_a_task_whose_label_goes_to_an_agent_takes_part_in_no_experiment() -> None:
    """Its arm would get what it did not choose."""
    engine = Engine()
    arms = [{"id": "now"}, {"id": "new", "policy": {"kind": "random"}}]
    engine.experiment("e", unit="request_id", arms=arms)
    assert engine.route(request_id="r", signal=PLAIN).decision.trial is not None
    assert decided(engine, request_id="q").trial is None

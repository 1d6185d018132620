"""Claims: an agent says how able it is, and is believed as far as it was right before."""

from __future__ import annotations

import pytest

from routerd.core.errors import ErrorReason
from routerd.core.events import ClaimMade, CompetenceDisputed
from routerd.core.state import Claimed
from routerd.core.values import Claim
from routerd.engine.verify import verify
from tests.core.engine import HOUR_MS, Engine


def claim(engine: Engine, decision_id: str, competence: float | None = None) -> Claimed:
    told = engine.sequencer.claim(Claim(decision_id, competence))
    engine.sequencer.commit()
    return told


def lived(engine: Engine, competence: float, quality: float, times: int) -> None:
    for i in range(times):
        name = engine.route(agent_id="small", request_id=f"t{i}").decision_id
        claim(engine, name, competence)
        engine.report(name, quality=quality)


def sound(engine: Engine) -> None:
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


@pytest.mark.parametrize(
    ("competence", "accepted"), [(0.9, True), (0.5, True), (0.3, False), (None, False)]
)
def test_a_new_agent_is_taken_at_its_word(competence: float | None, accepted: bool) -> None:
    """Above the bar it may start; below it, or silent, it may not, and a follow-up goes on."""
    engine = Engine(agents=[{"id": "small", "max_concurrency": 1}, {"id": "large"}])
    name = engine.route(agent_id="small").decision_id
    told = claim(engine, name, competence)
    assert (told.accepted, told.expected) == (accepted, competence)
    assert claim(engine, name, competence).accepted is accepted  # asked again
    assert len(engine.events(ClaimMade)) == 1
    # Who may not start has its hands free.
    assert ("small" in engine.preview().decision.agents) is not accepted
    evidence = {"competence": competence}
    follows = {"decision_id": name, "cause": "REFUSED", "evidence": evidence}
    assert engine.route(follows=follows).decision.agent_id == "large"
    sound(engine)


def test_self_reports_are_weighed_with_what_came_of_them() -> None:
    """An agent that always says .9 and delivers .2 is soon not let; one in twenty is, to mend."""
    engine = Engine()
    lived(engine, 0.9, 0.2, 200)
    made = engine.events(ClaimMade)
    accepted = [event.accepted for event in made]
    assert all(accepted[:5])
    assert 0 < sum(accepted[40:]) < 0.2 * len(accepted[40:])
    assert made[-1].expected is not None
    assert made[-1].expected < 0.5
    # What it says of tasks that it thinks little of has not been put to the test.
    name = engine.route(agent_id="small").decision_id
    assert claim(engine, name, 0.55).accepted
    sound(engine)


def test_who_is_not_let_owes_nothing() -> None:
    """A refused claim is no silent failure, and costs no budget anything; a result that is told of
    it all the same counts, with what it cost."""
    budgets = [{"id": "all", "usd": 5.0, "usd_per_decision": 0.5}]
    outcomes = {"window_hours": 1.0, "missing_quality": 0.0}
    engine = Engine(outcomes=outcomes, budgets=budgets)
    before = engine.route(agent_id="large").decision_id
    held = engine.state.ledgers["all"][""]
    names = [engine.route(agent_id="small").decision_id for _ in range(3)]
    for name in names:
        assert not claim(engine, name, 0.2).accepted
    now = engine.state.ledgers["all"][""]
    assert now.decisions == held.decisions
    assert now.spent_usd == pytest.approx(held.spent_usd)
    assert now.over_usd == pytest.approx(held.over_usd)
    engine.report(names[0], cancelled=True)
    assert engine.state.ledgers["all"][""] == now
    engine.report(names[1], quality=0.5, cost_usd=0.25)
    now = engine.state.ledgers["all"][""]
    assert now.spent_usd == pytest.approx(held.spent_usd + 0.25)
    assert now.decisions == held.decisions + 1
    assert now.over_usd == pytest.approx(held.over_usd + 0.25 - 0.5)
    engine.report(names[1], kind="RETRACT")
    now = engine.state.ledgers["all"][""]
    assert now.spent_usd == pytest.approx(held.spent_usd)
    assert now.decisions == held.decisions
    assert now.over_usd == pytest.approx(held.over_usd)
    engine.wall.now_ms += 2 * HOUR_MS
    engine.route()
    assert before not in engine.state.decisions
    assert engine.state.learner.weight_of(engine.state.arm_of["small"]) == 0.0
    assert engine.state.learner.weight_of(engine.state.arm_of["large"]) == 1.0  # it was let
    sound(engine)


def test_what_was_told_before_a_refusal_is_charged_like_what_is_told_behind_it() -> None:
    """A cost counts whenever it is told; without one, whoever is not let counts for nothing."""
    budgets = [{"id": "all", "usd": 5.0, "usd_per_decision": 0.5}]
    engine = Engine(budgets=budgets)
    engine.route(agent_id="large")
    held = engine.state.ledgers["all"][""]
    for cost_usd in (0.25, None):
        name = engine.route(agent_id="small").decision_id
        engine.report(name, quality=0.5, cost_usd=cost_usd, outcome_id=name)
        assert not claim(engine, name, 0.2).accepted
        now = engine.state.ledgers["all"][""]
        assert now.decisions == held.decisions + (cost_usd is not None)
        engine.report(name, kind="RETRACT")
        now = engine.state.ledgers["all"][""]
        assert now.decisions == held.decisions
        assert now.spent_usd == pytest.approx(held.spent_usd)
        assert now.over_usd == pytest.approx(held.over_usd)
    sound(engine)


def test_the_weights_are_sums() -> None:
    """Revised or retracted outcomes leave no trace in what a self-report is worth."""
    engine = Engine()
    name = engine.route(agent_id="small").decision_id
    claim(engine, name, 0.9)
    engine.report(name, quality=0.2)
    assert engine.state.claims.n.sum() == 1.0
    engine.report(name, kind="REVISE", quality=0.6)
    assert abs(engine.state.claims.s.sum() - 0.6) < 1e-12
    engine.report(name, executed_agent_id="large")  # another one's work says nothing of it
    assert abs(engine.state.claims.n.sum()) < 1e-12
    engine.report(name, kind="RETRACT")
    assert not engine.state.claims.s.round(12).any()
    sound(engine)


def test_a_report_that_the_results_do_not_bear_out_is_an_event() -> None:
    """Too high or too low by more than the threshold, with enough outcomes to tell."""
    engine = Engine()
    for _ in range(10):
        engine.report(engine.route(agent_id="small").decision_id, quality=0.5)
    for competence, disputed in ((0.7, False), (0.95, True), (0.1, True)):
        name = engine.route(agent_id="small").decision_id
        assert claim(engine, name, competence).disputed is disputed
    found = engine.events(CompetenceDisputed)
    assert [(event.competence, event.shown, event.outcomes) for event in found] == [
        (0.95, 0.5, 10),
        (0.1, 0.5, 10),
    ]
    sound(engine)


def test_a_decision_is_claimed_once_while_it_is_open() -> None:
    engine = Engine(limits={"open_decisions": 2})
    name = engine.route().decision_id
    claim(engine, name, 0.9)
    engine.refused(ErrorReason.CLAIM_CONFLICT, claim, engine, name, 0.8)
    engine.refused(ErrorReason.FIELD_VIOLATIONS, claim, engine, name, 1.1)
    engine.refused(ErrorReason.FIELD_VIOLATIONS, claim, engine, "", 0.5)
    engine.refused(ErrorReason.DECISION_NOT_FOUND, claim, engine, "0" * 16, 0.5)
    engine.route()
    engine.route()
    engine.refused(ErrorReason.DECISION_EXPIRED, claim, engine, name, 0.9)

"""Follow-ups: a task goes on to agents that were not tried, for so many steps, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from routerd.core.errors import ErrorReason
from routerd.core.events import Decision
from routerd.core.values import Exclusion, Reason
from routerd.engine.verify import verify
from tests.core.engine import HOUR_MS, Engine


def after(decision_id: str, cause: str = "FAILED", **evidence: Any) -> dict[str, Any]:
    return {"decision_id": decision_id, "cause": cause, "evidence": evidence}


def test_a_chain_tries_nobody_twice() -> None:
    """Each step leaves out all before it; the third of three agents is certain; then nobody is."""
    engine = Engine()
    chain = [engine.route(work_type="code")]
    for _ in range(2):
        chain.append(engine.route(work_type="code", follows=after(chain[-1].decision_id)))
    assert {answer.decision.agent_id for answer in chain} == {"large", "medium", "small"}
    assert [len(answer.decision.agents) for answer in chain] == [3, 2, 1]
    assert {e.reason for e in chain[2].decision.excluded} == {Exclusion.TRIED}
    assert chain[2].decision.propensity == 1.0
    assert [answer.decision.reason for answer in chain[1:]] == [Reason.RETRY] * 2
    left = engine.refused(
        ErrorReason.NO_ELIGIBLE_AGENT, engine.route, follows=after(chain[2].decision_id)
    )
    assert left.retry_after_ms is None  # asking again does not help
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


def test_a_chain_has_a_bounded_length() -> None:
    """thresholds.max_steps decisions, whatever their causes."""
    engine = Engine(thresholds={"max_steps": 2})
    first = engine.route()
    second = engine.route(follows=after(first.decision_id, "REFUSED", competence=0.2))
    told = engine.refused(
        ErrorReason.STEPS_EXHAUSTED, engine.route, follows=after(second.decision_id)
    )
    assert told.metadata == {"decision_id": second.decision_id, "steps": "2"}
    # The same first decision may be followed again: that is another chain of two.
    engine.route(follows=after(first.decision_id))


def test_a_chain_outlives_its_first_decision() -> None:
    """What was tried is known as long as the last decision is open, and no longer."""
    engine = Engine(outcomes={"window_hours": 1})
    first = engine.route()
    engine.wall.now_ms += 40 * 60_000
    second = engine.route(follows=after(first.decision_id))
    engine.wall.now_ms += 40 * 60_000
    third = engine.route(follows=after(second.decision_id))
    tried = {e.agent_id for e in third.decision.excluded}
    assert tried == {first.decision.agent_id, second.decision.agent_id}
    assert first.decision_id not in engine.state.decisions
    engine.refused(ErrorReason.DECISION_EXPIRED, engine.route, follows=after(first.decision_id))
    engine.wall.now_ms += 2 * HOUR_MS
    engine.refused(ErrorReason.DECISION_EXPIRED, engine.route, follows=after(third.decision_id))
    engine.refused(ErrorReason.DECISION_NOT_FOUND, engine.preview, follows=after("0" * 16))


def test_a_follow_up_is_asked_once() -> None:
    """The same key and body give the same answer, also when the decision before has closed."""
    engine = Engine(limits={"open_decisions": 2})
    first = engine.route()
    asked = {"request_id": "again", "follows": after(first.decision_id)}
    answer = engine.route(**asked)
    engine.route()
    assert first.decision_id not in engine.state.decisions
    assert engine.route(**asked).decision_id == answer.decision_id
    other = {**asked, "follows": after(first.decision_id, "REFUSED")}
    engine.refused(ErrorReason.REQUEST_ID_REUSED, engine.route, **other)


def test_who_ran_is_who_was_tried() -> None:
    """When another agent than the decided one ran and failed, that one is not chosen again."""
    engine = Engine()
    first = engine.route(agent_id="large")
    engine.report(first.decision_id, executed_agent_id="small", success=False)
    second = engine.route(follows=after(first.decision_id))
    assert [e.agent_id for e in second.decision.excluded] == ["small"]


def test_who_was_followed_is_no_longer_in_flight() -> None:
    """The agent that failed has room again, for other tasks."""
    engine = Engine(agents=[{"id": "one", "max_concurrency": 1}, {"id": "two"}])
    first = engine.route(agent_id="one")
    assert engine.preview().decision.agents == ("two",)
    engine.route(follows=after(first.decision_id))
    assert engine.preview().decision.agents == ("one", "two")


def test_what_passes_by_itself_is_told_apart() -> None:
    """A full agent may be asked for again; an agent that was tried, or lacks something, not."""
    engine = Engine(agents=[{"id": "one", "max_concurrency": 1}, {"id": "two"}])
    first = engine.route(agent_id="two")
    engine.route(agent_id="one")
    full = engine.refused(
        ErrorReason.NO_ELIGIBLE_AGENT, engine.route, follows=after(first.decision_id)
    )
    assert full.retry_after_ms
    assert full.metadata["two"].startswith("TRIED")
    for asked, reason in (
        ({"pool": "nowhere"}, ErrorReason.EMPTY_POOL),
        ({"required_capabilities": ["flight"]}, ErrorReason.MISSING_CAPABILITY),
    ):
        assert engine.refused(reason, engine.route, **asked).retry_after_ms is None


def test_who_insists_on_an_agent_is_told_of_that_one() -> None:
    """That it may be free soon, though others are; that there is none, though nobody is free."""
    engine = Engine(agents=[{"id": "one", "max_concurrency": 1}, {"id": "two", "pool": "paid"}])
    engine.route(agent_id="one")
    ask, none = engine.route, ErrorReason.NO_ELIGIBLE_AGENT
    assert engine.refused(none, ask, agent_id="one").retry_after_ms
    assert engine.refused(none, ask, agent_id="one", pool="paid").retry_after_ms is None
    engine.refused(ErrorReason.AGENT_NOT_FOUND, ask, agent_id="nobody", pool="nowhere")


def test_low_confidence_is_an_escalation() -> None:
    """Its evidence is logged with it and stands in the sentence."""
    engine = Engine()
    first = engine.route(agent_id="small")
    follows = after(first.decision_id, "LOW_CONFIDENCE", reported_confidence=0.4)
    answer = engine.route(follows=follows)
    assert answer.decision.reason is Reason.ESCALATION
    assert "small" in answer.sentence
    assert "0.4" in answer.sentence
    logged = engine.events(Decision)[-1].query.follows
    assert logged is not None
    assert logged.evidence.reported_confidence == 0.4


@pytest.mark.parametrize(
    ("follows", "field"),
    [
        ({"decision_id": "d"}, "follows.cause"),
        ({"cause": "FAILED"}, "follows.decision_id"),
        (after("d", "LOW_CONFIDENCE"), "follows.evidence.reported_confidence"),
        (after("d", competence=1.5), "follows.evidence.competence"),
        (after("d", explanation="\0"), "follows.evidence.explanation"),
    ],
)
def test_what_is_wrong_is_named(follows: dict[str, Any], field: str) -> None:
    engine = Engine()
    refusal = engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.route, follows=follows)
    assert field in [violation.field for violation in refusal.violations]

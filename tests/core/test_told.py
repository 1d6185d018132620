"""What is said of a whole group, and what a user's doing says, become outcomes like any other."""

from __future__ import annotations

from typing import Any

import pytest

from routerd.core.errors import ErrorReason
from routerd.core.events import OutcomeReported
from tests.core.engine import HOUR_MS, Engine

SIGNALS = {
    "edited": {"quality": 0.4},
    "asked_again": {"quality": 0.1, "within_minutes": 5},
}
MINUTE_MS = 60_000


def planned(**config: Any) -> tuple[Engine, list[str]]:
    """An engine with three decisions of one plan, and one of another."""
    engine = Engine(outcomes={"signals": SIGNALS, "sources": ["reviewer"]}, **config)
    names = [
        engine.route(work_type="code", group_id="plan-1", agent_id="large").decision_id
        for _ in range(3)
    ]
    engine.route(work_type="code", group_id="plan-2", agent_id="large")
    return engine, names


def qualities(engine: Engine, names: list[str]) -> list[float | None]:
    return [engine.sequencer.find(name).quality for name in names]


def test_a_rating_of_a_group_is_learnt_for_each_of_its_decisions() -> None:
    """As if each had been reported: the same sums, and decisions of other groups untouched."""
    engine, names = planned()
    ack = engine.report(group_id="plan-1", quality=0.8)
    assert (ack.decisions, qualities(engine, names)) == (3, [0.8] * 3)
    single, same = planned()
    for name in same:
        single.report(name, quality=0.8)
    ours, theirs = engine.state.learner.state(), single.state.learner.state()
    assert (ours["h"] == theirs["h"]).all()
    assert (ours["lam"] == theirs["lam"]).all()
    assert engine.state.tally.told.sum() == 3


def test_what_is_said_of_one_decision_counts_before_its_groups_rating() -> None:
    """Whichever comes first: caller and ranked sources outrank the group."""
    engine, names = planned()
    engine.report(names[0], quality=0.2)
    engine.report(group_id="plan-1", success=True)
    engine.report(names[1], source="reviewer", quality=0.5)
    assert qualities(engine, names) == [0.2, 0.5, 1.0]


def test_a_groups_rating_can_be_revised_and_taken_back() -> None:
    """It is a register like any other source's; the sums end as if it had never been."""
    engine, names = planned()
    engine.report(group_id="plan-1", quality=0.8)
    engine.report(group_id="plan-1", quality=0.6, kind="REVISE")
    assert qualities(engine, names) == [0.6] * 3
    engine.report(group_id="plan-1", source="group", kind="RETRACT")
    assert qualities(engine, names) == [None] * 3
    assert abs(engine.state.learner.state()["h"]).max() < 1e-12


def test_a_repeated_rating_is_learnt_once_and_kept_as_long_as_its_latest_decision() -> None:
    """Its id lives on while one decision of the group is open, and goes with it."""
    engine, _ = planned()
    first = engine.report(group_id="plan-1", outcome_id="survey", quality=0.8)
    again = engine.report(group_id="plan-1", outcome_id="survey", quality=0.8)
    assert (again.duplicate, again.position) == (True, first.position)
    other = {"group_id": "plan-1", "outcome_id": "survey", "quality": 0.9}
    engine.refused(ErrorReason.OUTCOME_CONFLICT, engine.report, **other)
    assert engine.state.outcomes
    engine.wall.now_ms += 25 * HOUR_MS
    engine.route(work_type="code")
    assert not engine.state.outcomes
    assert not engine.state.groups
    assert len(engine.state.decisions) == 1


def test_a_rating_of_a_group_is_an_outcome_of_each_of_its_decisions() -> None:
    """None hears more than limits.decision_outcomes, however late others join its group."""
    engine, names = planned(limits={"decision_outcomes": 3})
    for source in ("ann", "bob"):
        engine.report(group_id="plan-1", quality=0.8, source=source)
    engine.report(names[0], quality=0.5)
    late = engine.route(group_id="plan-1").decision_id
    said: dict[str, Any] = {"group_id": "plan-1", "quality": 0.8}
    full = engine.refused(ErrorReason.TOO_MANY_OUTCOMES, engine.report, **said)
    assert full.metadata["decision_id"] == names[0]
    engine.refused(ErrorReason.TOO_MANY_OUTCOMES, engine.report, names[0], quality=0.5)
    assert engine.report(late, quality=0.5).decisions == 1
    told = [engine.sequencer.find(name).reports for name in (*names, late)]
    assert told == [3, 2, 2, 1]
    assert engine.refold().hash() == engine.state.hash()


def test_the_log_names_the_decisions_that_were_rated() -> None:
    """A decision that joins the group later is not touched, live or folded anew."""
    engine, names = planned()
    engine.report(group_id="plan-1", quality=0.8)
    late = engine.route(work_type="code", group_id="plan-1").decision_id
    (event,) = engine.events(OutcomeReported)
    assert event.decision_ids == tuple(names)
    assert qualities(engine, [late]) == [None]
    assert engine.refold().hash() == engine.state.hash()


def test_a_group_that_is_unknown_or_too_large_is_refused() -> None:
    """With the group's name, and the bound's."""
    engine, _ = planned(limits={"group_decisions": 2})
    said: dict[str, Any] = {"group_id": "plan-9", "quality": 1.0}
    unknown = engine.refused(ErrorReason.GROUP_NOT_FOUND, engine.report, **said)
    assert "plan-9" in unknown.message
    said["group_id"] = "plan-1"
    large = engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.report, **said)
    assert "limits.group_decisions is 2" in large.message


def test_a_signal_means_what_the_configuration_says() -> None:
    """Its quality is learnt, and whatever is really said of the decision counts before it."""
    engine, names = planned()
    engine.report(names[0], signal="edited")
    engine.report(names[1], signal="edited")
    engine.report(names[1], quality=0.9)
    assert qualities(engine, names) == [0.4, 0.9, None]
    (event, _, _) = engine.events(OutcomeReported)
    assert (event.outcome.signal, event.outcome.quality) == ("edited", 0.4)


def test_a_signal_that_comes_late_says_nothing() -> None:
    """Asking again within five minutes tells of a poor answer; an hour later, of nothing."""
    engine, names = planned()
    engine.wall.now_ms += 5 * MINUTE_MS
    engine.report(names[0], signal="asked_again")
    engine.wall.now_ms += 1
    engine.report(names[1], signal="asked_again")
    assert qualities(engine, names) == [0.1, None, None]


def test_a_signal_keeps_its_meaning_when_the_configuration_changes() -> None:
    """What was learnt is in the log, not looked up again."""
    engine, names = planned()
    engine.report(names[0], signal="edited")
    engine.open(outcomes={"signals": {"edited": {"quality": 0.9}}, "sources": ["reviewer"]})
    assert qualities(engine, names) == [0.4, None, None]
    assert engine.refold().hash() == engine.state.hash()


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"signal": "sighed"}, "outcome.signal: is not declared in outcomes.signals: asked_again"),
        ({"signal": "edited", "quality": 0.5}, "outcome.signal: means a quality itself"),
        ({"signal": "edited", "group_id": "plan-1"}, "outcome.signal: is of one decision"),
        ({"group_id": "plan-1", "cost_usd": 1.0}, "outcome.group_id: takes success and quality"),
        ({"group_id": "plan-1", "executed_agent_id": "small"}, "outcome.group_id: takes success"),
        ({"group_id": "plan-1", "cancelled": True}, "outcome.group_id: takes success"),
        ({"group_id": "plan-1", "reported_confidence": 0.9}, "outcome.group_id: takes success"),
        (
            {"cost_usd": 10_000.5},
            "outcome.cost_usd: is 10000.5; outcomes.max_cost_usd is 10000: tell US dollars",
        ),
        ({"cost_usd": 1e13}, "outcome.cost_usd: is 1e+13; it must lie in [0, 1e+12]"),
        ({"group_id": "g" * 200, "quality": 1.0}, "outcome.group_id: has 200 characters"),
    ],
)
def test_a_saying_that_makes_no_sense_is_refused(said: dict[str, Any], wrong: str) -> None:
    """By the name of the field, and nothing changes."""
    engine, names = planned()
    of = {} if "group_id" in said else {"decision_id": names[0]}
    error = engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.report, **of, **said)
    assert wrong in error.message


def test_the_dearest_cost_is_the_configurations() -> None:
    """What was accepted under another bound stays, is answered again, and can be taken back."""
    engine, names = planned()
    engine.report(names[0], outcome_id="dear", cost_usd=10_000.0)
    state = engine.state.hash
    engine.open(outcomes={"max_cost_usd": 5.0, "signals": SIGNALS})
    before = state()
    assert engine.report(names[0], outcome_id="dear", cost_usd=10_000.0).duplicate
    engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.report, names[1], cost_usd=5.1)
    assert engine.sequencer.find(names[0]).cost_usd == 10_000.0
    engine.report(names[0], kind="RETRACT")
    engine.report(names[1], cost_usd=5.0)
    assert engine.state.hash() != before
    assert engine.sequencer.find(names[0]).cost_usd is None


def test_a_group_and_a_decision_at_once_are_refused() -> None:
    """One outcome is of one of the two."""
    engine, names = planned()
    said = {"decision_id": names[0], "group_id": "plan-1", "quality": 1.0}
    error = engine.refused(ErrorReason.FIELD_VIOLATIONS, engine.report, **said)
    assert "give one of the two" in error.message

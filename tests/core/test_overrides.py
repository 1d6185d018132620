"""Overrides: whom they leave, in which order they hold, and that it can be seen and checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routerd.core.errors import ErrorReason
from routerd.core.events import Decision, OverrideRemoved, RemovalCause
from routerd.core.reasons import law_of
from routerd.core.rules import Override
from routerd.core.values import AgentSource, Exclusion, Reason
from routerd.engine.verify import verify
from tests.core.engine import HOUR_MS, Engine

ACME = {"labels": {"customer": "acme"}}


def left(engine: Engine, **fields: Any) -> set[str]:
    return set(law_of(engine.preview(**fields).decision))


def test_a_forced_agent_is_the_only_one_for_its_tasks() -> None:
    """The decision says who wants it so and why; other tasks go on as before."""
    engine = Engine()
    engine.overrule(
        "pin", agent="small", when={"customer": "acme"}, author="ops", reason="ticket 7"
    )
    answer = engine.route(**ACME)
    made = answer.decision
    assert (made.agent_id, made.propensity, made.reason) == ("small", 1.0, Reason.OVERRIDE)
    assert made.stages == ("eligibility", "policy", "override")
    assert answer.sentence == (
        "Forced by override pin by ops: ticket 7 (probability 1 among 1 eligible agent)."
    )
    assert {e.agent_id: e.reason for e in made.excluded} == dict.fromkeys(
        ("large", "medium"), Exclusion.OVERRIDDEN
    )
    assert made.fallback == ""
    assert left(engine) == {"large", "medium", "small"}
    assert engine.route().decision.reason is not Reason.OVERRIDE


def test_a_forced_pool_leaves_the_policy_its_agents() -> None:
    """Fallback and alternatives keep to the pool as well."""
    engine = Engine()
    engine.overrule("eu", pool="paid", when={"work_type": "code"})
    made = engine.route(work_type="code").decision
    assert set(law_of(made)) == {"large", "medium"}
    assert made.reason is Reason.OVERRIDE
    assert {made.agent_id, made.fallback} == {"large", "medium"}
    assert np.frombuffer(made.law).sum() == pytest.approx(1.0)


def test_a_forbidden_type_is_left_out() -> None:
    """The reason stays the policy's own: it chose among the others."""
    engine = Engine(agents=[{"id": "a", "type": "x"}, {"id": "b", "type": "x"}, {"id": "c"}])
    engine.overrule("no-x", action="forbid", type="x")
    made = engine.route().decision
    assert (set(law_of(made)), made.reason) == ({"c"}, Reason.COLD_START)
    assert made.excluded[0].detail == "is forbidden by override no-x"


RULES: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "the highest priority forces": (
        [{"agent": "small"}, {"agent": "large", "priority": 1}],
        {"large"},
    ),
    "what follows one that forces is not taken": (
        [{"agent": "large", "priority": 1}, {"action": "forbid", "agent": "large"}],
        {"large"},
    ),
    "of equals, those that forbid come first": (
        [{"pool": "paid"}, {"action": "forbid", "agent": "large"}],
        {"medium"},
    ),
    "of equals that force, the first id": ([{"agent": "medium"}, {"agent": "small"}], {"medium"}),
    "all that is given of an agent must fit": ([{"pool": "paid", "agent": "medium"}], {"medium"}),
    "one that would leave nobody is passed over if it says so": (
        [{"agent": "away", "otherwise": "policy"}, {"pool": "free"}],
        {"small"},
    ),
    "several forbid": (
        [{"action": "forbid", "agent": "large"}, {"action": "forbid", "agent": "small"}],
        {"medium"},
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_order_in_which_overrides_hold(name: str) -> None:
    """The name says the rule."""
    rules, expected = RULES[name]
    engine = Engine()
    engine.register("away")
    engine.set_status("away", "OFFLINE")
    for i, rule in enumerate(rules):
        engine.overrule(f"o{i}", **rule)
    assert left(engine) == expected


def test_an_override_that_leaves_nobody_refuses() -> None:
    """The refusal names the override."""
    engine = Engine()
    engine.set_status("small", "OFFLINE")
    engine.overrule("pin", agent="small", when={"customer": "acme"}, reason="the contract")
    refusal = engine.refused(ErrorReason.NO_ELIGIBLE_AGENT, engine.route, **ACME)
    assert "large is not what is forced by override pin: the contract" in refusal.message
    assert refusal.metadata["small"].startswith("OFFLINE")


def test_a_forced_agent_may_be_busy() -> None:
    """Busy agents are left out while others are left, and nobody else is."""
    engine = Engine()
    engine.set_status("small", "BUSY")
    engine.overrule("pin", agent="small")
    assert left(engine) == {"small"}


def test_a_request_that_names_its_agent_is_not_overruled() -> None:
    """Neither by one that forces another nor by one that forbids it."""
    engine = Engine()
    engine.overrule("pin", agent="small")
    engine.overrule("ban", action="forbid", agent="large", priority=1)
    made = engine.route(agent_id="large").decision
    assert (made.agent_id, made.reason) == ("large", Reason.EXPLICIT)


def test_an_override_ends_with_its_time_and_goes_by_itself() -> None:
    """At its very moment, by event time, for the decision that comes first after it too."""
    engine = Engine()
    end_ms = engine.wall.now_ms + HOUR_MS
    engine.overrule("pin", agent="small", expires_time_ms=end_ms)
    engine.wall.now_ms = end_ms - 1
    assert left(engine) == {"small"}
    engine.wall.now_ms = end_ms
    assert engine.route().decision.reason is not Reason.OVERRIDE
    (gone,) = engine.events(OverrideRemoved)
    assert (gone.override_id, gone.cause) == ("pin", RemovalCause.EXPIRED)
    engine.refused(ErrorReason.OVERRIDE_NOT_FOUND, engine.rules.get, "pin")


def test_a_configured_override_holds_and_cannot_be_redefined() -> None:
    """One that came over RPC under its id gives way to it, and is gone when it goes."""
    engine = Engine()
    engine.overrule("pin", agent="small")
    engine.open(overrides=[{"id": "pin", "agent": "large"}])
    assert left(engine) == {"large"}
    assert engine.rules.get("pin").source is AgentSource.CONFIG
    for call in (engine.rules.create, engine.rules.update):
        engine.refused(ErrorReason.OVERRIDE_IS_CONFIGURED, call, Override("pin", agent="medium"))
    engine.open()
    assert left(engine) == {"large", "medium", "small"}


def test_overrides_are_told_in_pages() -> None:
    """In id order, those of the configuration among them, by what their `when` has."""
    engine = Engine(overrides=[{"id": "b", "agent": "small", "when": {"customer": "acme"}}])
    for name in ("c", "a", "d"):
        engine.overrule(name, agent="large", when={"customer": "acme", "work_type": name})
    engine.overrule("e", agent="large")
    first = engine.rules.page({"customer": "acme"}, page_size=3)
    assert ([o.override.id for o in first.overrides], first.next) == (["a", "b", "c"], "c")
    rest = engine.rules.page({"customer": "acme"}, page_token=first.next)
    assert ([o.override.id for o in rest.overrides], rest.next) == (["d"], "")


def test_a_history_with_overrides_verifies_and_survives_a_restart() -> None:
    """State and laws come back from the log alone, bit for bit."""
    engine = Engine(overrides=[{"id": "file", "action": "forbid", "agent": "large"}])
    for i in range(60):
        if i % 7 == 0:
            end_ms = engine.wall.now_ms + 20_000 * (i % 2)
            engine.overrule(
                f"o{i % 3}",
                pool=("paid", "free")[i % 2],
                when={"customer": f"c{i % 3}"},
                priority=i % 5,
                expires_time_ms=end_ms if i % 2 else 0,
                otherwise="policy",
            )
        if i % 11 == 10:
            engine.lift(next(iter(engine.state.placed)))
        name = engine.route(labels={"customer": f"c{i % 4}"}).decision_id
        engine.report(name, quality=i % 3 / 2)
        engine.wall.now_ms += 3_000
    reasons = [decision.reason for decision in engine.events(Decision)]
    assert 5 < reasons.count(Reason.OVERRIDE) < 55
    assert engine.refold().hash() == engine.state.hash()
    found = verify(engine.log)
    assert (found.mismatches, found.laws_exact) == ((), 60)


def test_an_override_of_the_past_is_refused_and_changes_nothing() -> None:
    """Neither a new one, nor one that would take the place of another that is in force."""
    engine = Engine()
    now_ms = engine.wall.now_ms
    engine.rules.create(Override("held", agent="small", expires_time_ms=now_ms + HOUR_MS))
    before = engine.state.hash()
    for call, name in ((engine.rules.create, "new"), (engine.rules.update, "held")):
        past = Override(name, agent="large", expires_time_ms=now_ms)
        error = engine.refused(ErrorReason.FIELD_VIOLATIONS, call, past)
        assert error.violations[0].field == "definition.expires_time_ms"
    assert engine.state.hash() == before
    assert engine.route().decision.agent_id == "small"

"""Capability profiles: what they count, and that corrections leave no trace in them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from routerd.core.answers import CapabilityRecord, Profile
from tests.core.engine import AGENTS, START_MS, Engine


def record(profile: Profile, work_type: str) -> CapabilityRecord:
    (found,) = [r for r in profile.records if r.work_type == work_type]
    return found


def work(engine: Engine, agent: str, work_type: str = "code", **outcome: Any) -> str:
    """One task of an agent and what came of it; the decision's id."""
    name = engine.route(agent_id=agent, work_type=work_type).decision_id
    if outcome:
        engine.report(name, **outcome)
    return name


def test_a_record_has_the_means_of_what_was_reported() -> None:
    """Each metric is averaged over the decisions that told it, each agent and work type alone."""
    engine = Engine()
    work(engine, "small", quality=1.0, cost_usd=0.2)
    work(engine, "small", success=False, cost_usd=0.4, latency_ms=50.0)
    work(engine, "small", "plan", quality=0.5)
    work(engine, "large", quality=0.9)
    engine.wall.now_ms += 7
    work(engine, "small", "plan")
    profile = engine.registry.profile("small")
    code = record(profile, "code")
    assert code.mean_cost_usd == pytest.approx(0.3)
    assert code[:3] == ("code", 2, 0.5)
    assert code[4:] == (50.0, START_MS, "")
    assert record(profile, "plan") == ("plan", 1, 0.5, None, None, START_MS + 7, "")
    overall = profile.overall
    assert (overall.outcomes, overall.mean_quality, overall.last_ms) == (3, 0.5, START_MS + 7)
    assert [r.work_type for r in profile.records] == ["code", "plan"]
    assert engine.registry.profile("medium").records == ()
    assert engine.registry.profile("medium").overall.last_ms == 0


def test_a_cue_needs_ten_outcomes() -> None:
    """Below that nothing is claimed."""
    engine = Engine()
    for _ in range(9):
        work(engine, "small", success=True)
    assert record(engine.registry.profile("small"), "code").cue == ""
    work(engine, "small", success=False)
    assert record(engine.registry.profile("small"), "code").cue == "90% on code, 10 outcomes"


def test_who_ran_is_who_has_shown_it() -> None:
    """The executed agent gets the record, though it was never chosen for the work."""
    engine = Engine()
    name = work(engine, "small", success=True)
    engine.report(name, executed_agent_id="large", success=True)
    assert record(engine.registry.profile("small"), "code").outcomes == 0
    found = record(engine.registry.profile("large"), "code")
    assert (found.outcomes, found.last_ms) == (1, 0)


def test_corrections_leave_no_trace() -> None:
    """Revised, retracted, repeated in any order: the record is that of what counts."""
    engine, clean = Engine(), Engine()
    rng = random.Random(5)
    for i in range(60):
        work_type = ("code", "plan", "")[i % 3]
        truth = {"quality": rng.random(), "cost_usd": rng.random(), "latency_ms": 1e3 * i}
        kept = i % 4 > 0
        work(clean, "small", work_type, **(truth if kept else {}))
        name = work(engine, "small", work_type, quality=rng.random(), cost_usd=rng.random())
        if i % 5 == 0:
            engine.report(name, source="ci", latency_ms=1.0)
            engine.report(name, source="ci", kind="RETRACT")
        engine.report(name, **truth)
        if not kept:
            engine.report(name, kind="RETRACT")
    wanted, found = clean.registry.profile("small"), engine.registry.profile("small")
    for ours, theirs in zip(
        (found.overall, *found.records), (wanted.overall, *wanted.records), strict=True
    ):
        assert ours._replace(mean_quality=0, mean_cost_usd=0, mean_latency_ms=0) == (
            theirs._replace(mean_quality=0, mean_cost_usd=0, mean_latency_ms=0)
        )
        assert ours[2:5] == pytest.approx(theirs[2:5], abs=1e-9)
    assert engine.refold().hash() == engine.state.hash()


def test_work_types_beyond_the_first_63_share_a_record() -> None:
    """They are counted, under no name."""
    engine = Engine()
    for i in range(70):
        work(engine, "small", f"type-{i}", success=True)
    profile = engine.registry.profile("small")
    assert (profile.overall.outcomes, len(profile.records)) == (70, 64)
    assert record(profile, "").outcomes == 7
    assert record(profile, "type-62").outcomes == 1


def test_a_profile_begins_with_what_is_learnt() -> None:
    """It outlives restarts and removals, and starts anew where learning does."""
    engine = Engine()
    engine.register("guest")
    work(engine, "guest", success=True)
    engine.deregister("guest")
    engine.register("guest", version="2")
    engine.open(utility={"cost": 1.0})
    assert engine.registry.profile("guest").overall.outcomes == 1
    engine.open(agents=AGENTS, features=[{"kind": "number", "name": "complexity"}])
    assert engine.registry.profile("guest").overall.outcomes == 0

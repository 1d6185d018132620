"""Cooldown: agents that fail are set aside for a while, then tried by one decision at a time."""

from __future__ import annotations

from routerd.core.errors import ErrorReason
from routerd.core.events import AgentCooledDown, AgentRecovered, CooldownCause
from routerd.core.values import Exclusion
from routerd.engine.verify import verify
from routerd.router import request_of
from tests.core.engine import HOUR_MS, Engine

AGENTS = [{"id": "flaky"}, {"id": "good"}, {"id": "other"}]
COOLDOWN = {"failures": 3, "base_seconds": 10, "max_seconds": 40}


def engine_of(**cooldown: object) -> Engine:
    return Engine(agents=AGENTS, cooldown={**COOLDOWN, **cooldown})


def run(engine: Engine, agent_id: str, *, success: bool) -> None:
    engine.report(engine.route(agent_id=agent_id).decision_id, success=success)


def fail(engine: Engine, times: int = 3) -> None:
    for _ in range(times):
        run(engine, "flaky", success=False)


def out(engine: Engine) -> dict[str, Exclusion]:
    return {e.agent_id: e.reason for e in engine.preview().decision.excluded}


def sound(engine: Engine) -> None:
    """What is in memory is what the log says, and every decision can be derived again."""
    assert engine.state.hash() == engine.refold().hash()
    assert not verify(engine.log).mismatches


def test_so_many_failures_in_a_row_set_an_agent_aside() -> None:
    """A success between them starts the count anew; the cooldown is an event."""
    engine = engine_of()
    fail(engine, 2)
    run(engine, "flaky", success=True)
    fail(engine, 2)
    assert out(engine) == {}
    fail(engine, 1)
    assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
    (event,) = engine.events(AgentCooledDown)
    assert (event.agent_id, event.times, event.cause) == ("flaky", 1, CooldownCause.FAILURES)
    assert event.until_ms == engine.wall.now_ms + 10_000
    assert engine.registry.get("flaky").cooling_until_ms == event.until_ms
    sound(engine)


def test_a_trial_is_one_decision_at_a_time() -> None:
    """After the cooldown one decision may choose the agent; what comes of it decides."""
    engine = engine_of()
    fail(engine)
    engine.wall.now_ms += 9_999
    assert not engine.registry.get("flaky").on_trial
    engine.wall.now_ms += 1
    assert engine.registry.get("flaky").on_trial
    assert out(engine) == {}
    trial = engine.route(agent_id="flaky").decision_id
    assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
    engine.report(trial, success=True)
    assert out(engine) == {}
    assert len(engine.events(AgentRecovered)) == 1
    back = engine.registry.get("flaky")
    assert (back.cooling_until_ms, back.on_trial) == (0, False)
    fail(engine, 2)  # it starts anew
    assert out(engine) == {}
    sound(engine)


def test_each_failed_trial_doubles_the_time_up_to_a_limit() -> None:
    engine = engine_of()
    fail(engine)
    for _ in range(4):
        engine.wall.now_ms += 41_000
        fail(engine, 1)
    lengths = [event.until_ms - event.time_ms for event in engine.events(AgentCooledDown)]
    assert lengths == [10_000, 20_000, 40_000, 40_000, 40_000]
    sound(engine)


def test_what_was_decided_before_an_agent_was_set_aside_counts_no_more() -> None:
    """Late failures of then set nobody aside again who has passed a trial, in a row or by share;
    nor do late successes of then stand against failures of now."""
    for rule in ({"failures": 5}, {"failures": None, "below_peers": 0.5, "window": 5}):
        engine = engine_of(**rule)
        for _ in range(5):
            run(engine, "good", success=True)
        late = [engine.route(agent_id="flaky").decision_id for _ in range(11)]
        fail(engine, 5)
        for name in late[:5]:
            engine.report(name, success=False)
        engine.wall.now_ms += 10_001
        run(engine, "flaky", success=True)
        for name in late[5:10]:
            engine.report(name, success=False)
        assert out(engine) == {}
        fail(engine, 2)
        engine.report(late[10], success=True)
        fail(engine, 3)
        assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
        assert len(engine.events(AgentCooledDown)) == 2
        sound(engine)


def test_a_trial_that_hears_nothing_gives_way_to_another() -> None:
    """A lost outcome does not keep an agent out for good."""
    engine = engine_of()
    fail(engine)
    engine.wall.now_ms += 10_001
    engine.route(agent_id="flaky")
    assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
    engine.wall.now_ms += HOUR_MS + 1
    assert out(engine) == {}
    run(engine, "flaky", success=True)
    assert len(engine.events(AgentRecovered)) == 1
    sound(engine)


def test_the_last_candidate_is_never_set_aside() -> None:
    """Who is cooling down serves when nobody else can, or when the request insists on it."""
    engine = engine_of()
    fail(engine)
    engine.set_status("good", "OFFLINE")
    assert set(out(engine)) == {"flaky", "good"}
    engine.set_status("other", "OFFLINE")
    assert engine.route().decision.agents == ("flaky",)
    engine.set_status("other", "BUSY")  # rather a busy one than a failing one
    assert engine.preview().decision.agents == ("other",)
    engine.set_status("other", "ONLINE")
    assert engine.route(agent_id="flaky").decision.agent_id == "flaky"
    sound(engine)


def test_an_agent_that_succeeds_far_less_than_its_peers_is_set_aside() -> None:
    """Though it never fails often in a row; when the others do as badly, it is not."""
    for peers_succeed in (True, False):
        engine = engine_of(failures=None, below_peers=0.5, window=10)
        for i in range(10):
            run(engine, "good", success=peers_succeed or i % 4 == 0)
            run(engine, "flaky", success=i % 4 == 0)
        assert out(engine) == ({"flaky": Exclusion.COOLING_DOWN} if peers_succeed else {})
        causes = [event.cause for event in engine.events(AgentCooledDown)]
        assert causes == [CooldownCause.BELOW_PEERS] * peers_succeed
        sound(engine)


def test_a_failed_follow_up_counts_once() -> None:
    """With an outcome beside it or without, in any order; a refusal is no failure."""
    engine = engine_of()
    for told in ("outcome first", "outcome later", "no outcome"):
        name = engine.route(agent_id="flaky").decision_id
        if told == "outcome first":
            engine.report(name, success=False)
        engine.route(follows={"decision_id": name, "cause": "FAILED"}, agent_id="good")
        if told == "outcome later":
            engine.report(name, success=False)
    assert len(engine.events(AgentCooledDown)) == 1
    other = engine_of()
    for _ in range(5):
        name = other.route(agent_id="flaky").decision_id
        other.route(follows={"decision_id": name, "cause": "REFUSED"}, agent_id="good")
    assert out(other) == {}
    sound(engine)


def test_what_a_decision_calls_for_is_not_lost_with_the_process() -> None:
    """A log that was cut off behind a follow-up goes on with the finding that stood out."""
    whole, cut = engine_of(failures=1), engine_of(failures=1)
    for engine in (whole, cut):
        name = engine.route(agent_id="flaky").decision_id
        follows = {"decision_id": name, "cause": "FAILED"}
        engine.sequencer.route(request_of({"follows": follows, "agent_id": "good"}))
        engine.sequencer.write()  # kill -9 may come here
    cut.open(agents=AGENTS, cooldown={**COOLDOWN, "failures": 1})
    whole.sequencer.commit()
    assert out(cut) == out(whole) == {"flaky": Exclusion.COOLING_DOWN}
    assert cut.state.hash() == whole.state.hash()
    sound(cut)


def test_a_jump_of_the_clock_ends_no_cooldown() -> None:
    """Set back by three days, time stands still until it catches up; the event holds."""
    engine = engine_of()
    fail(engine)
    engine.wall.now_ms -= 72 * HOUR_MS
    assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
    engine.open(agents=AGENTS, cooldown=COOLDOWN)
    assert out(engine) == {"flaky": Exclusion.COOLING_DOWN}
    sound(engine)


def test_who_is_gone_is_not_set_aside() -> None:
    """What comes of an agent's decisions after it went says nothing of the one that comes back."""
    engine = engine_of()
    engine.register("guest")
    names = [engine.route(agent_id="guest").decision_id for _ in range(3)]
    engine.deregister("guest")
    for name in names:
        engine.report(name, success=False)
    assert engine.events(AgentCooledDown) == []
    engine.register("guest")
    assert out(engine) == {}
    sound(engine)


def test_without_cooldowns_nobody_stays_aside() -> None:
    """A configuration that sets nobody aside takes back who was, and counts from 0 afterwards."""
    engine = engine_of()
    fail(engine)
    engine.open(agents=AGENTS)
    assert out(engine) == {}
    engine.route(agent_id="flaky")
    assert out(engine) == {}
    engine.open(agents=AGENTS, cooldown=COOLDOWN)
    fail(engine, 2)
    assert out(engine) == {}
    sound(engine)


def test_without_the_setting_nothing_is_counted() -> None:
    engine = Engine(agents=AGENTS)
    fail(engine, 20)
    assert out(engine) == {}
    assert (engine.state.health, engine.state.cooling) == ({}, {})
    engine.refused(ErrorReason.AGENT_NOT_FOUND, engine.route, agent_id="nobody")

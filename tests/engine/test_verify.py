"""verify: nothing to say of a sound log, and the position of whatever was changed in another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import numpy as np
import pytest

from routerd.core.events import (
    AgentDeregistered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    AnyEvent,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    OutcomeReported,
)
from routerd.core.values import AgentStatus, Reason, StatusCause
from routerd.engine.sequencer import Sequencer
from routerd.engine.verify import verify
from routerd.log.base import Entry, LogCorrupt
from routerd.log.codec import chain_hash, decision_id, decode, encode
from routerd.log.memory import MemoryLog
from routerd.log.sqlite import SqliteLog
from routerd.router import Router
from tests.core.engine import Clock, Engine

Change = Callable[[Any], AnyEvent]
replace = msgspec.structs.replace

DECISIONS = 30


def busy(**config: Any) -> Engine:
    """An engine with a log of every kind of event."""
    engine = Engine(
        clock="logical",
        seed=9,
        limits={"open_decisions": 12},
        static_routes=[{"agent": "small"}],
        **config,
    )
    for i in range(DECISIONS):
        fields: dict[str, Any] = {"pool": "paid"} if i % 5 == 0 else {}
        if i % 7 == 0:
            fields["agent_id"] = "large"
        answer = engine.route(request_id=f"r{i}", work_type=f"w{i % 3}", **fields)
        engine.report(answer.decision_id, quality=i % 3 / 2, cost_usd=0.01 * i)
        if i == 20:
            engine.open(
                clock="logical", seed=9, static_routes=[{"agent": "small"}], utility={"cost": 0.2}
            )
    return engine


def forged(source: MemoryLog, changes: dict[int, Change]) -> MemoryLog:
    """The log with some events changed, the chain and all references to decisions made anew."""
    log, previous = MemoryLog(), bytes(16)
    renamed: dict[str, str] = {}
    for entry in source.read("default"):
        event = decode(entry.payload)
        if entry.position in changes:
            event = changes[entry.position](event)
        if isinstance(event, OutcomeReported):
            name = renamed.get(event.outcome.decision_id, event.outcome.decision_id)
            event = replace(event, outcome=replace(event.outcome, decision_id=name))
        elif isinstance(event, DecisionsClosed):
            names = tuple(renamed.get(name, name) for name in event.decision_ids)
            event = replace(event, decision_ids=names)
        payload = encode(event)
        previous = chain_hash(previous, entry.position, payload)
        renamed[decision_id(entry.position, entry.hash)] = decision_id(entry.position, previous)
        log.append("default", [Entry(entry.position, previous, payload)], entry.position - 1)
    return log


def sampled(log: MemoryLog) -> tuple[int, Decision]:
    """A decision in the middle of the log that was drawn from a law of three agents."""
    found = [
        (entry.position, event)
        for entry in log.read("default")
        if isinstance(event := decode(entry.payload), Decision) and len(event.agents) == 3
        if 0 < event.propensity < 1
    ]
    return found[len(found) // 2]


def another(decision: Decision) -> str:
    return next(agent for agent in decision.agents if agent != decision.agent_id)


def nudged(decision: Decision) -> bytes:
    """A law that differs in the last bits only, and sums to one."""
    law = np.frombuffer(decision.law).copy()
    law[0] = np.nextafter(law[0], 1.0)
    return law.tobytes()


TAMPERED: dict[str, Callable[[Decision], Decision]] = {
    "agent_id": lambda d: replace(d, agent_id=another(d)),
    "propensity": lambda d: replace(d, propensity=d.propensity * 0.999),
    "law": lambda d: replace(d, law=nudged(d)),
    "law and propensity": lambda d: replace(
        d, law=np.full(3, 1 / 3).tobytes(), propensity=1 / 3, agent_id=d.agents[int(d.u * 3)]
    ),
    "u": lambda d: replace(d, u=float(np.nextafter(d.u, 1.0))),
    "u, out of range": lambda d: replace(d, u=1.5),
    "confidence": lambda d: replace(d, confidence=(d.confidence or 0.0) / 2),
    "confidence, dropped": lambda d: replace(d, confidence=None),
    "reason": lambda d: replace(d, reason=Reason.EXPLICIT),
    "policy_id": lambda d: replace(d, policy_id="another"),
    "fallback": lambda d: replace(d, fallback=next(a for a in d.agents if a != d.fallback)),
    "alternatives": lambda d: replace(d, alternatives=d.alternatives[:1]),
    "stages": lambda d: replace(d, stages=("policy", "override")),
    "agents": lambda d: replace(d, agents=d.agents[:2]),
    "agents, none": lambda d: replace(d, agents=(), law=b""),
    "law, cut short": lambda d: replace(d, law=d.law[:-1]),
    "law, negative": lambda d: replace(d, law=np.array([2.0, -0.5, -0.5]).tobytes()),
    "law, not a number": lambda d: replace(d, law=np.full(3, np.nan).tobytes()),
    "request_id": lambda d: replace(d, query=replace(d.query, request_id="another")),
    "features": lambda d: replace(d, query=replace(d.query, x=d.query.x[8:])),
    "cell": lambda d: replace(d, query=replace(d.query, cell=10_000)),
    "conditions": lambda d: replace(d, query=replace(d.query, pool="paid")),
}


@pytest.mark.parametrize("kind", ["value", "thompson", "squarecb", "static", "weighted_score"])
def test_a_sound_log_has_no_mismatch(kind: str) -> None:
    """Every law is derived bit for bit, over configurations, closings and refusals."""
    engine = busy(policy={"kind": kind})
    found = verify(engine.log)
    assert found.mismatches == ()
    assert (found.decisions, found.laws_exact) == (DECISIONS, DECISIONS)
    assert (found.laws_close, found.laws_skipped) == (0, 0)
    assert found.events == engine.sequencer.position
    assert found.state_hashes == {"default": engine.state.hash()}


def lively(**config: Any) -> Engine:
    """An engine whose agents come, go, beat, fall silent and reach their limits."""
    engine = Engine(limits={"in_flight_minutes": 1.0}, **config)
    for i in range(40):
        match i % 8:
            case 0:
                engine.register(f"guest-{i % 16}", version=str(i), max_concurrency=2)
            case 2:
                engine.beat("medium", ("BUSY", "ONLINE")[i // 8 % 2], 500 + i)
            case 3:
                engine.update(f"guest-{(i - 3) % 16}", pool="paid", max_concurrency=1)
            case 4:
                engine.end_lease("medium")
            case 6:
                engine.set_status("large", ("OFFLINE", "ONLINE")[i // 8 % 2])
            case 7:
                engine.deregister(f"guest-{(i - 7) % 16}")
        answer = engine.route(work_type=f"w{i % 3}")
        if i % 3:
            engine.report(answer.decision_id, quality=i % 2)
        engine.wall.now_ms += 10_000
        if i == 20:
            engine.open(limits={"in_flight_minutes": 1.0}, utility={"cost": 0.2}, **config)
    return engine


@pytest.mark.parametrize("kind", ["value", "thompson", "rotation"])
def test_a_log_of_a_lively_registry_has_no_mismatch(kind: str) -> None:
    """Every law is derived bit for bit, over everything that can happen to an agent."""
    engine = lively(policy={"kind": kind})
    reasons = {e.reason for d in engine.events(Decision) for e in d.excluded}
    assert reasons == {"OFFLINE", "BUSY", "AT_CAPACITY"}
    found = verify(engine.log)
    assert found.mismatches == ()
    assert found.laws_exact == found.decisions == 40
    assert found.state_hashes == {"default": engine.state.hash()}


REGISTRY: dict[type[AnyEvent], Change] = {
    AgentRegistered: lambda e: replace(e, agent=replace(e.agent, id="stranger")),
    AgentUpdated: lambda e: replace(e, agent=replace(e.agent, max_concurrency=None)),
    AgentDeregistered: lambda e: AgentStatusChanged(
        e.time_ms, e.agent_id, AgentStatus.ONLINE, StatusCause.SET
    ),
    AgentStatusChanged: lambda e: replace(e, agent_id="small", status=AgentStatus.OFFLINE),
}


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_a_changed_registry_shows_in_what_was_decided_after_it(kind: type[AnyEvent]) -> None:
    """What happened to agents cannot be derived; who could be chosen afterwards can."""
    log = lively(policy={"kind": "thompson"}).log
    position = next(e.position for e in log.read("default") if isinstance(decode(e.payload), kind))
    wrong = verify(forged(log, {position: REGISTRY[kind]})).mismatches
    assert wrong
    assert wrong[0].position > position


def test_every_partition_is_verified() -> None:
    """Partitions have their own order and draws; a mismatch names the one it is in."""
    log = busy().log
    engine = busy()
    other = Sequencer.open(log, engine.state.config, Clock(), "other")
    assert other.position == 1
    found = verify(log)
    assert sorted(found.state_hashes) == ["default", "other"]
    assert found.mismatches == ()


@pytest.mark.parametrize("field", TAMPERED)
def test_a_changed_decision_is_named(field: str) -> None:
    """With the chain made whole again, only deriving the decision anew tells of a change."""
    log = busy().log
    position, _ = sampled(log)
    false = forged(log, {position: TAMPERED[field]})
    assert list(false.read("default"))[-1].position == log.last("default")[0]
    assert first_named(false) == position


def first_named(log: MemoryLog) -> int:
    """The first position that verify names."""
    return verify(log).mismatches[0].position


def test_a_change_that_moves_no_state_names_nothing_else() -> None:
    """Of a decision whose confidence alone was changed, one mismatch says so."""
    log = busy().log
    position, _ = sampled(log)
    (wrong,) = verify(forged(log, {position: TAMPERED["confidence"]})).mismatches
    assert wrong == ("default", position, "confidence differs")


def test_a_changed_outcome_shows_in_what_was_decided_after_it() -> None:
    """An outcome cannot be derived; the decisions that learnt from it can."""
    log = busy().log
    position = next(
        entry.position
        for entry in log.read("default", 20)
        if isinstance(decode(entry.payload), OutcomeReported)
    )

    def worse(event: OutcomeReported) -> OutcomeReported:
        return replace(event, outcome=replace(event.outcome, quality=0.123))

    wrong = verify(forged(log, {position: worse})).mismatches
    assert wrong
    assert wrong[0].position > position


def configured(log: MemoryLog, **otherwise: str) -> dict[int, Change]:
    """Every configuration of a log as another process would have applied it."""

    def change(event: ConfigApplied) -> ConfigApplied:
        return replace(event, **otherwise)

    configs = (e for e in log.read("default") if isinstance(decode(e.payload), ConfigApplied))
    return {entry.position: change for entry in configs}


def test_other_kernels_are_held_to_a_tolerance() -> None:
    """A log from a machine with another fingerprint may differ by 1e-9 in its laws, not by more."""
    log = busy().log
    position, _ = sampled(log)

    configs = configured(log, fingerprint="another machine's")
    found = verify(forged(log, configs))
    assert (found.laws_close, found.laws_exact, found.mismatches) == (DECISIONS, 0, ())

    def moved(by: float) -> Change:
        def change(decision: Decision) -> Decision:
            law = np.frombuffer(decision.law) + np.array([by, -by, 0.0])
            drawn = decision.agents.index(decision.agent_id)
            return replace(decision, law=law.tobytes(), propensity=float(law[drawn]))

        return change

    assert verify(forged(log, {**configs, position: moved(1e-12)})).mismatches == ()
    assert first_named(forged(log, {**configs, position: moved(1e-6)})) == position


def test_another_versions_laws_are_skipped_and_their_draws_are_not() -> None:
    """Improving the law is allowed; that the logged law was drawn from is checked all the same."""
    log = busy().log
    position, _ = sampled(log)

    configs = configured(log, engine_version="0.0.0")
    found = verify(forged(log, configs))
    assert (found.laws_skipped, found.mismatches) == (DECISIONS, ())
    for field in ("agent_id", "propensity", "u", "law, negative", "request_id"):
        wrong = verify(forged(log, {**configs, position: TAMPERED[field]})).mismatches
        assert [m.position for m in wrong] == [position]


def test_a_flipped_byte_is_found_where_it_is() -> None:
    """Whichever byte of a payload changes, reading stops at its position."""
    log = busy().log
    entries = log._entries["default"]
    for index, whole in enumerate(list(entries)):
        for at in range(0, len(whole.payload), 3):
            payload = bytearray(whole.payload)
            payload[at] ^= 1 << (at % 8)
            entries[index] = whole._replace(payload=bytes(payload))
            with pytest.raises(LogCorrupt) as caught:
                list(log.read("default"))
            assert caught.value.position == whole.position
        entries[index] = whole


def test_a_flipped_byte_in_the_file_is_found_where_it_is(tmp_path: Path) -> None:
    """The same through SQLite: verify of the directory names partition and position."""
    config = {"agents": [{"id": "a"}, {"id": "b"}], "clock": "logical"}
    with Router.open(config, tmp_path) as router:
        for i in range(12):
            router.report(decision_id=router.route(work_type=f"w{i}").decision_id, success=True)
    for position in range(1, 26, 3):
        payload = stored(tmp_path, position)
        for at in (0, len(payload) // 2, len(payload) - 1):
            flipped = bytearray(payload)
            flipped[at] ^= 1
            store(tmp_path, position, bytes(flipped))
            log = SqliteLog.open(tmp_path, read_only=True)
            with pytest.raises(LogCorrupt) as caught:
                verify(log)
            log.close()
            assert (caught.value.partition, caught.value.position) == ("default", position)
        store(tmp_path, position, payload)
    log = SqliteLog.open(tmp_path, read_only=True)
    assert verify(log).mismatches == ()
    log.close()


def stored(directory: Path, position: int) -> bytes:
    with apsw.Connection(str(directory / "log.db")) as db:
        ((payload,),) = db.execute("SELECT payload FROM entry WHERE position = ?", (position,))
    db.close()
    assert isinstance(payload, bytes)
    return payload


def store(directory: Path, position: int, payload: bytes) -> None:
    with apsw.Connection(str(directory / "log.db")) as db:
        db.execute("UPDATE entry SET payload = ? WHERE position = ?", (payload, position))
    db.close()

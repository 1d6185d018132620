"""The sequencer: a key decides once in every state, a failing disk leaves no false memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from routerd.core.answers import Answer
from routerd.core.errors import ErrorReason
from routerd.core.events import Decision, OutcomeReported
from routerd.core.values import Claim, Outcome
from routerd.engine.batch import route_many
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.codec import chain_hash, decision_id, encode
from routerd.log.memory import MemoryLog
from routerd.router import request_of
from tests.core.engine import HOUR_MS, Engine
from tests.log.faulty import FaultyLog

READ_ONLY = ErrorReason.READ_ONLY
LOGICAL: dict[str, Any] = {"clock": "logical", "seed": 5}


class Failing(Engine):
    """An engine over a disk that can fail."""

    log: FaultyLog

    def __init__(self, **config: Any) -> None:
        super().__init__(FaultyLog(), **{**LOGICAL, **config})

    def lose(self, **fields: Any) -> str:
        """Decide while the disk is full; the id of the decision that nobody was told of."""
        self.log.full = True
        name = self.sequencer.route(request_of(fields)).decision_id
        with pytest.raises(LogUnavailable):
            self.sequencer.commit()
        return name


def says(name: str, **fields: Any) -> Outcome:
    return msgspec.convert({"decision_id": name, **fields}, Outcome)


def test_a_request_decides_once_before_it_is_durable() -> None:
    """The same key twice in flight gives one decision; another body under it is refused."""
    engine = Engine()
    first = engine.sequencer.route(request_of({"request_id": "r", "work_type": "code"}))
    again = engine.sequencer.route(request_of({"request_id": "r", "work_type": "code"}))
    assert (again.decision_id, again.decision) == (first.decision_id, first.decision)
    other = engine.refused(
        ErrorReason.REQUEST_ID_REUSED, engine.route, request_id="r", work_type="text"
    )
    assert other.metadata == {"request_id": "r", "decision_id": first.decision_id}
    engine.sequencer.commit()
    assert len(engine.events(Decision)) == 1


def test_a_request_decides_once_across_a_restart() -> None:
    """After a new start on the same log the key still gives the first answer."""
    engine = Engine(**LOGICAL)
    first = engine.route(request_id="r", work_type="code")
    engine.report(first.decision_id, quality=0.0)
    engine.open(**LOGICAL)
    again = engine.route(request_id="r", work_type="code")
    assert (again.decision_id, again.decision) == (first.decision_id, first.decision)
    assert (again.position, again.sentence) == (first.position, first.sentence)
    engine.refused(ErrorReason.REQUEST_ID_REUSED, engine.route, request_id="r")
    assert len(engine.events(Decision)) == 1


def test_what_was_accepted_gets_its_answer_under_every_configuration() -> None:
    """A request, an outcome and a claim that a changed configuration would refuse, or answer
    otherwise, are the same as ever when they come again; another body is refused still."""
    engine = Engine(
        cascade={},
        clock="caller",
        thresholds={"cascade": 0.7},
        outcomes={"signals": {"kept": {"quality": 1.0}}},
    )
    before = engine.route(agent_id="small", labels={"a": "1", "b": "2"}).decision_id
    evidence = {"reported_confidence": 0.65}
    follows = {"decision_id": before, "cause": "LOW_CONFIDENCE", "evidence": evidence}
    asked: dict[str, Any] = {"request_id": "r", "follows": follows, "event_time_ms": 9}
    said: dict[str, Any] = {"outcome_id": "o", "signal": "kept"}
    route, ack = engine.route(**asked), engine.report(before, **said)
    claims = {competence: engine.route().decision_id for competence in (0.9, None)}
    claimed = {c: engine.sequencer.claim(Claim(name, c)) for c, name in claims.items()}
    for _ in range(20):  # what such a claim is worth, and what the agents have shown, changes
        for agent in ("small", "medium", "large"):
            name = engine.route(agent_id=agent).decision_id
            engine.sequencer.claim(Claim(name, 0.9))
            engine.report(name, quality=0.0)
    agents = [{"id": "large"}, {"id": "new"}]
    limits = {"labels": 1, "id_chars": 8}
    sure = {"cascade": 0.6}
    engine.open(agents=agents, cascade={}, clock="caller", thresholds=sure, limits=limits)
    position = engine.sequencer.position
    again = engine.route(**asked)
    assert (again.decision_id, again.decision) == (route.decision_id, route.decision)
    assert engine.preview(**asked).decision == route.decision
    (told,) = route_many(engine.sequencer, [(request_of(asked), False)])
    assert isinstance(told, Answer)
    assert told.decision_id == route.decision_id
    assert engine.report(before, **said) == ack._replace(duplicate=True, decisions=0)
    assert {c: engine.sequencer.claim(Claim(name, c)) for c, name in claims.items()} == claimed
    assert engine.sequencer.position == position
    refused = ErrorReason.FIELD_VIOLATIONS
    engine.refused(refused, engine.route, **{**asked, "event_time_ms": 8})
    engine.refused(refused, engine.route, request_id="r", event_time_ms=2**70)
    engine.refused(refused, engine.report, before, **{**said, "signal": "other"})
    engine.refused(ErrorReason.REQUEST_ID_REUSED, engine.route, request_id="r")
    engine.refused(ErrorReason.OUTCOME_CONFLICT, engine.report, "d", outcome_id="o", quality=1)
    assert engine.state.hash() == engine.refold().hash()


def test_an_outcome_is_learnt_once() -> None:
    """The same outcome_id and body, in flight or after a restart, is acknowledged, not learnt."""
    engine = Engine(**LOGICAL)
    name = engine.route().decision_id
    first = engine.sequencer.report(says(name, outcome_id="o", quality=1.0))
    twice = engine.sequencer.report(says(name, outcome_id="o", quality=1.0))
    assert twice == first._replace(duplicate=True, decisions=0)
    engine.sequencer.commit()
    engine.open(**LOGICAL)
    assert engine.report(name, outcome_id="o", quality=1.0) == twice
    conflict = engine.refused(
        ErrorReason.OUTCOME_CONFLICT, engine.report, name, outcome_id="o", quality=0.5
    )
    assert conflict.metadata == {"outcome_id": "o", "position": str(first.position)}
    engine.refused(
        ErrorReason.OUTCOME_CONFLICT, engine.report, "another", outcome_id="o", quality=1.0
    )
    assert engine.state.learner.count == 1
    assert len(engine.events(OutcomeReported)) == 1


def test_made_ids_are_nobodys() -> None:
    """Without a key each call is a new decision or outcome, under an id that no caller may use."""
    engine = Engine()
    one, other = engine.route(), engine.route()
    ids = [answer.decision.query.request_id for answer in (one, other)]
    acks = [engine.report(one.decision_id, quality=0.5) for _ in range(2)]
    assert len({*ids, *(ack.outcome_id for ack in acks)}) == 4
    assert not acks[1].duplicate
    why = ErrorReason.FIELD_VIOLATIONS
    engine.refused(why, engine.route, request_id=ids[0])
    engine.refused(why, engine.report, one.decision_id, outcome_id=acks[0].outcome_id, quality=0.5)


def test_how_events_are_committed_changes_no_byte() -> None:
    """One commit for each event, for a few, or for all: the same log."""
    logs = []
    for every in (1, 3, 1_000):
        engine = Engine(**LOGICAL)
        for i in range(40):
            answer = engine.sequencer.route(request_of({"work_type": f"w{i % 3}"}))
            engine.sequencer.report(says(answer.decision_id, quality=i % 2))
            if i % every == 0:
                engine.sequencer.commit()
        engine.sequencer.commit()
        logs.append(list(engine.log.read("default")))
    assert logs[0] == logs[1] == logs[2]


def test_live_state_is_that_of_the_log() -> None:
    """After each event the live state has the hash of a fold from position 0."""
    engine = Engine(outcomes={"window_hours": 3.0, "missing_quality": 0.5})
    for i in range(12):
        answer = engine.route(work_type=f"w{i % 4}")
        engine.report(answer.decision_id, success=i % 3 > 0, cost_usd=0.1)
        engine.wall.now_ms += HOUR_MS
        assert engine.refold().hash() == engine.state.hash()


def test_a_failed_append_leaves_no_memory() -> None:
    """What could not be written is forgotten whole; what was durable is still answered."""
    engine = Failing()
    kept = engine.route(request_id="kept")
    engine.report(kept.decision_id, outcome_id="o", quality=1.0)
    durable = engine.sequencer.position, engine.state.hash()
    lost = engine.lose(request_id="lost")
    assert engine.sequencer.read_only
    assert (engine.sequencer.position, engine.state.hash()) == durable
    assert engine.route(request_id="kept").decision_id == kept.decision_id
    assert engine.report(kept.decision_id, outcome_id="o", quality=1.0).duplicate
    assert engine.sequencer.find(kept.decision_id).quality == 1.0
    assert engine.preview(request_id="new").decision.agent_id
    engine.refused(READ_ONLY, engine.route, request_id="lost")
    engine.refused(READ_ONLY, engine.report, kept.decision_id, quality=0.0)
    engine.refused(ErrorReason.DECISION_NOT_FOUND, engine.sequencer.find, lost)


def test_it_accepts_again_when_the_disk_works() -> None:
    """recover() says whether it does; then a lost request is decided as if it were the first."""
    engine = Failing()
    engine.route(request_id="kept")
    lost = engine.lose(request_id="lost")
    assert not engine.sequencer.recover()
    assert engine.sequencer.read_only
    engine.log.heal()
    assert engine.sequencer.recover()
    assert engine.route(request_id="lost").decision_id == lost
    assert engine.refold().hash() == engine.state.hash()
    assert len(engine.events(Decision)) == 2


def test_a_refused_append_that_was_written_all_the_same_is_taken_over() -> None:
    """If the log holds after all what it refused, that is what happened, and once."""
    engine = Failing()
    engine.route(request_id="kept")
    engine.log.late = True
    lost = engine.lose(request_id="lost", work_type="code")
    engine.log.heal()
    assert engine.sequencer.recover()
    assert engine.route(request_id="lost", work_type="code").decision_id == lost
    engine.route(request_id="next")
    assert [d.query.request_id for d in engine.events(Decision)] == ["kept", "lost", "next"]
    assert engine.refold().hash() == engine.state.hash()


def test_what_a_failing_disk_forgot_is_forgotten() -> None:
    """Committed entries that were never synced may be gone after a failure; memory follows."""
    engine = Failing()
    engine.log.sync()
    engine.log.forgetful = True
    unsynced = engine.route(request_id="unsynced").decision_id
    engine.lose(request_id="lost")
    engine.log.heal()
    assert engine.sequencer.recover()
    assert engine.sequencer.position == 1
    assert engine.refold().hash() == engine.state.hash()
    assert engine.route(request_id="lost").position == 2
    engine.refused(ErrorReason.DECISION_NOT_FOUND, engine.sequencer.find, unsynced)


def test_nothing_is_called_durable_that_is_not_while_the_log_cannot_be_read() -> None:
    """When not even reading works, commit goes on to fail for what memory still holds."""
    engine = Failing()
    engine.route(request_id="kept")
    engine.log.dark = True
    engine.lose(request_id="lost")
    assert engine.sequencer.position > engine.sequencer.durable
    engine.sequencer.route(request_of({"request_id": "lost"}))
    with pytest.raises(LogUnavailable):
        engine.sequencer.commit()
    engine.refused(READ_ONLY, engine.sequencer.find, decision_id(1, bytes(16)))
    engine.log.heal()
    assert engine.sequencer.recover()
    assert engine.sequencer.commit() == engine.sequencer.position == 2
    assert engine.refold().hash() == engine.state.hash()


def test_a_damaged_log_is_not_recovered_from() -> None:
    """Damage found while recovering is raised with its position, and nothing is accepted."""
    engine = Failing()
    for i in range(3):
        engine.route(request_id=f"r{i}")
    engine.lose(request_id="lost")
    engine.log.heal()
    entries = engine.log._entries["default"]
    entries[2] = Entry(3, entries[2].hash, entries[2].payload[:-1])
    with pytest.raises(LogCorrupt) as caught:
        engine.sequencer.recover()
    assert caught.value.position == 3
    assert engine.sequencer.read_only


def test_what_is_found_at_a_start_is_synced_before_it_is_answered_for() -> None:
    """A process that was killed may have left entries that no fsync covered; opening syncs them."""
    engine = Failing()
    engine.route()
    before = engine.log.syncs
    engine.open(**LOGICAL)
    assert engine.log.syncs == before + 1
    assert engine.log.synced["default"] == engine.sequencer.position


def test_a_log_of_events_that_cannot_follow_each_other_is_damaged() -> None:
    """An event that no engine can have written at its place is refused with its position."""
    engine = Engine(**LOGICAL)
    decision = engine.route(request_id="a").decision
    strangers = (
        msgspec.structs.replace(decision, time_ms=0),
        msgspec.structs.replace(decision, agent_id="nobody", query=other_id(decision)),
    )
    for event in strangers:
        log = MemoryLog()
        entries = list(engine.log.read("default"))
        payload = encode(event)
        entries.append(Entry(3, chain_hash(entries[-1].hash, 3, payload), payload))
        log.append("default", entries, 0)
        with pytest.raises(LogCorrupt) as caught:
            Engine(log, **LOGICAL)
        assert (caught.value.partition, caught.value.position) == ("default", 3)


def other_id(decision: Decision) -> Any:
    return msgspec.structs.replace(decision.query, request_id="b")


def test_what_cannot_be_applied_is_not_written() -> None:
    """A bug in applying an event costs that event; the log could not be folded with it."""
    engine = Engine(**LOGICAL)
    nobody = msgspec.structs.replace(engine.route().decision, agent_id="nobody")
    query = msgspec.structs.replace(nobody.query, request_id="other")
    engine.sequencer.append(msgspec.structs.replace(nobody, query=query))
    with pytest.raises(KeyError, match="nobody"):
        engine.sequencer.commit()
    assert engine.sequencer.recover()
    assert engine.route().position == 3

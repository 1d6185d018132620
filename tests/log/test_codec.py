"""The bytes of events, the chain over them and the ids made from both."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.core.events import (
    AgentDeregistered,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    AnyEvent,
    ConfigApplied,
    Decision,
    DecisionsClosed,
    DriftDetected,
    ExperimentDeleted,
    ExperimentPromoted,
    ExperimentStarted,
    ExperimentStopped,
    OutcomeReported,
    OutcomesImported,
    OverrideRemoved,
    OverrideSet,
    Recorded,
    RemovalCause,
)
from routerd.core.experiment import Arm, Experiment
from routerd.core.rules import Override
from routerd.core.settings import Agent, Prices, StaticPolicy, StaticRoute
from routerd.core.state import GENESIS
from routerd.core.values import AgentStatus, Outcome, Query, Reason, StatusCause
from routerd.log.base import Entry, EventUnfit, LogCorrupt
from routerd.log.codec import (
    chain_hash,
    decision_id,
    decode,
    encode,
    parse_decision_id,
    records,
    verified,
)
from routerd.log.memory import MemoryLog

QUERY = Query("r-1", b"digest", b"\x00" * 8, cell=3, labels={"b": "2", "a": "1"}, domain="law")
ROUTES = (StaticRoute("small", {"b": "2", "a": "1"}),)
EVENTS: list[AnyEvent] = [
    ConfigApplied(1, "default", b"{}", "0.1.0", "avx2"),
    Decision(2, QUERY, "small", 0.25, 0.1, ("large", "small"), b"\x01" * 16, "ts", Reason.SAMPLED),
    OutcomeReported(3, Outcome("o-1", "d-1", quality=0.5, success=True), b"digest"),
    DecisionsClosed(4, ("d-1", "d-2")),
    DecisionsClosed(4, ("d-1", "d-2"), censored=1),
    OutcomesImported(4, "a0", 3, (Recorded("a-1", bytes(8), 0, 0.5),), 0.5, (("", "code"),)),
    DriftDetected(4, "a-1", -0.3, 9.5, 20, 3, 0.05),
    AgentRegistered(5, Agent("a-1", prices=Prices(1.0), metadata={"b": "2", "a": "1"})),
    AgentUpdated(6, Agent("a-1", version="2", max_concurrency=3), "1"),
    AgentDeregistered(7, "a-1"),
    AgentStatusChanged(8, "a-1", AgentStatus.BUSY, StatusCause.HEARTBEAT, 500),
    OverrideSet(9, Override("o-1", {"b": "2", "a": "1"}, pool="paid", priority=2, reason="why")),
    OverrideRemoved(10, "o-1", RemovalCause.EXPIRED),
    ExperimentStarted(11, Experiment("e-1", (Arm("a"), Arm("b", 2.0, StaticPolicy(), ROUTES)))),
    ExperimentStopped(12, "e-1"),
    ExperimentPromoted(13, "e-1", "b"),
    ExperimentDeleted(14, "e-1"),
]


def chained(payloads: list[bytes]) -> list[Entry]:
    """Payloads as the entries of a whole log."""
    entries: list[Entry] = []
    for position, payload in enumerate(payloads, 1):
        previous_hash = entries[-1].hash if entries else GENESIS
        entries.append(Entry(position, chain_hash(previous_hash, position, payload), payload))
    return entries


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_from_its_bytes(event: AnyEvent) -> None:
    """Decoding what was encoded gives an equal event of the same type."""
    assert decode(encode(event)) == event


@given(st.dictionaries(st.text(), st.text()))
def test_equal_events_have_equal_bytes(labels: dict[str, str]) -> None:
    """The order in which a map was filled does not show in the bytes."""
    backwards = dict(reversed(labels.items()))
    one = msgspec.structs.replace(EVENTS[1], query=msgspec.structs.replace(QUERY, labels=labels))
    other = msgspec.structs.replace(one, query=msgspec.structs.replace(QUERY, labels=backwards))
    assert encode(one) == encode(other)


def test_bytes_of_the_first_release_still_decode() -> None:
    """An event that a log of 0.1.0 holds is read as what it was, and written as it was."""
    stored = bytes.fromhex(
        "83a56576656e74af4465636973696f6e73436c6f736564a774696d655f6d7304ac6465636973696f6e5f696473"
        "92a3642d31a3642d32"
    )
    assert decode(stored) == EVENTS[3]
    assert encode(EVENTS[3]) == stored


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x80", encode(EVENTS[3])[:-1]])
def test_bytes_that_hold_no_event_are_refused(payload: bytes) -> None:
    """Decoding never invents an event."""
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


def test_the_chain_is_the_documented_one() -> None:
    """The first hash of a log is the one that any implementation would compute."""
    assert chain_hash(GENESIS, 1, b"payload").hex() == "4dd71ba432ead29e0061fde91a507f03"


@given(st.binary(min_size=16, max_size=16), st.integers(1, 2**40 - 1), st.binary(max_size=64))
def test_the_chain_depends_on_all_it_covers(before: bytes, position: int, payload: bytes) -> None:
    """Another hash before, position or payload gives another hash."""
    link = chain_hash(before, position, payload)
    flipped = bytes([before[0] ^ 1]) + before[1:]
    others = [(flipped, position, payload), (before, position + 1, payload)]
    others.append((before, position, payload + b"\x00"))
    assert len(link) == 16
    assert link not in [chain_hash(*other) for other in others]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((3, b"x" * 16, b"b"), "stands in its place"),
        ((None, b"x" * 16, b"b"), "stands in its place"),
        ((2, b"x" * 16, b"b"), "does not continue"),
        ((2, "text", b"b"), "does not continue"),
        ((2, b"x" * 16, None), "does not continue"),
        ((2, b"x" * 16, "b"), "does not continue"),
    ],
)
def test_a_row_that_does_not_fit_is_named(row: tuple[object, ...], why: str) -> None:
    """Whole entries come first, then LogCorrupt with partition and position, whatever the type."""
    first = chained([b"a"])[0]
    entries = verified("p", 0, GENESIS, [first, row])
    assert next(entries) == first
    with pytest.raises(LogCorrupt, match=why) as caught:
        next(entries)
    assert (caught.value.partition, caught.value.position) == ("p", 2)


def test_records_are_entries_with_their_events() -> None:
    """Reading records gives position, hash and event of every entry behind a position."""
    log = MemoryLog()
    entries = chained([encode(event) for event in EVENTS])
    log.append("p", entries, 0)
    found = [(record.position, record.hash, record.event) for record in records(log, "p", after=1)]
    assert found == [
        (entry.position, entry.hash, event)
        for entry, event in zip(entries[1:], EVENTS[1:], strict=True)
    ]


def test_a_payload_without_a_known_event_is_named() -> None:
    """A chained payload that cannot be decoded is EventUnfit at its position."""
    log = MemoryLog()
    log.append("p", chained([encode(EVENTS[0]), b"\xc1"]), 0)
    found = records(log, "p")
    assert next(found).event == EVENTS[0]
    with pytest.raises(EventUnfit, match=r"whole .* unknown .* a newer one") as caught:
        next(found)
    assert (caught.value.partition, caught.value.position) == ("p", 2)


@given(st.integers(0, 2**40 - 1), st.binary(min_size=16, max_size=16))
def test_a_decision_id_names_its_record(position: int, entry_hash: bytes) -> None:
    """Parsing an id gives back the position and the first five bytes of the hash."""
    name = decision_id(position, entry_hash)
    assert len(name) == 16
    assert parse_decision_id(name) == (position, entry_hash[:5])


@given(st.lists(st.integers(0, 2**40 - 1), min_size=2), st.binary(min_size=16, max_size=16))
def test_decision_ids_sort_like_positions(positions: list[int], entry_hash: bytes) -> None:
    """Ids compared as texts are in log order."""
    names = [decision_id(position, entry_hash) for position in positions]
    assert sorted(names) == [decision_id(position, entry_hash) for position in sorted(positions)]


@given(st.text(alphabet="0123456789abcdefghijklmnopqrstuvwxyzAV=é ", max_size=20) | st.text())
def test_only_texts_that_are_ids_are_parsed(text: str) -> None:
    """A text either is exactly the id of what it parses to, or parses to nothing."""
    parsed = parse_decision_id(text)
    if parsed is not None:
        assert decision_id(parsed[0], parsed[1] + bytes(11)) == text


@pytest.mark.parametrize(
    "text", ["", "0" * 15, "0" * 17, "0" * 15 + "w", "0" * 15 + "A", "0" * 15 + "=", "é" * 16]
)
def test_what_no_decision_bears_is_no_id(text: str) -> None:
    """Wrong length, alphabet or case is None, not an error."""
    assert parse_decision_id(text) is None

"""`routerd verify` on sound, changed and missing logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from routerd.core.events import Decision
from routerd.log.base import Entry
from routerd.log.codec import chain_hash, decode, encode
from routerd.log.sqlite import SqliteLog
from routerd.router import Router

CONFIG = {"agents": [{"id": "small"}, {"id": "large"}], "clock": "logical", "seed": 3}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with 20 decisions and their outcomes."""
    with Router.open(CONFIG, tmp_path / "data") as router:
        for number in range(20):
            answer = router.route(work_type=f"kind {number % 3}")
            router.report(decision_id=answer.decision_id, quality=number % 2)
    return tmp_path / "data"


def rewritten(source: Path, target: Path, change: Callable[[Decision], Decision]) -> None:
    """Copy a log with its last decision changed and the chain made whole again."""
    old, new = SqliteLog.open(source, read_only=True), SqliteLog.open(target)
    entries = list(old.read("default"))
    changed = max(e.position for e in entries if isinstance(decode(e.payload), Decision))
    previous = old.last("nothing")[1]
    for entry in entries:
        event = decode(entry.payload)
        if entry.position == changed and isinstance(event, Decision):
            event = change(event)
        payload = encode(event)
        previous = chain_hash(previous, entry.position, payload)
        new.append("default", [Entry(entry.position, previous, payload)], expect=entry.position - 1)
        if entry.position == changed:
            break  # the outcome behind it names the decision by its old id
    old.close()
    new.close()


def test_a_sound_log_verifies(invoke: Any, data: Path) -> None:
    """Every decision is derived again, bit for bit on the machine that made it."""
    result = invoke("verify", data)
    assert result.exit_code == 0
    assert result.output == (
        "verified 20 decisions, 0 mismatches; laws re-derived: 20 bit for bit, "
        "0 within 1e-9, 0 not (made by another version)\n"
    )
    found = json.loads(invoke("verify", data, "--json").output)
    assert found["decisions"] == found["laws_exact"] == 20
    assert found["mismatches"] == []


def test_a_log_in_use_verifies(invoke: Any, start: Any, tmp_path: Path) -> None:
    """The log of a running daemon can be verified without stopping it."""
    daemon = start(tmp_path / "data")
    assert invoke("route", "--address", daemon.address).exit_code == 0
    assert invoke("verify", daemon.data).output.startswith("verified 1 decision, 0 mismatches")
    assert invoke("route", "--address", daemon.address).exit_code == 0


def test_a_changed_decision_is_found(invoke: Any, data: Path, tmp_path: Path) -> None:
    """A decision that names another agent than the draw gave is a mismatch, and gives code 1."""

    def other_agent(decision: Decision) -> Decision:
        other = {"small": "large", "large": "small"}[decision.agent_id]
        return msgspec.structs.replace(decision, agent_id=other)

    rewritten(data, tmp_path / "forged", other_agent)
    result = invoke("verify", tmp_path / "forged")
    assert result.exit_code == 1
    assert "verified 20 decisions, " in result.output
    assert "agent is not the one that u draws" in result.output
    found = json.loads(invoke("verify", tmp_path / "forged", "--json").output)
    assert {wrong["position"] for wrong in found["mismatches"]} == {40}


def test_a_damaged_log_is_told(invoke: Any, data: Path) -> None:
    """A log that cannot be read gives one sentence and code 1."""
    for file in data.glob("log.db-*"):
        file.unlink()
    (data / "log.db").write_bytes(b"no database" * 1000)
    result = invoke("verify", data)
    assert result.exit_code == 1
    assert "the log is damaged" in result.stderr


def test_a_directory_that_is_no_log_is_told(invoke: Any, tmp_path: Path) -> None:
    """Nothing is created where there is no log, and the code is 1."""
    for place in (tmp_path / "none", tmp_path):
        result = invoke("verify", place)
        assert result.exit_code == 1
        assert str(place) in result.stderr
    assert list(tmp_path.iterdir()) == []

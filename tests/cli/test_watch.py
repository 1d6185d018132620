"""`routerd watch`: events as lines, for people and for programs."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from routerd.cli.watch import TYPES, types_of
from routerd.v1 import audit_pb2
from tests.cli.conftest import command, environment


def test_events_are_lines_of_json(invoke: Any, address: str) -> None:
    """One document a line, with position, time, type and body; --from takes up anywhere."""
    routed = json.loads(
        invoke("route", "--work-type", "code", "--address", address, "--json").output
    )
    invoke("outcome", routed["decision_id"], "--success", "--address", address)
    position = int(routed["position"])
    told = invoke("watch", "--from", str(position), "--count", "2", "--json", "--address", address)
    decision, outcome = map(json.loads, told.output.splitlines())
    assert (decision["position"], decision["type"]) == (str(position), "EVENT_TYPE_DECISION")
    assert decision["decision"]["decision_id"] == routed["decision_id"]
    assert outcome["outcome"]["outcome"]["success"] is True


def test_events_are_lines_for_people(invoke: Any, address: str) -> None:
    """Position, time and a sentence; --type chooses."""
    routed = json.loads(
        invoke("route", "--work-type", "code", "--address", address, "--json").output
    )
    name = routed["decision_id"]
    invoke("outcome", name, "--quality", "0.5", "--source", "ci", "--address", address)
    asked = ("watch", "--from", "1", "--address", address, "--count", "1")
    assert "configuration of engine" in invoke(*asked).output
    found = invoke(*asked, "--type", "outcome", "--type", "decision").output
    assert " for code: " in found
    last = ("watch", "--from", str(int(routed["position"]) + 1), "--count", "1")
    assert f"{name}  report of ci: quality 0.5" in invoke(*last, "--address", address).output


def test_every_type_of_event_has_one_word() -> None:
    """--type tells all of them apart, and none is left without a word."""
    of = [number for word in TYPES for number in types_of((word,))]
    assert sorted(of) == sorted(set(audit_pb2.EventType.values()) - {0})
    assert all(types_of((word,)) for word in TYPES)


def test_ctrl_c_ends_it_cleanly(address: str) -> None:
    """Code 0 and no traceback."""
    with subprocess.Popen(
        command("watch", "--from", "1", "--address", address),
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "configuration" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (0, "")


def test_a_place_that_is_not_there_is_one_sentence(invoke: Any, address: str) -> None:
    """The refusal names the places that there are."""
    result = invoke("watch", "--from", "1000000", "--address", address)
    assert result.exit_code == 1
    assert "from_position: is 1000000; give 1 to " in result.stderr


def test_agents_and_closings_have_words(invoke: Any, start: Any, tmp_path: Path) -> None:
    """Each kind of event says what happened."""
    address = start(tmp_path / "data").address
    asked = ("--address", address)
    assert invoke("agents", "register", "guest", *asked).exit_code == 0
    told = invoke("watch", "--from", "2", "--count", "1", *asked).output
    assert "agent guest registered" in told

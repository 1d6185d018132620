"""docs/contract.md is the contract in full: every call, message, reason and bound."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from routerd.client.channel import SERVICE_CONFIG
from routerd.core.errors import ErrorReason
from routerd.core.settings import Limits
from routerd.settings import Config, Server

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "contract.md").read_text()
PROTOS = {path.name: path.read_text() for path in (ROOT / "proto/routerd/v1").glob("*.proto")}

# What any call may end in; a call's own row need not say so.
ANY = {"FIELD_VIOLATIONS", "OVERLOADED", "DRAINING", "READ_ONLY", "DEADLINE_PASSED"}


def calls() -> dict[str, str]:
    """Every RPC, and the comment above it."""
    return {
        f"{service}.{rpc}": comment
        for text in PROTOS.values()
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S)
        for comment, rpc in re.findall(r"((?:^  //.*\n)*)^  rpc (\w+)\(", body, re.M)
    }


def is_stream(call: str) -> bool:
    """Whether a call has a stream on either side."""
    _, rpc = call.split(".")
    types = [t for text in PROTOS.values() for t in re.findall(rf"rpc {rpc}(\(.*\));", text)]
    return any("stream " in t for t in types)


def reasons(text: str) -> set[str]:
    return {reason for reason in re.findall(r"\b[A-Z_]{6,}\b", text) if reason in set(ErrorReason)}


@pytest.mark.parametrize("call", calls())
def test_every_call_has_a_row_with_its_errors(call: str) -> None:
    """The page names the same reasons as the comment in the contract."""
    (row,) = re.findall(rf"^\| `{re.escape(call)}` \|.*$", PAGE, re.MULTILINE)
    assert reasons(row) - ANY == reasons(calls()[call]) - ANY


def test_every_message_is_named() -> None:
    """None is left for the reader to find by chance."""
    messages = [m for text in PROTOS.values() for m in re.findall(r"^message (\w+) ", text, re.M)]
    assert len(messages) > 10
    assert [name for name in messages if f"`{name}`" not in PAGE] == []


def test_every_reason_is_named() -> None:
    """Each somewhere on the page: at a call, or among what any call may end in."""
    assert [reason for reason in ErrorReason if f"`{reason}`" not in PAGE] == []


# What a client does not meet: how the daemon ends, and how it waits.
NO_BOUNDS = ("drain_timeout_ms", "busy_poll_us")


@pytest.mark.parametrize(
    "key",
    [
        *(f"limits.{name}" for name in Limits.__struct_fields__ if name != "in_flight_minutes"),
        *(f"server.{name}" for name in Server.__struct_fields__ if name not in NO_BOUNDS),
    ],
)
def test_every_bound_is_told_with_its_default(key: str) -> None:
    """The row of the key has the number that is in force without it."""
    section, name = key.split(".")
    default = getattr(getattr(Config(agents=()), section), name)
    (row,) = re.findall(rf"^\|.*`{re.escape(key)}`.*\|$", PAGE, re.MULTILINE)
    told = f"{default / 1000:g} s" if name.endswith("_ms") else f"{default:,}"
    assert told in row


def test_the_service_config_limits_every_call_and_no_stream() -> None:
    """A call without an end helps nobody; a stream is open as long as its user wants."""
    limited = {
        f"{name['service'].removeprefix('routerd.v1.')}.{name['method']}"
        for entry in json.loads(SERVICE_CONFIG)["methodConfig"]
        if "timeout" in entry
        for name in entry["name"]
    }
    assert limited == {call for call in calls() if not is_stream(call)}

"""`routerd agents` and `routerd profile` against a daemon."""

from __future__ import annotations

from typing import Any

import pytest

from routerd.cli.agents import standing
from routerd.v1 import agents_pb2

DEFINITION = ("--pool", "guests", "--capability", "code", "--capability", "fly")
MORE = ("--output-usd-per-mtok", "2.5", "--max-concurrency", "4", "--metadata", "team=x=y")
AHEAD = ("--head-start", "0.25", "--specialization", "code")


def test_an_agent_comes_changes_and_goes(ask: Any) -> None:
    """Register, read, update in parts, set the status, remove: each shows what then holds."""
    taken = ask("agents", "register", "guest", *DEFINITION, *MORE, *AHEAD, "--json")
    assert taken["source"] == "AGENT_SOURCE_RPC"
    definition = taken["definition"]
    assert definition["capabilities"] == ["code", "fly"]
    assert definition["metadata"] == {"team": "x=y"}
    assert definition["prices"]["output_usd_per_mtok"] == 2.5
    assert (definition["head_start"], definition["specializations"]) == (0.25, ["code"])
    assert "+0.25" in ask("agents", "get", "guest").output
    assert ask("agents", "get", "guest", "--json") == taken
    changed = ask("agents", "update", "guest", "--version", "2", "--capability", "swim", "--json")
    assert changed["definition"] == {**definition, "version": "2", "capabilities": ["swim"]}
    set_so = ask("agents", "status", "guest", "offline", "--json")
    assert (set_so["status"], set_so["status_cause"]) == (
        "AGENT_STATUS_OFFLINE",
        "STATUS_CAUSE_SET",
    )
    assert ask("route", "--pool", "guests").exit_code == 1
    ask("agents", "status", "guest", "online")
    assert ask("route", "--pool", "guests", "--json")["agent_id"] == "guest"
    assert "removed: agent guest at position" in ask("agents", "deregister", "guest").output
    assert ask("route", "--pool", "guests").exit_code == 1


def test_what_an_agent_no_longer_has_is_cleared(ask: Any) -> None:
    """A list, the prices or the metadata, whole or but for what is given beside; the rest stays."""
    before = ask("agents", "register", "guest", *DEFINITION, *MORE, *AHEAD, "--json")["definition"]
    lists = ("--clear", "capabilities", "--clear", "specializations", "--clear", "metadata")
    cleared = ask("agents", "update", "guest", *lists, "--json")["definition"]
    assert cleared == {**before, "capabilities": [], "specializations": [], "metadata": {}}
    other = ("--clear", "prices", "--input-usd-per-mtok", "1")
    prices = ask("agents", "update", "guest", *other, "--json")["definition"]["prices"]
    assert (prices["input_usd_per_mtok"], prices["output_usd_per_mtok"]) == (1.0, 0.0)
    ask("agents", "deregister", "guest")


def test_a_listing_shows_everybody(ask: Any) -> None:
    """With or without the word; filters leave some out; JSON holds what the table shows."""
    shown = ask("agents").output
    assert ask("agents", "list").output == shown
    assert "the configuration" in shown
    listed = ask("agents", "--json")
    assert [agent["agent_id"] for agent in listed] == ["large", "small"]
    assert ask("agents", "--json", "list") == listed
    assert [a["agent_id"] for a in ask("agents", "list", "--pool", "cheap", "--json")] == ["small"]
    ask("agents", "status", "small", "busy")
    (busy,) = ask("agents", "list", "--status", "busy", "--json")
    assert busy["agent_id"] == "small"
    assert "busy (set)" in ask("agents").output
    details = ask("agents", "get", "small").output
    assert "busy (set) since 1970" in details  # the clock is logical
    assert "cheap" in details
    ask("agents", "status", "small", "online")


def test_a_profile_shows_what_was_reported(ask: Any) -> None:
    """Of one agent or all, of one work type or all; the cue is in the JSON."""
    for i in range(10):
        routed = ask("route", "--agent", "small", "--work-type", "code", "--json")
        told = ("--failure",) if i == 0 else ("--success", "--cost-usd", "0.02")
        ask("outcome", routed["decision_id"], *told)
    ask("route", "--agent", "small", "--work-type", "plan")
    found = ask("profile", "small", "--json")
    assert [record["work_type"] for record in found["records"]] == ["code", "plan"]
    assert found["records"][0]["cue"] == "90% on code, 10 outcomes"
    (only,) = ask("profile", "small", "--work-type", "plan", "--json")["records"]
    assert (only["outcomes"], "mean_quality" in only) == (0, False)
    everybody = ask("profile", "--json")
    assert [profile["agent_id"] for profile in everybody] == ["large", "small"]
    assert everybody[1] == found
    shown = ask("profile", "small").output
    assert "90.0%" in shown
    assert "0.02" in shown
    assert "all" in shown


REFUSED = {
    "unknown agent": (
        ["agents", "get", "none"],
        "agent 'none' is not registered; `routerd agents` or ListAgents tells who is "
        "[AGENT_NOT_FOUND]",
    ),
    "configured agent": (
        ["agents", "deregister", "small"],
        "agent 'small' is defined by the configuration file: change it there; over RPC only its "
        "status can be set [AGENT_IS_CONFIGURED]",
    ),
    "wrong definition": (
        ["agents", "register", "a b", "--head-start", "2"],
        "agent_id: must start with an ASCII letter or digit and hold only those and "
        '. _ : / @ + -, not the text "a b"; definition.head_start: must be at most 1.0, not 2.0',
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_a_sentence(arguments: list[str], sentence: str, ask: Any) -> None:
    """What the daemon refuses is told on stderr in words, and gives code 1."""
    result = ask(*arguments)
    assert result.exit_code == 1
    assert result.stderr == f"routerd: {sentence}\n"


def test_wrong_usage_is_told_before_anything_is_asked(invoke: Any) -> None:
    """A status that there is not, a fact without a value, a negative number of decisions in
    flight: code 2, no daemon needed."""
    register = "register", "x"
    for arguments in (
        ("status", "x", "asleep"),
        (*register, "--metadata", "team"),
        (*register, "--max-concurrency", "-1"),
    ):
        assert invoke("agents", *arguments).exit_code == 2


def test_an_agent_on_trial_is_not_said_to_cool_down_until_the_past() -> None:
    """Behind that time it is still set aside, but for one decision at a time."""
    agent = agents_pb2.Agent(status=agents_pb2.AGENT_STATUS_ONLINE, cooling_until_time_ms=1_000)
    assert standing(agent) == "online (cooling down until 1970-01-01 00:00:01Z, then on trial)"
    agent.on_trial = True
    assert standing(agent) == "online (on trial since 1970-01-01 00:00:01Z)"

"""`routerd route`, `preview`, `outcome` and `decision` against a daemon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def test_a_task_gets_an_agent_and_its_outcome_is_learnt(ask: Any) -> None:
    """Route, report, and look up: the decision shows what came of it."""
    routed = ask("route", "fix the login bug", "--work-type", "code", "--label", "a=b=c", "--json")
    assert routed["agent_id"] in ("small", "large")
    assert 0 < routed["propensity"] <= 1
    decision_id = routed["decision_id"]
    told = ("--quality", "0.75", "--cost-usd", "0.02", "--latency-ms", "1500", "--source", "ci")
    ack = ask("outcome", decision_id, *told, "--json")
    assert not ack["duplicate"]
    found = ask("decision", decision_id, "--json")
    assert found["work_type"] == "code"
    assert found["labels"] == {"a": "b=c"}
    assert found["open"]
    assert found["outcome"]["quality"] == 0.75
    assert found["outcome"]["cost_usd"] == 0.02
    assert found["outcome"]["latency_ms"] == 1500
    ask("outcome", decision_id, "--source", "ci", "--retract")
    assert "outcome" not in ask("decision", decision_id, "--json")


def test_tables_show_what_the_json_holds(ask: Any) -> None:
    """For people, the same facts are printed as a table with the decision's id and reason."""
    asked = ("route", "--work-type", "code", "--request-id", "table", "--explain")
    routed = ask(*asked, "--json")
    shown = ask(*asked).output
    assert routed["decision_id"] in shown
    assert routed["reason"] in shown
    assert all(f"{c['agent_id']}" in shown for c in routed["candidates"])
    looked_up = ask("decision", routed["decision_id"]).output
    assert f"u = {ask('decision', routed['decision_id'], '--json')['u']:.6f}" in looked_up
    assert "none so far (open)" in looked_up


def test_a_preview_leaves_no_trace(ask: Any) -> None:
    """A preview names the agent that route then names, and route's position did not move."""
    previewed = ask("preview", "--request-id", "twin", "--json")
    assert previewed["decision_id"] == ""
    again = ask("preview", "--request-id", "twin", "--json")
    assert again["position"] == previewed["position"]
    assert ask("route", "--request-id", "twin", "--json")["agent_id"] == previewed["agent_id"]


def position(ask: Any) -> int:
    found: int = int(ask("preview", "--json")["position"])
    return found


def test_a_dry_run_shows_the_candidates_and_leaves_no_trace(ask: Any) -> None:
    """It is a preview with every candidate; route then does what it showed."""
    before = position(ask)
    shown = ask("route", "fix the login bug", "--dry-run", "--request-id", "dry", "--json")
    assert {c["agent_id"] for c in shown["candidates"]} == {"small", "large"}
    assert shown["decision_id"] == ""
    table = ask("route", "fix the login bug", "--dry-run").output
    assert "none: this is a preview" in table
    assert "probability" in table
    assert position(ask) == before
    routed = ask("route", "fix the login bug", "--request-id", "dry", "--json")
    assert routed["agent_id"] == shown["agent_id"]


def test_confirm_asks_before_it_decides(ask: Any) -> None:
    """Yes decides as shown; no, and nobody to ask, decide nothing."""
    before = position(ask)
    for answer in ("n\n", ""):
        refused = ask("route", "--confirm", input=answer)
        assert refused.exit_code == 1
        assert "probability" in refused.stderr
        assert refused.stdout.strip() in ("", answer.strip())  # click before 8.4 echoes it there
    assert position(ask) == before
    agreed = ask("route", "--confirm", "--json", input="y\n")
    assert int(agreed["position"]) == before
    assert position(ask) == before + 1


def test_a_dry_run_needs_no_confirmation(ask: Any) -> None:
    """Both at once is wrong usage."""
    assert ask("route", "--dry-run", "--confirm").exit_code == 2


@pytest.fixture
def models(ask: Any) -> Iterator[None]:
    """Two more agents, of one provider."""
    for name in ("mini", "maxi"):
        given = ("--model", f"{name}-1", "--metadata", "provider=acme", "--pool", "acme")
        ask("agents", "register", name, *given)
    yield
    for name in ("mini", "maxi"):
        ask("agents", "deregister", name)


def test_who_chooses_by_model_is_credited_to_that_agent(ask: Any, models: None) -> None:
    """The decision is routerd's, what comes of it the chosen agent's; nothing forces the draw."""
    chosen = ("--provider", "acme", "--model", "mini-1", "--because", "cheaper today")
    routed = ask("route", "--pool", "cheap", *chosen, "--json")
    assert routed["agent_id"] == "small"
    assert routed["reason_code"] != "REASON_CODE_EXPLICIT"
    ask("outcome", routed["decision_id"], "--success")
    found = ask("decision", routed["decision_id"], "--json")["outcome"]
    assert (found["executed_agent_id"], found["quality"]) == ("mini", 1)


def test_confirm_asks_for_the_chosen_agent(ask: Any, models: None) -> None:
    """The question names whom the user wants to run; no logs nothing."""
    before = position(ask)
    chosen = ("route", "--confirm", "--model", "maxi-1")
    refused = ask(*chosen, input="n\n")
    assert "Run maxi in its place?" in refused.stderr
    assert position(ask) == before
    agreed = ask(*chosen, input="y\n")
    assert agreed.exit_code == 0
    assert "told that maxi runs" in agreed.stderr
    assert position(ask) == before + 2


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (["--provider", "acme"], "maxi, mini have provider 'acme'; give both"),
        (["--provider", "acme", "--model", "x"], "no agent has provider 'acme' and model 'x'"),
        (["--model", "x"], "mini: provider acme, model mini-1"),
    ],
)
def test_a_choice_must_fit_one_agent(
    wanted: list[str], sentence: str, ask: Any, models: None
) -> None:
    """None or several is told with those that there are, and nothing is decided."""
    before = position(ask)
    result = ask("route", *wanted)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert position(ask) == before


def test_conditions_choose_among_the_agents(ask: Any) -> None:
    """A capability, a pool and a name each leave one agent; --explain says why the other is out."""
    assert ask("route", "--capability", "vision", "--json")["agent_id"] == "large"
    assert ask("route", "--pool", "cheap", "--json")["agent_id"] == "small"
    assert ask("route", "--agent", "small", "--json")["reason_code"] == "REASON_CODE_EXPLICIT"
    assert "lacks vision" in ask("preview", "--capability", "vision", "--explain").output


REFUSED = {
    "unknown agent": (
        ["route", "--agent", "none"],
        "agent 'none' is not registered; "
        "`routerd agents` or ListAgents tells who is [AGENT_NOT_FOUND]",
    ),
    "capability that nobody has": (
        ["route", "--capability", "fly"],
        "no agent has all of fly [MISSING_CAPABILITY]\n"
        "  large: MISSING_CAPABILITY: lacks fly\n"
        "  small: MISSING_CAPABILITY: lacks fly",
    ),
    "unknown decision": (
        ["decision", "0000000000000000"],
        "no decision '0000000000000000'; "
        "use the decision_id that Route answered [DECISION_NOT_FOUND]",
    ),
    "number out of range": (
        ["outcome", "0000000000000000", "--quality", "1.5", "--cost-usd", "-1"],
        "outcome.quality: is 1.5; it must lie in [0, 1]; "
        "outcome.cost_usd: is -1; it must lie in [0, 1e+12]",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_a_sentence(arguments: list[str], sentence: str, ask: Any) -> None:
    """What the daemon refuses is told on stderr in words with the way out, and gives code 1."""
    result = ask(*arguments)
    assert result.exit_code == 1
    assert result.stderr == f"routerd: {sentence}\n"


def test_a_key_used_twice_is_refused(ask: Any) -> None:
    """The same request id with another task is told with the way out."""
    assert ask("route", "--request-id", "once", "--json")["request_id"] == "once"
    result = ask("route", "--request-id", "once", "--domain", "other")
    assert result.exit_code == 1
    assert "give this one an id of its own, or send the first one unchanged" in result.stderr


def test_nobody_there_is_a_sentence(invoke: Any) -> None:
    """Without a daemon the sentence names the address and how to start one; the code is 3."""
    result = invoke("route", "--address", "127.0.0.1:1")
    assert result.exit_code == 3
    assert result.stderr == (
        "routerd: no daemon answers at 127.0.0.1:1: "
        "start one with `routerd serve --config FILE`, or give --address\n"
    )


def test_a_label_needs_a_value(invoke: Any) -> None:
    """A label without = is wrong usage, with code 2."""
    result = invoke("route", "--label", "tier")
    assert result.exit_code == 2
    assert "'tier' is not of the form key=value" in result.stderr


@pytest.mark.parametrize(
    ("command", "option", "key"),
    [
        ("route", "--label", "tier"),
        ("route", "--prefer", "cost"),
        ("decisions", "--label", "tier"),
        ("agents register x", "--metadata", "team"),
        ("overrides force x", "--when", "domain"),
        ("overrides list", "--when", "domain"),
    ],
)
def test_a_key_is_given_once(command: str, option: str, key: str, invoke: Any) -> None:
    """A repeated key would lose a value; the option and the key are named, with code 2."""
    result = invoke(*command.split(), option, f"{key}=1", option, f"{key}=2")
    assert result.exit_code == 2
    assert f"'{option}': the key '{key}' is given more than once" in result.stderr


def test_an_outcome_is_one_of_both(invoke: Any) -> None:
    """The last of two contradicting words was learnt."""
    result = invoke("outcome", "any", "--success", "--failure")
    assert result.exit_code == 2
    assert "--success and --failure: an outcome is one of them" in result.stderr

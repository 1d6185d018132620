"""What a mistake is told as: the thing that is wrong, and the way out on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from routerd.cli.output import Exit


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("bench ope {no} --policy uniform", "there is no {no}: give a data directory of routerd"),
        ("bench ope {here} --policy unifrom", "--policy unifrom: is neither uniform, logged, "),
        ("experiments create {empty}", "the file is empty; it needs at least `id` and `arms`"),
        ("decisions --since 1h --until 2h", "is after --until"),
        (
            "summary --since 2027-02-01 --until 2027-01-01",
            "--since, 2027-02-01 00:00:00Z",
        ),
    ],
)
def test_wrong_usage_is_told(words: str, told: str, invoke: Any, tmp_path: Path) -> None:
    """Code 2, and no daemon is needed to know it."""
    (tmp_path / "empty").touch()
    given = {"no": tmp_path / "no", "here": tmp_path, "empty": tmp_path / "empty"}
    result = invoke(*words.format(**given).split())
    assert result.exit_code == Exit.USAGE
    assert told.format(**given) in result.stderr


def test_an_override_that_is_there_names_replace(ask: Any) -> None:
    """The daemon's sentence knows calls only; an operator has an option for it."""
    assert ask("overrides", "force", "pin", "--agent", "small").exit_code == Exit.DONE
    refused = ask("overrides", "force", "pin", "--agent", "large")
    assert "with another agent" in refused.stderr
    assert "--replace" in refused.stderr
    assert ask("overrides", "force", "pin", "--agent", "large", "--replace").exit_code == Exit.DONE
    assert ask("overrides", "delete", "pin").exit_code == Exit.DONE


def test_a_claim_without_a_competence_is_told_so(ask: Any) -> None:
    """It is the caller's language, not Python's None."""
    made = ask("route", "--json")["decision_id"]
    ask("claim", made)
    refused = ask("claim", made, "--competence", "0.5")
    assert "was claimed with no competence; the first claim stands" in refused.stderr


def test_a_decision_says_whether_its_agent_was_let(ask: Any) -> None:
    """Else nobody sees why a task was routed again."""

    def told(*said: str) -> str:
        made = ask("route", "--json")["decision_id"]
        if said:
            ask("claim", made, *said)
        return " ".join(ask("decision", made).stdout.split())

    assert " claim refused " in told("--competence", "0")
    assert " claim accepted " in told("--competence", "0.9")
    assert " claim " not in told()


def test_a_decision_shows_what_an_operator_asks_for(ask: Any) -> None:
    """What it goes on from, whose it is, and what came of it: the question is why this agent."""
    first = ask("route", "--group", "plan-7", "--session", "chat-3", "--json")["decision_id"]
    ask("outcome", first, "--failure", "--cost-usd", "0.004")
    on = ("--follows", first, "--cause", "low-confidence", "--reported-confidence", "0.2")
    second = ask("route", *on, "--json")["decision_id"]
    told = " ".join(ask("decision", first).stdout.split())
    assert "group plan-7" in told
    assert "session chat-3" in told
    assert "quality 0, cost_usd 0.004 (open, 1 report)" in told
    assert f"follows {first} (low confidence)" in " ".join(ask("decision", second).stdout.split())
    watched = ask("watch", "--from", "1", "--type", "outcome", "--count", "1").stdout
    assert watched.endswith("report of caller: failure, cost_usd 0.004\n")

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


def test_a_claim_without_a_competence_is_told_so(ask: Any) -> None:
    """It is the caller's language, not Python's None."""
    made = ask("route", "--json")["decision_id"]
    ask("claim", made)
    refused = ask("claim", made, "--competence", "0.5")
    assert "was claimed with no competence; the first claim stands" in refused.stderr

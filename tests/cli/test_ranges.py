"""Numbers on the command line: those that lie in no range are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from routerd.cli.main import main

ROWS = "task_id,agent_id,quality,cost_usd\n" + "".join(
    f"t{i},{agent},{i % 2},0.01\n" for i in range(40) for agent in ("a", "b")
)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("option", "command"),
    [
        ("--cost-weight", ["prove", "FILE"]),
        ("--cost-weight", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--budget", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--warm-start", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--seconds", ["bench", "load", "--out", "OUT"]),
        ("--rate", ["bench", "idle", "--out", "OUT"]),
    ],
)
def test_a_number_must_be_finite(
    tmp_path: Path, option: str, command: list[str], number: str
) -> None:
    """Exit code 2, the option's name, and no file."""
    file, out = tmp_path / "tasks.csv", tmp_path / "out.json"
    file.write_text(ROWS)
    words = [{"FILE": str(file), "OUT": str(out)}.get(word, word) for word in command]
    result = CliRunner().invoke(main, [*words, option, number])
    assert (result.exit_code, option in result.stderr) == (2, True), result.output
    assert not out.exists()


def test_an_amount_that_no_outcome_may_have_is_refused_by_row(tmp_path: Path) -> None:
    """As the daemon would refuse it: its row, its column and the bound."""
    file = tmp_path / "tasks.csv"
    file.write_text(ROWS + "t40,a,1,1e308\n")
    result = CliRunner().invoke(main, ["prove", str(file)])
    assert result.exit_code == 2
    assert "row 81 (task t40, agent a): cost_usd is 1e+308; it must be in" in result.stderr

"""Numbers on the command line: those that lie in no range are refused before anything is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from routerd.cli.main import main

ROWS = "task_id,agent_id,quality,cost_usd\n" + "".join(
    f"t{i},{agent},{i % 2},0.01\n" for i in range(40) for agent in ("a", "b")
)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "-1"])
@pytest.mark.parametrize(
    ("option", "command"),
    [
        ("--cost-weight", ["prove", "FILE"]),
        ("--cost-weight", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--budget", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--warm-start", ["bench", "replay", "FILE", "--out", "OUT"]),
        ("--cost-weight", ["bench", "cascade", "FILE", "--confidence", "quality", "--out", "OUT"]),
        ("--tau", ["bench", "cascade", "FILE", "--confidence", "quality", "--out", "OUT"]),
        ("--seconds", ["bench", "load", "--out", "OUT"]),
        ("--rate", ["bench", "idle", "--out", "OUT"]),
    ],
)
def test_a_number_must_be_sane(
    tmp_path: Path, option: str, command: list[str], number: str
) -> None:
    """Not finite, or more than a configuration would take: exit code 2, the option, no file."""
    file, out = tmp_path / "tasks.csv", tmp_path / "out.json"
    file.write_text(ROWS)
    words = [{"FILE": str(file), "OUT": str(out)}.get(word, word) for word in command]
    result = CliRunner().invoke(main, [*words, option, number])
    assert (result.exit_code, option in result.stderr) == (2, True), result.output
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["prove", "FILE", "--cost-weight"],
        ["bench", "replay", "FILE", "--out", "OUT", "--cost-weight"],
        ["bench", "replay", "FILE", "--out", "OUT", "--budget"],
        ["bench", "cascade", "FILE", "--confidence", "quality", "--out", "OUT", "--cost-weight"],
    ],
)
def test_no_weight_is_above_what_a_configuration_takes(words: list[str], tmp_path: Path) -> None:
    """It was a traceback once the first policy was made."""
    file, out = tmp_path / "tasks.csv", tmp_path / "out.json"
    file.write_text(ROWS)
    given = {"FILE": str(file), "OUT": str(out)}
    result = CliRunner().invoke(main, [*(given.get(word, word) for word in words), "1e308"])
    assert (result.exit_code, words[-1] in result.stderr) == (2, True), result.output


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "load", "--out", "OUT", "--seconds"],
        ["bench", "idle", "--out", "OUT", "--seconds"],
        ["bench", "idle", "--out", "OUT", "--rate"],
    ],
)
def test_no_measurement_goes_on_for_ever(words: list[str], tmp_path: Path) -> None:
    """A round is an hour at most, of calls that can be sent."""
    out = str(tmp_path / "out.json")
    result = CliRunner().invoke(
        main, [*(out if word == "OUT" else word for word in words), "1e308"]
    )
    assert (result.exit_code, words[-1] in result.stderr) == (2, True), result.output


def test_an_amount_that_no_outcome_may_have_is_refused_by_row(tmp_path: Path) -> None:
    """As the daemon would refuse it: its row, its column and the bound."""
    file = tmp_path / "tasks.csv"
    file.write_text(ROWS + "t40,a,1,1e308\n")
    result = CliRunner().invoke(main, ["prove", str(file)])
    assert result.exit_code == 2
    assert "row 81 (task t40, agent a): cost_usd is 1e+308; it must be in" in result.stderr


def test_a_budget_of_nothing_is_one(tmp_path: Path) -> None:
    """No task that costs anything is served; the policy is paced to as little as can be."""
    file, out = tmp_path / "tasks.csv", tmp_path / "out.json"
    file.write_text(ROWS)
    words = ("--policies", "default", "--seeds", "1", "--budget", "0", "--out", str(out))
    result = CliRunner().invoke(main, ["bench", "replay", str(file), *words])
    assert result.exit_code == 0, result.output
    (run,) = json.loads(out.read_text())["runs"]
    assert run["n_served"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--config", "FILE", "--data", ""],
        ["serve", "--config", ""],
        ["verify", ""],
        ["snapshot", ""],
        ["project", ""],
        ["repair", ""],
        ["migrate", ""],
        ["backup", "DIR", "--to", ""],
        ["export", "", "--to", "OUT"],
        ["warm-start", "", "--from", "FILE"],
        ["bench", "ope", "", "--policy", "uniform"],
        ["check-config", ""],
    ],
)
def test_an_empty_path_is_none(words: list[str], tmp_path: Path) -> None:
    """As of a variable of a shell that is not set: it is not the directory one happens to be in."""
    file = tmp_path / "file"
    file.write_text("")
    given = {"FILE": str(file), "DIR": str(tmp_path), "OUT": str(tmp_path / "out")}
    result = CliRunner().invoke(main, [given.get(word, word) for word in words])
    assert result.exit_code == 2
    assert "it is empty; give a path" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["prove", "none.csv"],
        ["bench", "replay", "none.csv"],
        ["bench", "report", "none.json"],
        ["bench", "ope", "none.csv", "--policy", "uniform"],
        ["bench", "cascade", "none.parquet", "--confidence", "q"],
        ["bench", "decide"],
        ["bench", "idle"],
    ],
    ids=" ".join,
)
def test_a_file_to_write_is_looked_at_before_the_work(tmp_path: Path, words: list[str]) -> None:
    """A replay of an hour must not end in that its directory is not there."""
    out = tmp_path / "nowhere" / "out.json"
    result = CliRunner().invoke(main, [*words, "--out", str(out)])
    assert result.exit_code == 2
    told = f"routerd: there is no directory {out.parent} to write out.json to"
    assert result.stderr.strip() == told

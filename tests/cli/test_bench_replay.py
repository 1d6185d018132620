"""`routerd bench replay`: its options, its files, and what it says of wrong ones."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import pytest

from bench.replay import baselines
from tests.bench.made import made
from tests.cli.conftest import Invoke


@pytest.fixture
def tasks_csv(tmp_path: Path) -> Path:
    """Recorded tasks as a user brings them."""
    data = made(30)
    assert data.cost_usd is not None
    path = tmp_path / "tasks.csv"
    with path.open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["task_id", "agent_id", "quality", "domain", "cost_usd"])
        for i, task in enumerate(data.task_ids):
            for k, agent in enumerate(data.agents):
                rows.writerow(
                    [task, agent, data.quality[i, k], data.domain[i], data.cost_usd[i, k]]
                )
    return path


@pytest.fixture
def run(invoke: Invoke, tmp_path: Path) -> Invoke:
    """`routerd bench replay` with an --out of this test."""
    return partial(invoke, "bench", "replay", "--out", tmp_path / "out.json")


def test_the_command_writes_results_and_tells_them(
    run: Invoke, tasks_csv: Path, tmp_path: Path
) -> None:
    """Every option is taken; the table names policies and references, the file holds schema 1."""
    options = "--agents agent-0,agent-2 --cost-weight 2 --policies default,random --seeds 2 "
    options += "--warm-start 0.1 --order file --delay 2 --budget 0.5"
    result = run(tasks_csv, *options.split())
    assert result.exit_code == 0, result.output
    for told in ("tasks: 27 tasks, 2 agents, 2 seeds", "default", "random (expected)", "served"):
        assert told in result.stdout
    assert result.stderr == ""
    results = json.loads((tmp_path / "out.json").read_text())
    assert results["schema"] == 1
    assert results["conditions"]["warm_start"] == 0.1
    assert (tmp_path / results["runs"][0]["curve"]).exists()


def test_one_seed_gets_no_interval_over_seeds(run: Invoke, tasks_csv: Path) -> None:
    """An interval without width would say that all orders of the tasks come out alike."""
    one, two = (run(tasks_csv, "--policies", "random", "--seeds", n).stdout for n in "12")
    assert ", 1 seed, " in one
    assert "[" not in one
    assert "too narrow" not in one
    assert "[" in two


def test_few_seeds_say_what_their_intervals_do_not_hold(
    run: Invoke, invoke: Invoke, tasks_csv: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    for seeds in (3, 10):
        told = run(tasks_csv, "--policies", "random", "--seeds", seeds).stdout
        invoke("bench", "report", tmp_path / "out.json", "--out", page)
        for text in (told, page.read_text()):
            assert ("Intervals over 3 seeds are too narrow" in text) == (seeds == 3)


def test_a_replay_without_policies_has_the_default_and_all_baselines(
    run: Invoke, tasks_csv: Path
) -> None:
    """Nothing named, everything of ours is run."""
    result = run(tasks_csv, "--seeds", 1, "--json")
    names = {row["policy"] for row in json.loads(result.stdout)["runs"]}
    assert names == {*baselines.POLICIES, *baselines.INFORMED}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("task_id,agent_id\nt,a\n", "the column quality is missing"),
        ("task_id,agent_id,quality\nt,a,1\nt,b,2\n", "row 2 (task t, agent b): quality is 2"),
        ("task_id,agent_id,quality\nt,a,nan\nt,b,1\n", "row 1 (task t, agent a): quality is"),
        ("task_id,agent_id,quality\nt,a,1\n", "all rows are of the agent a"),
        ("task_id,agent_id,quality\nt,a,1\nu,b,1\n", "no task has a row for every agent"),
    ],
)
def test_a_wrong_file_ends_the_command_with_one_sentence_and_exit_code_2(
    run: Invoke, tmp_path: Path, content: str, told: str
) -> None:
    """Misuse is told on stderr in one line; nothing is written."""
    (tmp_path / "wrong.csv").write_text(content)
    result = run(tmp_path / "wrong.csv")
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_a_named_data_set_has_columns_of_its_own(run: Invoke) -> None:
    """To name them otherwise was passed over without a word."""
    result = run("digits", "--columns", "agent_id=model")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "digits has columns of its own: --columns names those of a file" in result.stderr


def test_a_wrong_policy_ends_the_command_with_exit_code_2(
    run: Invoke, tasks_csv: Path, tmp_path: Path
) -> None:
    """Unknown names and wrong configurations are told before anything is run."""
    result = run(tasks_csv, "--policies", "nobody")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    (tmp_path / "mine.yaml").write_text("policy: {kind: none}\n")
    result = run(tasks_csv, "--policies", tmp_path / "mine.yaml")
    assert result.exit_code == 2
    assert "policy.kind" in result.stderr
    result = run(tasks_csv, "--order", "time")
    assert result.exit_code == 2
    assert "needs a time_ms" in result.stderr

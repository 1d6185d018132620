"""`routerd warm-start` as people run it: what is learnt, once, and that the log holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from routerd.core.events import OutcomesImported
from routerd.engine.fold import fold
from routerd.engine.verify import verify
from routerd.log.codec import records
from routerd.log.sqlite import SqliteLog
from routerd.router import Router

CONFIG = """
agents: [{id: small}, {id: large}]
features: [{kind: category, name: work_type}, {kind: number, name: size, centre: 0, scale: 1}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "routerd.yaml"
    path.write_text(CONFIG)
    return path


def recorded(tmp_path: Path, count: int = 600) -> Path:
    """Large is right at code, small at the rest; a stranger and a row without quality beside."""
    lines = ["task_id,agent_id,quality,domain,cost_usd,size"]
    for i in range(count):
        kind = ("code", "text", "law")[i % 3]
        agent = ("small", "large")[i // 3 % 2]
        right = (kind == "code") == (agent == "large")
        lines.append(f"t{i},{agent},{int(right)},{kind},0.01,{100 + i % 7}")
    lines += [f"t{count},stranger,1,code,,", f"t{count},small,,code,,"]
    path = tmp_path / "recorded.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_was_recorded_is_known_before_the_first_decision(
    invoke: Any, tmp_path: Path, config: Path
) -> None:
    """It says what it did; the router then prefers what the records prefer; verify holds."""
    data, source = tmp_path / "data", recorded(tmp_path)
    told = json.loads(
        invoke("warm-start", data, "--config", config, "--from", source, "--json").output
    )
    assert told["learnt"] == {"large": 300, "small": 300}
    assert (told["unknown"], told["unrated"], told["before"]) == ({"stranger": 1}, 1, 0)
    assert told["proposed"] == {"size": {"centre": 103.0, "scale": 1.998}}
    with Router.open(config, data) as router:
        near = {"size": 103.0}
        code = router.preview(work_type="code", features=near)
        text = router.preview(work_type="text", features=near)
        router.route(work_type="code", features=near)
        assert router.profile("large").overall.outcomes == 300
    chances = [{c.agent_id: c.probability for c in a.candidates} for a in (code, text)]
    assert chances[0]["large"] > 0.9
    assert chances[1]["small"] > 0.9
    log = SqliteLog.open(data, read_only=True)
    try:
        found = verify(log)
        sizes = [
            len(record.event.outcomes)
            for record in records(log, "default")
            if isinstance(record.event, OutcomesImported)
        ]
    finally:
        log.close()
    assert (found.mismatches, found.laws_exact) == ((), 1)
    assert sum(sizes) == 600
    assert max(sizes) == 256


def test_the_same_file_again_changes_nothing(invoke: Any, tmp_path: Path, config: Path) -> None:
    """Idempotent by what the file holds; another file is learnt beside it, without --config too."""
    data, source = tmp_path / "data", recorded(tmp_path, 60)
    invoke("warm-start", data, "--config", config, "--from", source)
    before = state_of(data)
    again = invoke("warm-start", data, "--from", source)
    assert "learnt before" in again.output
    assert state_of(data) == before
    more = tmp_path / "more.csv"
    more.write_text("agent_id,quality\nsmall,1\n")
    assert "1 outcome: small 1" in invoke("warm-start", data, "--from", more).output
    assert state_of(data) != before


def test_a_run_that_was_cut_off_goes_on(invoke: Any, tmp_path: Path, config: Path) -> None:
    """What a file was learnt of, up to a row, is not learnt twice."""
    source = recorded(tmp_path, 600)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for data in (whole, cut):
        invoke("warm-start", data, "--config", config, "--from", source)
    log = SqliteLog.open(cut)
    end, _ = log.last("default")
    entries = [entry for entry in log.read("default") if entry.position < end]
    log.close()
    for file in cut.glob("log.db*"):
        file.unlink()
    log = SqliteLog.open(cut)
    log.append("default", entries, 0)
    log.close()
    told = json.loads(invoke("warm-start", cut, "--from", source, "--json").output)
    assert 0 < told["before"] < 602
    assert sums(cut) == pytest.approx(sums(whole))


def test_who_was_unknown_learns_from_the_same_file_later(
    invoke: Any, tmp_path: Path, config: Path
) -> None:
    """Wherever the rows stand; the others learn nothing twice."""
    data, source = tmp_path / "data", tmp_path / "recorded.csv"
    source.write_text("agent_id,quality\nsmall,1\nlate,1\nlarge,0\nlate,1\nsmall,1\nlate,0\n")
    registered = tmp_path / "registered.yaml"
    registered.write_text(CONFIG.replace("[{id: small}", "[{id: late}, {id: small}"))

    def told(config: Path) -> Any:
        asked = invoke("warm-start", data, "--config", config, "--from", source, "--json")
        assert asked.exit_code == 0, asked.output
        return json.loads(asked.output)

    def kept(told: Any) -> tuple[Any, ...]:
        return told["learnt"], told["unknown"], told["before"]

    first = {"large": 1, "small": 2}
    assert kept(told(config)) == (first, {"late": 3}, 0)
    assert kept(told(config)) == ({}, {"late": 3}, 3)
    assert kept(told(registered)) == ({"late": 3}, {}, 3)
    assert kept(told(registered)) == ({}, {}, 6)
    assert sums(data) == pytest.approx([1, 2])


def test_an_export_is_learnt_from(invoke: Any, tmp_path: Path, config: Path) -> None:
    """What one router logged, another begins with; the executed agent has the credit."""
    with Router.open(config, tmp_path / "old") as router:
        for i in range(12):
            name = router.route(work_type="code", agent_id="small").decision_id
            ran = "large" if i < 3 else ""
            router.report(decision_id=name, quality=0.75, cost_usd=0.5, executed_agent_id=ran)
    invoke("export", tmp_path / "old", "--to", tmp_path / "all.csv")
    data = tmp_path / "new"
    told = invoke(
        "warm-start", data, "--config", config, "--from", tmp_path / "all.csv", "--json",
        "--weight", "0.5",
    )  # fmt: skip
    assert json.loads(told.output)["learnt"] == {"large": 3, "small": 9}
    assert sums(data) == pytest.approx([1.5, 4.5])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task_id,quality\nt,1\n", "the column agent_id is missing"),
        ("agent_id,quality\nsmall,2\n", "row 1: quality is 2"),
        ("agent_id,quality,cost_usd\nsmall,1,-1\n", "row 1: cost_usd is -1"),
        (
            "agent_id,quality,cost_usd\nsmall,1,10001\n",
            "row 1: cost_usd is 10001; it must be in [0, 10000] (outcomes.max_cost_usd)",
        ),
        ("agent_id,quality\nsmall,good\n", "row 1: quality is 'good'"),
        ("agent_id,quality,labels\nsmall,1,tier\n", "row 1: labels is 'tier'; it must be a JSON"),
        ("agent_id,quality,labels\nsmall,1,[1]\n", "row 1: labels is '[1]'; it must be a JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    invoke: Any, tmp_path: Path, config: Path, text: str, words: str
) -> None:
    """It names the row and the column."""
    source = tmp_path / "bad.csv"
    source.write_text(text)
    told = invoke("warm-start", tmp_path / "data", "--config", config, "--from", source)
    assert told.exit_code == 2
    assert words in told.output
    assert not (tmp_path / "data").exists()


def test_the_bound_of_costs_is_named_for_costs_alone(
    invoke: Any, tmp_path: Path, config: Path
) -> None:
    """Not for a latency, where the two bounds are the same."""
    config.write_text(CONFIG + "outcomes: {max_cost_usd: 1.0e+12}\n")
    source = tmp_path / "bad.csv"
    source.write_text("agent_id,quality,latency_ms\nsmall,1,2e12\n")
    told = invoke("warm-start", tmp_path / "data", "--config", config, "--from", source)
    assert "row 1: latency_ms is 2e+12; it must be in [0, 1e+12]" in told.output
    assert "max_cost_usd" not in told.output


def test_a_directory_without_a_log_needs_a_configuration(invoke: Any, tmp_path: Path) -> None:
    """It says what is missing, and makes nothing."""
    told = invoke("warm-start", tmp_path / "none", "--from", recorded(tmp_path, 6))
    assert told.exit_code == 2
    assert "--config" in told.output
    assert not (tmp_path / "none").exists()


def state_of(data: Path) -> str:
    log = SqliteLog.open(data, read_only=True)
    try:
        return fold(log, "default").hash()
    finally:
        log.close()


def sums(data: Path) -> list[float]:
    """What is known of each agent, in outcomes."""
    log = SqliteLog.open(data, read_only=True)
    try:
        state = fold(log, "default")
        return [state.learner.weight_of(state.arm_of[name]) for name in ("large", "small")]
    finally:
        log.close()


@pytest.mark.parametrize("weight", ["nan", "inf", "0", "1.5"])
def test_a_weight_that_is_none_is_refused(
    invoke: Any, tmp_path: Path, config: Path, weight: str
) -> None:
    """NaN lies in no range, and would stay in what was learnt; no log is begun."""
    source = recorded(tmp_path)
    result = invoke(
        "warm-start", tmp_path / "d", "--config", config, "--from", source, "--weight", weight
    )
    assert (result.exit_code, "--weight" in result.stderr) == (2, True)
    assert not (tmp_path / "d").exists()


def test_what_no_agent_could_learn_can_be_learnt_later(
    invoke: Any, tmp_path: Path, config: Path
) -> None:
    """A file whose agents are all unknown is refused by name, and not taken for learnt."""
    source = recorded(tmp_path)
    others = tmp_path / "others.yaml"
    others.write_text("agents: [{id: a}, {id: b}]")
    refused = invoke("warm-start", tmp_path / "d", "--config", others, "--from", source)
    assert refused.exit_code == 2
    assert "its agents are large, small, stranger, and the configuration has a, b" in refused.stderr
    again = invoke("warm-start", tmp_path / "d", "--config", config, "--from", source, "--json")
    assert json.loads(again.output)["learnt"] == {"large": 300, "small": 300}

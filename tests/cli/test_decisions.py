"""`routerd decisions` and `routerd summary` against a daemon with its audit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, Start


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of the other commands' tests, with an audit and real time."""
    file = tmp_path_factory.mktemp("config") / "routerd.yaml"
    file.write_text(CONFIG.replace("enabled: false", "enabled: true").replace("logical", "wall"))
    return file


@pytest.fixture
def three(ask: Any) -> list[str]:
    """Three decisions of kind `code`, the first with an outcome."""
    made = [
        ask("route", "--work-type", "code", "--label", f"n={n}", "--agent", "small", "--json")
        for n in range(3)
    ]
    names = [str(answer["decision_id"]) for answer in made]
    ask("outcome", names[0], "--quality", "0.5", "--cost-usd", "0.25")
    return names


def test_the_latest_come_first_with_what_came_of_them(ask: Any, three: list[str]) -> None:
    """As a table for people and as JSON for programs; --limit says how many."""
    told = ask("decisions", "--limit", "3", "--json")
    assert [d["decision_id"] for d in told["decisions"]] == three[::-1]
    assert told["decisions"][2]["outcome"]["quality"] == 0.5
    assert told["projected_through"] > 4
    shown = ask("decisions", "--limit", "3").output.splitlines()
    assert "time" in shown[0]
    assert [line.split()[2] for line in shown if line[:2] == "20"] == three[::-1]
    assert shown[-1].split()[-2:] == ["0.5", "0.25"]


def test_filters_go_together(ask: Any, three: list[str]) -> None:
    """All that are given must hold."""

    def found(*filters: str) -> list[str]:
        told = ask("decisions", *filters, "--json")
        return [d["decision_id"] for d in told["decisions"]]

    assert three[1] in found("--label", "n=1", "--agent", "small", "--work-type", "code")
    assert three[0] not in found("--label", "n=1")
    assert set(three) <= set(found("--reason", "explicit", "--open", "--since", "1h"))
    assert found("--until", "1h") == found("--agent", "nobody") == found("--closed") == []


def test_a_summary_counts(ask: Any, three: list[str]) -> None:
    """Per agent with the total, per kind of work; in JSON the same."""
    told = ask("summary", "--json", "--since", "1d")
    assert int(told["total"]["decisions"]) >= 3
    assert [row["key"] for row in told["work_types"]] == ["code"]
    shown = ask("summary", "--groups", "5").output
    rows = [line.split()[:3] for line in shown.splitlines()]
    count = told["total"]["decisions"]
    assert ["small", count, "100.0%"] in rows
    assert ["all", count, "100.0%"] in rows
    assert ["code", count, "100.0%"] in rows


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("decisions", "--reason", "whim"), "'whim' is none of SAMPLED, BEST_KNOWN"),
        (("decisions", "--since", "soon"), "'soon' must be a time such as"),
        (("summary", "--until", "2026-13-01"), "'2026-13-01' must be a time such as"),
    ],
)
def test_wrong_filters_are_wrong_usage(ask: Any, arguments: tuple[str, ...], words: str) -> None:
    """Code 2, and what would be right."""
    result = ask(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_without_an_audit_it_says_what_to_do(invoke: Any, start: Any, tmp_path: Path) -> None:
    """A refusal is one sentence with its reason; code 3, for it may work later."""
    config = tmp_path / "none.yaml"
    config.write_text(CONFIG)
    address = start(tmp_path / "data", "--config", str(config)).address
    for how in ("--wait", "--no-wait"):
        result = invoke("decisions", how, "--address", address)
        assert result.exit_code == 3
        assert "`routerd project` makes it [AUDIT_UNAVAILABLE]" in result.stderr


@pytest.mark.parametrize("command", ["decisions", "summary"])
def test_an_audit_that_stands_still_is_not_called_a_daemon_that_does(
    start: Start, tmp_path: Path, invoke: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The daemon answers all else; what waits is what the projector has not written."""
    daemon = start(tmp_path / "data")
    at = ("--address", daemon.address)
    assert invoke(command, *at).exit_code == 0
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    monkeypatch.setattr("routerd.cli.decisions.TIMEOUT_S", 1.0)
    for child in children:
        os.kill(int(child), signal.SIGSTOP)
    try:
        assert invoke("route", "--agent", "small", *at).exit_code == 0
        late = invoke(command, *at)
        assert late.exit_code == 3
        assert late.stderr.startswith("routerd: the audit did not reach the log's end within 1 s:")
        assert invoke(command, "--no-wait", *at).exit_code == 0
    finally:
        for child in children:
            os.kill(int(child), signal.SIGCONT)

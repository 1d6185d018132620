"""`routerd signals test`, and what `route` and `decision` show of a classification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.signals.models import serving

CONFIG: dict[str, Any] = {
    "agents": [{"id": "small"}, {"id": "large"}],
    "audit": {"enabled": False},
    "signals": {
        "rules": [{"label": "code", "any": ["bug"]}, {"label": "ops", "any": ["deploy"]}],
        "labels": {"code": {"inject": "as {agent}", "model": "tiny", "metadata": {"k": "v"}}},
    },
}
LINES = """\
code\tfix the bug
{"label": "ops", "text": "deploy it"}

ops\ta bug in the deployment
other\thello
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "routerd.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    return file


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "lines.tsv"
    file.write_text(LINES)
    return file


def test_accuracy_and_confusion(invoke: Any, config: Path, lines: Path) -> None:
    """Two of four are right; the table shows what was taken for what."""
    result = invoke("signals", "test", lines, "--config", config, "--json")
    told = json.loads(result.stdout)
    assert (told["lines"], told["accuracy"]) == (4, 0.5)
    assert told["sources"] == {"NONE": 1, "RULES": 3}
    assert told["confusion"] == {
        "code": {"code": 1},
        "ops": {"code": 1, "ops": 1},
        "other": {"(none)": 1},
    }
    assert 0 < told["p50_ms"] <= told["p99_ms"]
    shown = invoke("signals", "test", lines, "--config", config).output
    assert "50.0% of 4 lines" in shown
    assert "wanted \\ given" in shown


def test_an_endpoint_is_asked_and_its_failures_are_told(
    invoke: Any, tmp_path: Path, lines: Path
) -> None:
    with serving() as models:
        endpoint = {"url": models.url, "protocol": "ollama"}
        signals = {"endpoint": endpoint, "labels": {"code": {}, "other": {}}}
        file = tmp_path / "endpoint.json"
        file.write_text(json.dumps({**CONFIG, "signals": signals}))
        told = json.loads(invoke("signals", "test", lines, "--config", file, "--json").stdout)
        assert told["sources"] == {"ENDPOINT": 4}
        assert told["accuracy"] == 0.5
        models.status = 500
        told = json.loads(invoke("signals", "test", lines, "--config", file, "--json").stdout)
        assert sum(told["failures"].values()) == 4


def test_the_least_accuracy_is_a_gate(invoke: Any, config: Path, lines: Path) -> None:
    command = ("signals", "test", lines, "--config", config, "--least")
    assert invoke(*command, "0.5").exit_code == 0
    refused = invoke(*command, "0.6")
    assert refused.exit_code == 1
    assert "the accuracy is 0.5; 0.6 is the least" in refused.output


@pytest.mark.parametrize("text", ["", "no tab", '{"label": "x"}', '{"label": ', "[1]", "x\t"])
def test_a_wrong_line_is_named(invoke: Any, config: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.tsv"
    file.write_text(text)
    refused = invoke("signals", "test", file, "--config", config)
    assert refused.exit_code == 2
    assert str(file) in refused.output


def test_without_a_classifier_there_is_nothing_to_test(
    invoke: Any, config_file: Path, lines: Path, tmp_path: Path
) -> None:
    refused = invoke("signals", "test", lines, "--config", config_file)
    assert refused.exit_code == 2
    assert "neither rules nor an endpoint" in refused.output
    file = tmp_path / "key.json"
    endpoint = {"url": "http://127.0.0.1:1", "api_key_env": "NO_SUCH_KEY"}
    signals = {"endpoint": endpoint, "labels": {"x": {}}}
    file.write_text(json.dumps({**CONFIG, "signals": signals}))
    for command in (
        ("signals", "test", lines, "--config"),
        ("serve", "--data", tmp_path / "data", "--config"),
    ):
        refused = invoke(*command, file)
        assert "the environment has no NO_SUCH_KEY" in refused.output
        assert refused.exit_code in (1, 2)
    assert not (tmp_path / "data").exists()


def test_route_and_decision_show_the_classification(
    invoke: Any, start: Any, config: Path, tmp_path: Path
) -> None:
    """A text alone: its label, who found it, and what to do with it."""
    daemon = start(tmp_path / "data", "--config", str(config))
    routed = invoke("route", "fix the bug", "--address", daemon.address).output
    assert "classified" in routed
    assert "code (rules, 0.9 sure)" in routed
    assert "as small" in routed or "as large" in routed
    assert "k=v" in routed
    asked = ("preview", "fix the bug", "--address", daemon.address, "--json")
    told = json.loads(invoke(*asked).stdout)
    assert told["classification"]["label"] == "code"
    again = invoke("route", "fix", "--address", daemon.address, "--request-id", "r", "--json")
    found = invoke("decision", json.loads(again.stdout)["decision_id"], "--address", daemon.address)
    assert "no label (none)" in found.output

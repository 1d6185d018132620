"""What callers wrote, as an operator's terminal gets it: no byte of it steers the terminal."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from routerd.cli.output import Failed, say_json, shown
from routerd.cli.tables import facts, table
from tests.cli.conftest import CONFIG

KIND = "a\nb\t\u202e"
ESCAPED_KIND = r"a\nb\t\u202e"
RED = "k\x1b[31m=v\x1b[0m"
ESCAPED_RED = r"k\x1b[31m=v\x1b[0m"
STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of the other commands' tests, with an audit."""
    file = tmp_path_factory.mktemp("config") / "routerd.yaml"
    file.write_text(CONFIG.replace("enabled: false", "enabled: true"))
    return file


@pytest.fixture
def lines(invoke: Any, address: str) -> Any:
    """The lines that a command prints, none of which steers a terminal."""

    def run(*arguments: str, code: int = 0) -> list[str]:
        result = invoke(*arguments, "--address", address)
        assert result.exit_code == code, result.output
        told: list[str] = result.output.split("\n")
        assert [c for line in told for c in line if unicodedata.category(c) in STEERING] == []
        return told[:-1]

    return run


@pytest.fixture
def routed(invoke: Any, address: str) -> dict[str, Any]:
    """A decision of a task whose every text steers a terminal, with an outcome of the same kind."""
    texts = ("--work-type", KIND, "--label", RED, "--domain", "d\x9b2J", "--group", "g\x07")
    asked = ("route", "x\r\u2028y", *texts, "--address", address, "--json")
    answer: dict[str, Any] = json.loads(invoke(*asked).output)
    said = ("--quality", "0.5", "--source", "ci\nforged", "--outcome-id", answer["decision_id"])
    told = invoke("outcome", answer["decision_id"], *said, "--address", address)
    assert told.exit_code == 0, told.output
    return answer


def test_a_decision_is_a_line_for_each_fact(lines: Any, routed: dict[str, Any]) -> None:
    """Work type, label and domain stand in their lines, escaped."""
    told = lines("decision", routed["decision_id"])
    found = dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in told if "  " in line)
    assert found["work type"] == ESCAPED_KIND
    assert found["labels"] == ESCAPED_RED
    assert found["domain"] == r"d\x9b2J"
    assert next(iter(found)) == "decision"


def test_an_event_is_one_line(lines: Any, routed: dict[str, Any]) -> None:
    """Nobody forges a line of `watch` by a newline in a work type or a source."""
    asked = ("watch", "--from", routed["position"])
    decision, outcome = lines(*asked, "--count", "2")
    assert f" for {ESCAPED_KIND}: " in decision
    assert r"report of ci\nforged: quality 0.5" in outcome


def test_tables_have_a_line_for_each_row(lines: Any, routed: dict[str, Any]) -> None:
    """The lists of decisions, of sums and of profiles keep their rows and columns."""
    head, _, row = lines("decisions", "--limit", "1")
    assert routed["decision_id"] in row
    assert row.index(ESCAPED_KIND) == head.index("work type")
    sums = [line.split()[0] for line in lines("summary", "--groups", "5") if line.strip()]
    assert ESCAPED_KIND in sums
    assert r"g\x07" in sums
    assert {line.split()[1] for line in lines("profile")[2:]} <= {"all", ESCAPED_KIND}


def test_answers_and_refusals_are_escaped(lines: Any) -> None:
    """What `route` says at once, and what it refuses, is of the same kind."""
    lines("route", "--work-type", KIND, "--label", RED, "--explain")
    (refused,) = lines("route", "--agent", "no\x1b[2J\nbody", code=1)
    assert r"no\x1b[2J\nbody" in refused
    (unknown,) = lines("decision", "gone\n\x1b[1A", code=1)
    assert unknown.startswith("routerd: ")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (KIND, ESCAPED_KIND),
        ("\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b"),
        ("\u2028\u2029\ufeff\ue000\U000e0041\ud800", r"\u2028\u2029\ufeff\ue000\U000e0041\ud800"),
    ],
)
def test_what_does_not_show_is_escaped(text: str, seen: str) -> None:
    """Controls, overrides of direction, separators and private ones, as Python writes them."""
    assert shown(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "code/review 1",
        "Größe",
        "код",
        "日本語",
        "שלום",
        "हिन्दी",
        "a\u00a0b",
        "❤️ 👩‍💻 👍🏽",
        r"a\nb",
    ],
)
def test_what_shows_stays(text: str) -> None:
    """Any script, emoji with their joiners, and a backslash are left as they are."""
    assert shown(text) == text


def test_a_table_is_aligned_and_may_be_coloured() -> None:
    """Escapes count as wide as they print, in heads too, and our own style is still written."""
    out = io.StringIO()
    screen = Console(file=out, width=80, force_terminal=True, color_system="standard")
    screen.print(table(["kind", "n\x07"], [[KIND, "1"], ["日本", "22"]]), facts([("a\n", "b\r")]))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert out.getvalue() != plain
    *rows, fact = plain.splitlines()
    assert len({cell_len(row) for row in rows}) == 1
    assert rows[0].rstrip().endswith(r"n\x07")
    assert fact.split() == [r"a\n", r"b\r"]


def test_a_failure_keeps_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines that a command makes stay; whatever else steers a terminal does not."""
    Failed("no\x1b[2J\n  a: b\r").show()
    assert capsys.readouterr().err == "routerd: no\\x1b[2J\n  a: b\\r\n"


def test_json_does_not_steer_a_terminal_and_loses_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Escapes of JSON's own for what does not show; the rest as it was written."""
    value = {"kind": "a\u202e\U000e0001\x7f\x9bb\ud800", "name": "Grüße, 世界"}
    say_json(value)
    told = capsys.readouterr().out
    assert {c for c in told if unicodedata.category(c) in STEERING} == {"\n"}
    assert "Grüße, 世界" in told
    assert json.loads(told) == value

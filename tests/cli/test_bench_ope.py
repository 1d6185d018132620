"""`routerd bench ope` on data directories and tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from routerd.router import Router

CONFIG = {"agents": [{"id": "small"}, {"id": "large"}], "clock": "logical", "seed": 3}
YAML = "agents: [{id: small}, {id: large}]\npolicy: {kind: %s}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with 120 decisions and their outcomes."""
    place = tmp_path_factory.mktemp("ope") / "data"
    with Router.open({**CONFIG, "policy": {"kind": "thompson", "floor": 0.3}}, place) as router:
        for number in range(120):
            answer = router.route(work_type=f"kind {number % 3}")
            router.report(decision_id=answer.decision_id, success=number % 3 > 0)
    return place


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A configuration to judge."""
    file = tmp_path / "new.yaml"
    file.write_text(YAML % "thompson")
    return file


def test_a_configuration_is_judged_on_a_data_directory(
    invoke: Any, data: Path, policy: Path, tmp_path: Path
) -> None:
    """The JSON has 03's fields for every estimator, and the table says what was judged."""
    out = tmp_path / "results.json"
    result = invoke("bench", "ope", data, "--policy", policy, "--out", out)
    assert result.exit_code == 0, result.output
    assert "on 120 decisions" in result.output
    assert "confidence sequences" in result.output
    rows = json.loads(out.read_text())
    assert [row["estimator"] for row in rows] == ["replay", "ips", "snips", "dm", "dr", "switch-dr"]
    for row in rows:
        assert {"estimator", "value", "ci95", "ess", "refused", "n", "left_out"} <= row.keys()
        assert row["n"] == 120
        assert (row["value"] is None) == (row["refused"] is not None)
        if row["ci95"] is not None:
            assert row["interval"] == "anytime"
            assert 0.0 <= row["ci95"][0] <= row["ci95"][1] <= 1.0


def test_what_is_counted_has_a_name(invoke: Any, data: Path, tmp_path: Path) -> None:
    """A directory counts utility, an export quality unless told: one may say yes, one no."""
    table = tmp_path / "decisions.csv"
    assert invoke("export", data, "--to", table).exit_code == 0
    of_the_log = invoke("bench", "ope", data, "--policy", "always:small")
    of_the_table = invoke("bench", "ope", table, "--policy", "always:small")
    mapped = ("--columns", "reward=utility")
    by_utility = invoke("bench", "ope", table, "--policy", "always:small", *mapped)
    assert " of utility a decision" in of_the_log.output
    assert " of quality a decision" in of_the_table.output
    assert " of utility a decision" in by_utility.output
    told = json.loads(invoke("bench", "ope", data, "--policy", "uniform", "--json").output)
    assert {(row["policy"], row["reward"]) for row in told} == {("uniform", "utility")}


def test_json_is_what_is_written(invoke: Any, data: Path, tmp_path: Path) -> None:
    """--json prints the very document that --out writes."""
    out = tmp_path / "results.json"
    result = invoke("bench", "ope", data, "--policy", "uniform", "--out", out, "--json")
    assert json.loads(result.output) == json.loads(out.read_text())


def test_a_refusal_is_an_answer(invoke: Any, tmp_path: Path) -> None:
    """A static log cannot judge another agent: exit code 0, and one sentence that says why."""
    static = {**CONFIG, "policy": {"kind": "static"}, "static_routes": [{"agent": "small"}]}
    with Router.open(static, tmp_path / "data") as router:
        for _ in range(80):
            router.report(decision_id=router.route().decision_id, success=True)
    result = invoke("bench", "ope", tmp_path / "data", "--policy", "always:large")
    assert result.exit_code == 0
    assert "refused: SUPPORT_MISSING: the policy puts 1 of its probability" in result.output
    assert "estimator" not in result.output  # a table of nothing
    same = invoke("bench", "ope", tmp_path / "data", "--policy", "always:small")
    assert "bootstraps" in same.output


def test_a_table_is_judged(invoke: Any, tmp_path: Path) -> None:
    """A CSV with mapped columns serves; a law that did not learn gets bootstraps."""
    path = tmp_path / "log.csv"
    rows = [f"{'ab'[number % 2]},{number % 4 // 2},0.5" for number in range(200)]
    path.write_text("\n".join(["item,click,score", *rows]) + "\n")
    columns = ("--columns", "action=item,reward=click,propensity=score")
    found = invoke("bench", "ope", path, *columns, "--policy", "always:a", "--fixed-law")
    assert found.exit_code == 0, found.output
    assert "always:a on 200 decisions" in found.output
    assert "bootstraps" in found.output
    learnt = invoke("bench", "ope", path, *columns, "--policy", "always:a")
    assert "confidence sequences" in learnt.output


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("always:a", r"0\.\d+ to 0\.\d+ of click a decision more than was logged \(dr\)"),
        ("always:b", r"0\.\d+ to 0\.\d+ of click a decision less than was logged \(dr\)"),
        ("uniform", r"no clear difference to what was logged \(dr\)"),
        ("column:own", r"0\.\d+ to 0\.\d+ of click a decision more than was logged \(snips\)"),
    ],
)
def test_the_last_line_is_the_verdict(invoke: Any, tmp_path: Path, policy: str, says: str) -> None:
    """One estimator speaks for all, named beforehand, with the interval of the table."""
    path = tmp_path / "log.csv"
    rows = [f"{'ab'[i % 2]},{int(i % 20 < 2 or i % 2 == 0)},0.5,{1 - i % 2}" for i in range(400)]
    path.write_text("\n".join(["item,click,score,own", *rows]) + "\n")
    columns = ("--columns", "action=item,reward=click,propensity=score")
    found = invoke("bench", "ope", path, *columns, "--policy", policy, "--fixed-law")
    assert re.fullmatch(f"{policy}: {says}", found.output.splitlines()[-1])


def test_a_table_without_propensities_says_so(invoke: Any, tmp_path: Path) -> None:
    """Every estimator refuses with the same sentence, and the JSON holds no number."""
    path = tmp_path / "log.csv"
    path.write_text("agent_id,quality\na,1\nb,0\n")
    result = invoke("bench", "ope", path, "--policy", "uniform", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.output)
    assert {row["refused"].partition(":")[0] for row in rows} == {"NO_PROPENSITY"}
    assert {row["value"] for row in rows} == {None}


def test_an_empty_log_says_so(invoke: Any, tmp_path: Path) -> None:
    """A log without one scored decision refuses; it does not divide by zero."""
    with Router.open(CONFIG, tmp_path / "data") as router:
        router.route()
    result = invoke("bench", "ope", tmp_path / "data", "--policy", "uniform")
    assert result.exit_code == 0
    assert "NO_ROWS" in result.output
    assert "1 without outcome" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{data}", "--policy", "none.yaml"], "--policy none.yaml: is neither uniform, "),
        (["{data}", "--policy", "{bad}"], "bad.yaml: 1 error"),
        (["{data}", "--policy", "column:x"], "is a data directory, not a table"),
        (["{data}", "--policy", "always:nobody"], "no such action in the log"),
        (["{data}", "--policy", "uniform", "--partition", "x"], "there are: default"),
        (["{data}", "--policy", "uniform", "--bounds", "1,0"], "must be LOW,HIGH"),
        (["{empty}", "--policy", "uniform"], "empty"),
        (["{table}", "--policy", "{bad}"], "on a table it must be one of uniform"),
        (["{table}", "--policy", "uniform", "--columns", "reward"], "must be ROLE=COLUMN"),
        (["{table}", "--policy", "uniform", "--columns", "reward=a,reward=b"], "more than once"),
        (["{table}", "--policy", "uniform", "--where", "x"], "must be COLUMN=VALUE"),
        (["{table}", "--policy", "uniform"], "the column quality (for reward) is missing"),
        (["none.csv", "--policy", "uniform"], "there is no none.csv: give a data directory"),
    ],
)
def test_wrong_input_is_one_sentence(
    invoke: Any, data: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    """Whatever is wrong with what was given: one sentence on stderr and exit code 2."""
    places = {"data": data, "bad": tmp_path / "bad.yaml", "table": tmp_path / "log.csv"}
    places["empty"] = tmp_path / "empty"
    places["empty"].mkdir()
    places["bad"].write_text("agents: [{id: small}]\ncolour: red\n")
    places["table"].write_text("agent_id,propensity\na,0.5\n")
    result = invoke("bench", "ope", *[text.format(**places) for text in arguments])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("routerd: ")
    assert told in result.stderr
    assert result.stdout == ""

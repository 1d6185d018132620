"""`routerd export`: the log as a table that says what the audit says, and that ope reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from bench.ope.estimators import Sample, ips, known, snips
from bench.ope.log import read_log
from bench.ope.table import read_table
from routerd.audit.export import COLUMNS, decisions, write
from routerd.core.events import Decision
from routerd.core.reasons import law_of
from routerd.log.codec import records
from tests.audit.made import busy_engine, projected, query
from tests.core.engine import Engine
from tests.core.test_signal import SIGNAL

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def busy() -> Engine:
    """An engine whose log has everything; no test adds to it."""
    return busy_engine()


@pytest.fixture(scope="module")
def rows(busy: Engine) -> Rows:
    return list(decisions(busy.log, "default"))


def parquet(path: Path) -> Rows:
    read: Any = pyarrow.parquet.read_table
    found: Rows = read(path).to_pylist()
    return found


def test_it_says_what_the_audit_says(busy: Engine, rows: Rows, tmp_path: Path) -> None:
    """Row for row: the same decisions in the same order, with the same outcomes."""
    shared = ["decision_id", "position", "time_ms", "request_id", "group_id", "labels", "reason"]
    shared += ["agent_id", "propensity", "policy_id", "stages", "messages", "config_position"]
    shared += ["quality", "cost_usd", "latency_ms", "open", "quality_assumed"]
    audit = projected(busy.log, tmp_path)
    sql = f"SELECT {', '.join(shared)} FROM decisions ORDER BY position"
    assert [tuple(row[name] for name in shared) for row in rows] == query(audit, sql)
    ran = query(audit, "SELECT executed_agent_id FROM decisions ORDER BY position")
    assert [row["executed_agent_id"] or row["agent_id"] for row in rows] == [r[0] for r in ran]


def test_laws_and_features_are_the_logged_ones(busy: Engine, rows: Rows) -> None:
    """The whole law, who was out and why, and x as the learner saw it."""
    events = [r.event for r in records(busy.log, "default") if isinstance(r.event, Decision)]
    for row, event in zip(rows, events, strict=True):
        assert json.loads(row["law"]) == law_of(event)
        assert json.loads(row["excluded"]) == {e.agent_id: e.reason for e in event.excluded}
        assert row["x"] == np.frombuffer(event.query.x).tolist()


def test_utility_is_weighed_as_the_decision_was(tmp_path: Path) -> None:
    """Configured weights, a request's own in their place; none where what weighs is unknown."""
    engine = Engine(utility={"cost": 0.5, "cost_scale_usd": 0.1})
    plain = engine.route().decision_id
    own = engine.route(preference={"cost": 0.0}).decision_id
    engine.route()
    for name in (plain, own):
        engine.report(name, quality=0.5, cost_usd=0.04)
    found = [row["utility"] for row in decisions(engine.log, "default")]
    assert found == [pytest.approx(0.3), 0.5, None]


def test_both_formats_hold_the_same(rows: Rows, tmp_path: Path) -> None:
    """Parquet keeps types, CSV writes what reads back as the same numbers and texts."""
    for suffix in ("parquet", "csv"):
        assert write(iter(rows), tmp_path / f"all.{suffix}") == len(rows)
    assert parquet(tmp_path / "all.parquet") == rows
    with (tmp_path / "all.csv").open(newline="") as file:
        for row, wanted in zip(csv.DictReader(file), rows, strict=True):
            assert list(row) == list(COLUMNS)
            assert json.loads(row["x"]) == wanted["x"]
            assert float(row["propensity"]) == wanted["propensity"]
            assert row["quality"] == ("" if wanted["quality"] is None else str(wanted["quality"]))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["all.csv", "all.parquet"]


def test_a_file_is_whole_or_not_there(rows: Rows, tmp_path: Path) -> None:
    """What breaks off leaves the file that was there before, and no half of one."""
    path = tmp_path / "all.csv"
    path.write_text("before")

    def broken() -> Any:
        yield rows[0]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write(broken(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("policy", ["uniform", "logged", "always:small"])
def test_ope_says_of_the_export_what_it_says_of_the_log(
    tmp_path: Path, suffix: str, policy: str
) -> None:
    """The round trip: the same rows judged, the same left out, the same estimates."""
    engine = Engine(
        clock="logical",
        seed=5,
        policy={"kind": "thompson"},
        thresholds={"probe_complexity": 0.5},
        outcomes={"window_hours": 1e-5},  # 36 positions of the log: the last ids come again
    )
    for number in range(160):
        asked: dict[str, Any] = {"request_id": f"r{number % 130}", "work_type": "code"}
        match number % 13:
            case 0:
                asked["agent_id"] = "small"
            case 1 | 2:
                asked["session_id"] = f"s{number % 5}"
            case 3:
                asked["complexity"] = 0.9
            case 4:
                asked["signal"] = SIGNAL
        answer = engine.route(**asked)
        ran = (answer.decision.agent_id, "large")[number % 2]
        for name in (answer.decision_id, *(other.decision_id for other in answer.companions)):
            if number % 7:
                named = {"executed_agent_id": ran} if number % 11 == 0 else {}
                engine.report(name, quality=float(number % 3 > 0), **named)
    path = tmp_path / f"all.{suffix}"
    write(decisions(engine.log, "default"), path)
    of_log, of_file = read_log(engine.log, "default", policy), read_table(path, {}, policy)
    assert dict(of_file.left_out) == dict(of_log.left_out)
    drawn_by_others = {
        "explicit",
        "signal_route",
        "companion",
        "session_goes_on",
        "request_id_again",
    }
    assert set(of_log.left_out) == drawn_by_others | {"executed_agent_named", "without_outcome"}
    ours, theirs = sample(of_log.sample), sample(of_file.sample)
    assert np.array_equal(ours.propensity, theirs.propensity)
    assert np.array_equal(known(ours.law), known(theirs.law))
    assert ips(ours).value == ips(theirs).value
    assert snips(ours).value == snips(theirs).value


def test_ope_refuses_where_an_agents_outcomes_are_missing(tmp_path: Path) -> None:
    """Of one agent every third result is told: no estimate, of the log as of its export."""
    engine = Engine(clock="logical", seed=5, policy={"kind": "random"})
    for number in range(300):
        answer = engine.route(request_id=f"r{number}")
        if answer.decision.agent_id != "small" or number % 3 == 0:
            engine.report(answer.decision_id, quality=0.5)
    path = tmp_path / "all.csv"
    write(decisions(engine.log, "default"), path)
    of_log, of_file = read_log(engine.log, "default", "uniform"), read_table(path, {}, "uniform")
    assert of_log.sample is of_file.sample is None
    assert of_log.unfit == of_file.unfit
    assert "small was drawn in" in str(of_log.unfit)


def sample(found: Sample | None) -> Sample:
    assert found is not None
    return found

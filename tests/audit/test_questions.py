"""docs/audit.md is true: its ten questions are answered by the audit of a log, and rightly."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from routerd.core.values import OutcomeKind
from tests.audit.made import column, projected
from tests.core.engine import HOUR_MS, Clock, Engine

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
QUESTIONS = re.findall(r"^### (\d+)\. .*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of plans of two customers, under two configurations."""
    wall = Clock()
    policy = {"kind": "thompson", "floor": 0.09, "floor_min": 0.09}
    window = {"window_hours": 20.0}
    engine = Engine(wall=wall, policy=policy, outcomes=window)
    work(engine, 0)
    wall.now_ms += 24 * HOUR_MS
    engine.open(policy={**policy, "floor": 0.3}, utility={"cost": 0.1}, outcomes=window)
    work(engine, 200)
    return projected(engine.log, tmp_path_factory.mktemp("audit"))


def work(engine: Engine, first: int) -> None:
    """200 decisions, most with outcomes."""
    for number in range(first, first + 200):
        asked = {"required_capabilities": ["code"]} if number % 5 == 0 else {}
        answer = engine.route(
            request_id=f"r{number}",
            work_type=("code", "prose")[number % 2],
            group_id=f"plan-{number // 20}",
            labels={"customer": ("acme", "bolt")[number % 3 == 0]},
            **asked,
        )
        name, quality = answer.decision_id, float(answer.decision.agent_id != "small")
        if number % 7 == 0:
            continue
        engine.report(name, outcome_id=f"o{number}", quality=quality, cost_usd=0.01 * (number % 4))
        if number % 31 == 0:
            told: dict[str, Any] = {"executed_agent_id": "medium", "explanation": "it was down"}
            engine.report(name, outcome_id=f"ran{number}", **told)
        if number % 41 == 0:
            engine.report(name, outcome_id=f"re{number}", quality=0.5, kind=OutcomeKind.REVISE)
        if number % 43 == 0:
            engine.report(name, outcome_id=f"un{number}", kind=OutcomeKind.RETRACT)


def answers(audit: Path, number: int) -> list[dict[str, Any]]:
    """What a question of the page is answered, by the oldest SQLite around."""
    with closing(sqlite3.connect(f"file:{audit}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(dict(QUESTIONS)[str(number)])]


def test_there_are_ten_questions() -> None:
    assert [int(number) for number, _ in QUESTIONS] == list(range(1, 11))


def test_1_the_law_behind_a_customer_s_tasks(audit: Path) -> None:
    found = answers(audit, 1)
    assert len(found) == 50
    assert {row["candidate"] for row in found} == {"large", "medium", "small"}
    assert any(row["exclusion"] == "MISSING_CAPABILITY" for row in found)
    first = [row for row in found if row["time"] == found[0]["time"]]
    assert all("probability" in row["sentence"] for row in first)


def test_2_who_is_good_at_what(audit: Path) -> None:
    found = answers(audit, 2)
    assert {row["work_type"] for row in found} == {"code", "prose"}
    for kind in ("code", "prose"):
        qualities = [row["quality"] for row in found if row["work_type"] == kind]
        assert qualities == sorted(qualities, reverse=True)
    worst = min(found, key=lambda row: row["quality"])
    assert worst["agent_id"] == "small"


def test_3_what_plans_cost(audit: Path) -> None:
    found = answers(audit, 3)
    assert len(found) == 20
    (total,) = column(audit, "SELECT sum(cost_usd) FROM decisions")
    assert sum(row["usd"] for row in found) == pytest.approx(total)
    assert {row["decisions"] for row in found} == {20}


def test_4_where_it_is_not_sure(audit: Path) -> None:
    found = answers(audit, 4)
    assert sum(row["decisions"] for row in found) == 400
    assert sum(row["unsure"] for row in found) > 0
    assert all(0.5 <= row["confidence"] <= 1.0 for row in found)


def test_5_what_exploring_earns(audit: Path) -> None:
    first, second = answers(audit, 5)
    assert first["decisions"] == second["decisions"] == 200
    for day in (first, second):
        assert 0 < day["explored"] < 1
        assert day["quality_explored"] < day["quality_best_known"]


def test_6_whose_outcomes_never_came(audit: Path) -> None:
    found = answers(audit, 6)
    assert sum(row["closed"] for row in found) == 200
    assert sum(row["silent"] for row in found) == len(range(0, 200, 7))


def test_7_rare_draws(audit: Path) -> None:
    found = answers(audit, 7)
    assert found
    assert all(row["weight"] > 20 for row in found)
    assert found == sorted(found, key=lambda row: row["propensity"])


def test_8_what_was_changed(audit: Path) -> None:
    first, second = answers(audit, 8)
    assert (first["changed"], first["decisions"]) == (None, 200)
    assert set(second["changed"].split(", ")) == {"policy.floor", "utility.cost"}
    assert second["decisions"] == 200


def test_9_who_ran_instead(audit: Path) -> None:
    found = answers(audit, 9)
    assert found
    assert all(row["ran"] == "medium" != row["chosen"] for row in found)
    assert {row["explanation"] for row in found} == {"it was down"}


def test_10_what_was_revised(audit: Path) -> None:
    found = answers(audit, 10)
    kinds: dict[str, list[str]] = {row["decision_id"]: [] for row in found}
    for row in found:
        kinds[row["decision_id"]].append(row["kind"])
    assert {"REVISE", "RETRACT"} <= {kind for said in kinds.values() for kind in said}
    assert all(said[0] == "REPORT" for said in kinds.values())
    taken_back = [row for row in found if row["kind"] == "RETRACT"]
    assert all(row["counts"] is None for row in taken_back)


def test_every_table_is_on_the_page(audit: Path) -> None:
    """And none that is not in the file."""
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
    assert told == set(column(audit, sql))


def test_every_column_of_the_file_has_its_meaning_beside_it(audit: Path) -> None:
    """`.schema` is documentation: what is not plain from its name has a comment."""
    sql = "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'view')"
    for text in column(audit, sql):
        assert "--" in text.splitlines()[0], text

"""What is long past goes from the audit, whole, and nothing else does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from routerd.audit.projector import Projector
from routerd.audit.schema import audit_path
from tests.audit.made import column, contents, projected, query
from tests.core.engine import Engine

KEEP = 1_000


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Some 2,700 events; 300 decisions stay open, each tenth task is of a group."""
    engine = Engine(limits={"open_decisions": 300})
    for i in range(900):
        group = f"g{i // 40}" if i % 10 == 0 else ""
        answer = engine.route(
            request_id=f"r{i}", work_type="code", group_id=group, labels={"n": f"{i % 7}"}
        )
        if i % 3:
            engine.report(answer.decision_id, quality=i % 2, outcome_id=f"o{i}")
        if i % 50 == 0:
            engine.report(group_id=group, quality=1.0)
    return engine


def kept(engine: Engine, folder: Path, batch: int) -> Path:
    folder.mkdir(exist_ok=True)
    with closing(Projector(engine.log, "default", folder, batch=batch, keep=KEEP)) as projector:
        while projector.advance():
            pass
    return audit_path(folder)


def test_closed_decisions_go_with_all_that_stands_by_them(engine: Engine, tmp_path: Path) -> None:
    whole, some = projected(engine.log, tmp_path / "whole"), kept(engine, tmp_path / "some", 700)
    before = engine.state.position - KEEP
    wanted = "SELECT position FROM decisions WHERE position > ? OR open = 1"
    assert column(some, "SELECT position FROM decisions") == column(whole, wanted, before)
    assert column(some, "SELECT position FROM decisions WHERE open = 1")
    for table in ("labels", "candidates"):
        lost = (
            f"SELECT count(*) FROM {table} WHERE position NOT IN (SELECT position FROM decisions)"
        )
        assert column(some, lost) == [0]
        assert column(some, f"SELECT count(*) FROM {table}") != [0]
    told = """SELECT count(*) FROM outcomes WHERE decision_id > ''
        AND decision_id NOT IN (SELECT decision_id FROM decisions)"""
    assert column(some, told) == [0]
    assert column(some, "SELECT min(position) > ? FROM closings", before) == [1]


def test_sums_stay_and_groups_go_with_their_last_decision(engine: Engine, tmp_path: Path) -> None:
    whole, some = projected(engine.log, tmp_path / "whole"), kept(engine, tmp_path / "some", 700)
    for table in ("performance", "configs", "agents"):
        sql = f"SELECT * FROM {table}"
        assert query(some, sql) == query(whole, sql)
    groups = column(some, "SELECT group_id FROM groups ORDER BY 1")
    has = "SELECT DISTINCT group_id FROM decisions WHERE group_id > '' ORDER BY 1"
    assert groups == column(some, has)
    assert groups
    assert len(groups) < len(column(whole, "SELECT group_id FROM groups"))


def test_what_stays_does_not_depend_on_batches_or_restarts(engine: Engine, tmp_path: Path) -> None:
    once = contents(kept(engine, tmp_path / "once", 100_000))
    assert contents(kept(engine, tmp_path / "often", 97)) == once

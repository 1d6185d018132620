"""What the daemon asks the audit file: filters, pages, sums, and how SQLite goes about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from routerd.audit.queries import (
    Audit,
    Interrupted,
    NoAudit,
    Search,
    Summed,
    listing,
    page_token,
    position_of,
)
from routerd.audit.schema import audit_path
from routerd.audit.told import COLUMNS, Decided, Sums
from routerd.server import convert_audit
from tests.audit.made import busy_engine, projected
from tests.core.engine import Engine


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of a log that has everything; no test changes it."""
    return projected(busy_engine().log, tmp_path_factory.mktemp("audit"))


@pytest.fixture
def audit(path: Path) -> Iterator[Audit]:
    with closing(Audit(path)) as audit:
        yield audit


def everything(audit: Audit) -> list[Decided]:
    """Every decision, the newest first."""
    found = audit.decisions(Search(), 100_000)
    assert not found.more
    return found.rows


FILTERS: dict[str, tuple[Search, Callable[[Decided], bool]]] = {
    "none": (Search(), lambda row: True),
    "agent": (Search(agent_id="haiku"), lambda row: row.agent_id == "haiku"),
    "work type": (Search(work_type="plan"), lambda row: row.work_type == "plan"),
    "domain": (Search(domain="d1"), lambda row: row.domain == "d1"),
    "group": (Search(group_id="plan-3"), lambda row: row.group_id == "plan-3"),
    "session": (Search(session_id="s2"), lambda row: row.session_id == "s2"),
    "request": (Search(request_id="7-r20"), lambda row: row.request_id == "7-r20"),
    "reason": (Search(reason="EXPLICIT"), lambda row: row.reason == "EXPLICIT"),
    "policy": (Search(policy_id="value"), lambda row: row.policy_id == "value"),
    "open": (Search(open=True), lambda row: row.open == 1),
    "closed": (Search(open=False), lambda row: row.open == 0),
    "label": (Search(labels={"tier": "gold"}), lambda row: row.labels.get("tier") == "gold"),
    "labels": (
        Search(labels={"tier": "gold", "lang": "de-fr"}),
        lambda row: {"tier": "gold", "lang": "de-fr"}.items() <= row.labels.items(),
    ),
    "time": (
        Search(from_time_ms=100, until_time_ms=200),
        lambda row: 100 <= row.time_ms < 200,
    ),
    "all at once": (
        Search(agent_id="haiku", work_type="code", open=False, from_time_ms=50, domain="d0"),
        lambda row: (
            (row.agent_id, row.work_type, row.domain, row.open) == ("haiku", "code", "d0", 0)
            and row.time_ms >= 50
        ),
    ),
}


@pytest.mark.parametrize(("search", "admits"), FILTERS.values(), ids=FILTERS)
def test_a_filter_admits_what_it_says(
    audit: Audit, search: Search, admits: Callable[[Decided], bool]
) -> None:
    """Exactly the rows that a look at each one would find, the newest first."""
    wanted = [row for row in everything(audit) if admits(row)]
    assert audit.decisions(search, 100_000).rows == wanted
    assert wanted


@pytest.mark.parametrize("search", [search for search, _ in FILTERS.values()], ids=FILTERS)
def test_no_question_sorts_or_scans_in_vain(path: Path, search: Search) -> None:
    """Every listing walks one index backwards: a page costs what it shows, not what there is."""
    sql, values = listing(search, 10, 10**9)
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    plan = [str(row[3]) for row in rows]
    assert not any("TEMP B-TREE" in step for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan


def test_pages_fit_together(audit: Audit) -> None:
    """Walking page by page gives every decision once, in order."""
    search, seen, token = Search(work_type="code"), [], ""
    while True:
        before = position_of(search, token) if token else None
        found = audit.decisions(search, 7, before or 2**62)
        seen += found.rows
        if not found.more:
            break
        token = page_token(search, found.rows[-1].position)
    assert seen == audit.decisions(search, 100_000).rows
    assert len(seen) > 21


def test_a_page_does_not_move_while_the_log_grows(tmp_path: Path) -> None:
    """Newer decisions come before the first page: those behind it are what they were."""
    engine = Engine()
    for number in range(10):
        engine.route(request_id=f"r{number}")
    with closing(Audit(projected(engine.log, tmp_path))) as audit:
        first = audit.decisions(Search(), 4)
        second = audit.decisions(Search(), 4, first.rows[-1].position)
    for number in range(10, 20):
        engine.route(request_id=f"r{number}")
    with closing(Audit(projected(engine.log, tmp_path))) as audit:
        assert audit.decisions(Search(), 4, first.rows[-1].position) == second
        newest = audit.decisions(Search(), 4).rows[0]
    assert [row.request_id for row in second.rows] == ["r5", "r4", "r3", "r2"]
    assert newest.request_id == "r19"


def test_a_token_is_of_one_search(audit: Audit) -> None:
    """A token of other filters, and a text that is none, is told from a token."""
    token = page_token(Search(agent_id="a"), 7)
    assert position_of(Search(agent_id="a"), token) == 7
    for wrong in ("", "7", "no token", token[:-1], token + "AAAA", "\N{SNOWMAN}"):
        assert position_of(Search(agent_id="a"), wrong) is None
    assert position_of(Search(agent_id="b"), token) is None


def by_hand(key: str, rows: list[Decided], ran: list[Decided]) -> Sums:
    """Sums over the decisions that were made and those whose outcomes count."""
    known = {
        n: [told for r in ran if (told := getattr(r, n)) is not None]
        for n in ("quality", "cost_usd", "latency_ms")
    }
    added = [part for values in known.values() for part in (len(values), sum(values))]
    explored = sum(row.reason == "SAMPLED" for row in rows)
    return Sums(key, len(rows), sum(row.open for row in rows), explored, *added)


def like(found: list[Sums], wanted: list[Sums]) -> bool:
    return [tuple(row) for row in found] == [pytest.approx(tuple(row), abs=1e-9) for row in wanted]


@pytest.mark.parametrize("period", [(0, 0), (0, 10**9), (150, 420)])
def test_sums_are_those_of_the_rows(audit: Audit, period: tuple[int, int]) -> None:
    """Whole or of a period, counts and sums are what adding up the rows gives."""
    since, until = period
    rows = [row for row in everything(audit) if since <= row.time_ms < (until or 10**9)]
    told = audit.summed(since, until, 100)
    assert like([told.total], [by_hand("", rows, rows)])
    names = {name for row in rows for name in (row.agent_id, row.executed_agent_id)}
    assert like(
        told.agents,
        [
            by_hand(
                name,
                [row for row in rows if row.agent_id == name],
                [row for row in rows if row.executed_agent_id == name],
            )
            for name in sorted(names)
        ],
    )
    for found, column in ((told.work_types, "work_type"), (told.groups, "group_id")):
        keys = {getattr(row, column) for row in rows} - ({""} if column == "group_id" else set())
        parts = [[row for row in rows if getattr(row, column) == key] for key in keys]
        wanted = [by_hand(getattr(part[0], column), part, part) for part in parts]
        assert like(found, sorted(wanted, key=lambda sums: (-sums.decisions, sums.key)))


def test_the_largest_groups_come_first_and_are_bounded(audit: Audit) -> None:
    """Whoever asks for three groups gets the three with the most decisions."""
    told: Summed = audit.summed(0, 0, 3)
    counts = [sums.decisions for sums in audit.summed(0, 0, 100).groups]
    assert [sums.decisions for sums in told.groups] == sorted(counts, reverse=True)[:3]
    assert len(told.work_types) == 3


def test_nobody_waits_for_an_answer_that_nobody_wants(path: Path) -> None:
    """A question is left as soon as whoever asked it has given up."""
    given_up: list[bool] = []
    with closing(Audit(path, lambda: bool(given_up))) as audit:
        given_up.append(True)
        with pytest.raises(Interrupted):
            audit._ask(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT * FROM n"
            )


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Not there, of another version and damaged are three sentences; damage can be mended."""
    engine = Engine()
    engine.route()
    with pytest.raises(NoAudit, match="no audit file"):
        Audit(audit_path(tmp_path))
    path = projected(engine.log, tmp_path)
    with closing(apsw.Connection(str(path))) as db:
        db.pragma("user_version", 99)
    with pytest.raises(NoAudit, match="another version"):
        Audit(path)
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(NoAudit, match="damaged") as caught:
        Audit(path)
    assert caught.value.damaged


WRONG: list[Any] = ["", "none", '{"a"', "[1]", '{"a": 1}', -1, 1, 2**62, 0.5, 1e308, b"\xff", None]


@pytest.mark.parametrize("column", sorted({*COLUMNS} - {"position"}))
def test_a_row_that_nobody_wrote_so_is_damage(path: Path, tmp_path: Path, column: str) -> None:
    """Whatever stands in a column, it is a value that the wire has, or damage with its place."""
    copy = tmp_path / "audit.db"
    shutil.copy(path, copy)
    with closing(apsw.Connection(str(copy))) as db:
        db.execute("PRAGMA writable_schema = on")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
    said = [what_is_told(copy, column, wrong) for wrong in WRONG]
    assert any(said)
    for told in filter(None, said):
        assert "damaged (table decisions, position" in told or "codec can't decode" in told


def what_is_told(path: Path, column: str, wrong: object) -> str:
    """Why the newest decision is not told when that is what stands in one of its columns."""
    newest = "WHERE position = (SELECT max(position) FROM decisions)"
    with closing(apsw.Connection(str(path))) as db:
        db.execute(f"UPDATE decisions SET {column} = ? {newest}", (wrong,))
    try:
        with closing(Audit(path)) as audit:
            for row in audit.decisions(Search(), 1).rows:
                convert_audit.record(row)
    except NoAudit as error:
        return str(error) if error.damaged else ""
    return ""


@pytest.mark.parametrize("table", ["performance", "groups", "decisions"])
def test_a_sum_that_is_none_is_damage(path: Path, tmp_path: Path, table: str) -> None:
    """Sums over rows that nobody wrote so are given out by nobody."""
    copy = tmp_path / "audit.db"
    shutil.copy(path, copy)
    key = "agent_id" if table == "performance" else "group_id"
    with closing(apsw.Connection(str(copy))) as db:
        db.execute(f"UPDATE OR REPLACE {table} SET {key} = x'ff'")
    with closing(Audit(copy)) as audit, pytest.raises(NoAudit, match=f"table {table}") as caught:
        audit.summed(int(table == "decisions"), 0, 10)
    assert caught.value.damaged


@pytest.mark.parametrize(
    "spoil",
    ["UPDATE mark SET hash = 'no hash'", "UPDATE decisions SET sentence = CAST(x'ff' AS TEXT)"],
)
def test_a_text_that_is_none_is_damage(tmp_path: Path, spoil: str) -> None:
    """SQLite gives it out like any other."""
    engine = Engine()
    engine.route()
    path = projected(engine.log, tmp_path)
    with closing(apsw.Connection(str(path))) as db:
        db.execute(spoil)
    with pytest.raises(NoAudit, match="damaged") as caught, closing(Audit(path)) as audit:
        audit.decisions(Search(), 1)
    assert caught.value.damaged

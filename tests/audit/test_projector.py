"""The audit file says what the log says: always, whatever happened to the projector."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from routerd.audit.export import decisions
from routerd.audit.projector import Projector
from routerd.audit.schema import VERSION, audit_path
from routerd.core.events import OutcomeReported
from routerd.core.values import Claim, OutcomeKind
from routerd.log.base import Entry
from routerd.log.codec import chain_hash, encode, records
from routerd.log.memory import MemoryLog
from tests.audit.made import busy_engine, column, contents, projected, query
from tests.core.engine import AGENTS, HOUR_MS, Clock, Engine


@pytest.fixture(scope="module")
def busy() -> Engine:
    """An engine whose log has everything; no test adds to it."""
    return busy_engine()


@pytest.fixture(scope="module")
def audit(busy: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of that engine's log; no test changes it."""
    return projected(busy.log, tmp_path_factory.mktemp("audit"))


def test_every_event_has_its_row(busy: Engine, audit: Path) -> None:
    """The view `events` has each position of the log once, and the mark names the last."""
    assert column(audit, "SELECT position FROM events ORDER BY 1") == [
        record.position for record in records(busy.log, "default")
    ]
    ((position, link),) = query(audit, "SELECT position, hash FROM mark")
    assert (position, bytes.fromhex(link)) == busy.log.last("default")


def test_what_counts_is_what_the_engine_learnt(busy: Engine, audit: Path) -> None:
    """For every open decision the audit has the engine's own credit: for whom, and what."""
    state, agents = busy.state, {arm: agent for agent, arm in busy.state.arm_of.items()}
    held = {
        name: (agents[e.credit.arm], e.credit.quality, e.credit.cost_usd, e.credit.latency_ms)
        for name, e in state.decisions.items()
    }
    sql = "SELECT decision_id, executed_agent_id, quality, cost_usd, latency_ms FROM decisions"
    assert {row[0]: row[1:] for row in query(audit, f"{sql} WHERE open")} == held
    assert sum(1 for credit in held.values() if credit[1] is not None) > 20
    assert column(audit, "SELECT count(*) FROM group_outcomes")[0] > 20
    assert column(audit, "SELECT count(*) FROM outcomes WHERE signal = 'edited'")[0] > 1
    assert column(audit, "SELECT count(*) FROM agent_events")[0] > 5


def test_the_law_stands_among_the_candidates(audit: Path) -> None:
    """Probabilities sum to 1, the chosen one's is the propensity, and who was out has a reason."""
    sums = column(audit, "SELECT sum(probability) FROM candidates GROUP BY position")
    assert sums == pytest.approx([1.0] * len(sums))
    wrong = """
    SELECT count(*) FROM decisions LEFT JOIN candidates USING (position, agent_id)
    WHERE probability IS NOT propensity
    """
    assert column(audit, wrong) == [0]
    out = query(
        audit, "SELECT DISTINCT exclusion, probability FROM candidates WHERE exclusion > ''"
    )
    assert {("MISSING_CAPABILITY", 0.0), ("WRONG_POOL", 0.0)} <= set(out)


@pytest.mark.parametrize("table", ["performance", "groups"])
def test_sums_are_those_of_the_decisions(audit: Path, table: str) -> None:
    """What stands in performance and groups is what the table of decisions adds up to."""
    ran, key = {
        "performance": ("executed_agent_id, work_type", "agent_id, work_type"),
        "groups": ("group_id", "group_id"),
    }[table]
    sums = """
    count(quality), total(quality), count(cost_usd), total(cost_usd), count(latency_ms),
    total(latency_ms) FROM decisions
    """
    held = """
    quality_count, quality_sum, cost_count, cost_usd_sum, latency_count, latency_ms_sum FROM
    """
    keys = key.count(",") + 1
    made = {r[:keys]: r[keys:] for r in query(audit, f"SELECT {ran}, {sums} GROUP BY {ran}")}
    kept = {r[:keys]: r[keys:] for r in query(audit, f"SELECT {key}, {held} {table}")}
    for name, row in kept.items():
        assert row == pytest.approx(made.get(name, (0,) * 6), abs=1e-9)
    chosen = query(audit, f"SELECT {key}, count(*) FROM decisions GROUP BY {key}")
    told = query(audit, f"SELECT {key}, decisions FROM {table} WHERE decisions > 0")
    assert sorted(told) == sorted(chosen)
    assert len(kept) > 5


@pytest.mark.parametrize("batch", [9, 100])
def test_batches_leave_no_trace(busy: Engine, audit: Path, tmp_path: Path, batch: int) -> None:
    """However the log is cut, with a restart at each cut, the rows are the same."""
    assert contents(projected(busy.log, tmp_path, batch, restarts=True)) == contents(audit)


def test_outcomes_come_late_are_revised_and_taken_back(tmp_path: Path) -> None:
    """Each message is kept as it came; what counts follows the latest, and closing ends it."""
    wall = Clock()
    engine = Engine(wall=wall, outcomes={"window_hours": 1.0, "sources": ["reviewer"]})
    first, second, third = (engine.route(work_type="code").decision_id for _ in range(3))
    engine.report(first, outcome_id="o1", success=True, cost_usd=0.5, source="ci")
    engine.report(first, outcome_id="o2", quality=0.25, source="reviewer", explanation="slow")
    engine.report(second, outcome_id="o3", quality=0.75)
    engine.report(second, outcome_id="o4", kind=OutcomeKind.RETRACT)
    sql = "SELECT quality, cost_usd, messages, open FROM decisions ORDER BY position"
    assert query(projected(engine.log, tmp_path), sql) == [
        (0.25, 0.5, 2, 1),
        (None, None, 2, 1),
        (None, None, 0, 1),
    ]
    revise = {"kind": OutcomeKind.REVISE, "quality": 0.5, "source": "reviewer"}
    engine.report(first, outcome_id="o5", **revise)
    engine.report(second, outcome_id="o6", quality=1.0, executed_agent_id="small")
    wall.now_ms += 2 * HOUR_MS
    engine.route(request_id="later")
    audit = projected(engine.log, tmp_path)
    closed = [(0.5, 0.5, 3, 0), (1.0, None, 3, 0), (None, None, 0, 0)]
    assert query(audit, f"{sql} LIMIT 3") == closed
    sql = "SELECT executed_agent_id FROM decisions WHERE decision_id = ?"
    assert column(audit, sql, second) == ["small"]
    sql = "SELECT outcome_id, kind, source, success, explanation FROM outcomes ORDER BY position"
    assert query(audit, f"{sql} LIMIT 2") == [
        ("o1", "REPORT", "ci", 1, ""),
        ("o2", "REPORT", "reviewer", None, "slow"),
    ]
    kinds = ["REPORT", "REPORT", "REPORT", "RETRACT", "REVISE", "REPORT"]
    assert column(audit, "SELECT kind FROM outcomes ORDER BY position") == kinds
    sql = "SELECT decision_id FROM decisions WHERE messages = 0 AND NOT open"
    assert column(audit, sql) == [third]


def test_an_assumed_quality_is_marked(tmp_path: Path) -> None:
    """outcomes.missing_quality counts once a decision is closed, and stands out; nothing is assumed
    of an agent whose claim was refused."""
    wall = Clock()
    engine = Engine(wall=wall, outcomes={"window_hours": 1.0, "missing_quality": 0.0})
    told, silent, refused = (engine.route(work_type="code").decision_id for _ in range(3))
    engine.report(told, quality=0.5)
    engine.sequencer.claim(Claim(silent, 0.9))
    engine.sequencer.claim(Claim(refused, 0.1))
    wall.now_ms += 2 * HOUR_MS
    engine.route()
    sql = "SELECT decision_id, quality, quality_assumed, claimed FROM decisions WHERE NOT open"
    expected = [(told, 0.5, 0, None), (silent, 0.0, 1, 1), (refused, None, 0, 0)]
    for batch in (1, 1_000):
        audit = projected(engine.log, tmp_path / str(batch), batch, restarts=True)
        assert query(audit, f"{sql} ORDER BY 1") == expected
        assert column(audit, "SELECT sum(quality_count) FROM performance") == [2]
    exported = {row["decision_id"]: row["quality"] for row in decisions(engine.log, "default")}
    assert [exported[name] for name in (told, silent, refused)] == [0.5, 0.0, None]


def test_a_configuration_says_what_it_changed(tmp_path: Path) -> None:
    """Each configuration lists its changes by path; decisions name theirs; agents come and go."""
    engine = Engine(seed=1)
    engine.route()
    projected(engine.log, tmp_path)
    fewer = [{**AGENTS[0], "pool": "free"}, {"id": "new"}]
    engine.open(seed=1, agents=fewer, policy={"kind": "thompson"})
    engine.route()
    audit = projected(engine.log, tmp_path)
    first, second = column(audit, "SELECT changes FROM configs ORDER BY position")
    assert json.loads(first) == []
    changes = {change["path"]: (change["from"], change["to"]) for change in json.loads(second)}
    assert changes["policy.kind"] == ("value", "thompson")
    assert changes["agents[large].pool"] == ("paid", "free")
    assert changes["agents[new]"][0] is None
    assert changes["agents[small]"][1] is None
    assert column(audit, "SELECT config_position FROM decisions") == [1, 3]
    sql = "SELECT agent_id, pool, since_position, removed_position FROM agents ORDER BY 1"
    assert query(audit, sql) == [
        ("large", "free", 1, None),
        ("medium", "paid", 1, 3),
        ("new", "default", 3, None),
        ("small", "free", 1, 3),
    ]
    engine.open(seed=1)
    sql = "SELECT agent_id, since_position, removed_position FROM agents ORDER BY 1"
    assert query(projected(engine.log, tmp_path), sql) == [
        ("large", 1, None),
        ("medium", 1, None),
        ("new", 3, 5),
        ("small", 1, None),
    ]


def test_repetitions_in_the_log_count_once(tmp_path: Path) -> None:
    """A second decision for an open request and a second outcome of one id change nothing."""
    engine = Engine()
    name = engine.route(request_id="r", labels={"customer": "acme"}).decision_id
    engine.report(name, outcome_id="o", quality=0.5)
    before = contents(projected(engine.log, tmp_path))
    for event in [record.event for record in records(engine.log, "default")][1:]:
        if isinstance(event, OutcomeReported):
            other = msgspec.structs.replace(event.outcome, quality=1.0)
            event = msgspec.structs.replace(event, outcome=other)
        append(engine.log, event)
    after = contents(projected(engine.log, tmp_path))
    assert before.pop("mark") != after.pop("mark")
    assert before == after


def append(log: MemoryLog, event: Any) -> None:
    """Log an event that no engine of this version would."""
    position, link = log.last("default")
    payload = encode(event)
    entry = Entry(position + 1, chain_hash(link, position + 1, payload), payload)
    log.append("default", [entry], expect=position)


def spoil_header(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


def spoil_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def spoil_version(path: Path) -> None:
    execute(path, f"PRAGMA user_version = {VERSION + 1}")


def spoil_table(path: Path) -> None:
    execute(path, "DROP TABLE labels")


def spoil_mark(path: Path) -> None:
    execute(path, "UPDATE mark SET hash = '00112233445566778899aabbccddeeff'")


def spoil_partition(path: Path) -> None:
    execute(path, "UPDATE mark SET position = position + 100000")


def spoil_hash(path: Path) -> None:
    execute(path, "UPDATE mark SET hash = 'no hash'")


def spoil_config(path: Path) -> None:
    execute(path, "UPDATE configs SET config = replace(config, '{', '(')")


def spoil_text(path: Path) -> None:
    execute(path, "UPDATE configs SET config = CAST(x'ff' || config AS TEXT)")


def spoil_kind(path: Path) -> None:
    execute(path, "UPDATE outcomes SET kind = 'REPOST'")


def spoil_cost(path: Path) -> None:
    execute(path, "UPDATE outcomes SET cost_usd = 'dear'")


def spoil_result(path: Path) -> None:
    execute(path, "UPDATE decisions SET quality = 'good'")


def spoil_status(path: Path) -> None:
    execute(path, "UPDATE agents SET held = 'ONLIME'")


def spoil_sums(path: Path) -> None:
    execute(path, "UPDATE performance SET decisions = 'many'")


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
        db.commit()


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_header,
        spoil_page,
        spoil_version,
        spoil_table,
        spoil_mark,
        spoil_partition,
        spoil_hash,
        spoil_config,
        spoil_text,
        Path.unlink,
    ],
)
def test_a_file_that_cannot_be_gone_on_with_is_built_anew(
    busy: Engine, audit: Path, tmp_path: Path, spoil: Any
) -> None:
    """Damaged, of another format, of another log or gone: it begins at position 1 again."""
    spoil(projected(busy.log, tmp_path))
    assert contents(projected(busy.log, tmp_path)) == contents(audit)


@pytest.mark.parametrize(
    "spoil", [spoil_kind, spoil_cost, spoil_result, spoil_status, spoil_sums, spoil_config]
)
def test_a_row_that_nobody_wrote_so_is_no_end_of_the_audit(tmp_path: Path, spoil: Any) -> None:
    """SQLite gives it out like any other; what was to be added to it is in the file made anew."""
    engine = Engine()
    engine.register("guest")
    name = engine.route(request_id="r").decision_id
    engine.report(name, outcome_id="o", cost_usd=1.0)
    spoil(projected(engine.log, tmp_path))
    engine.report(name, outcome_id="p", quality=0.5)
    engine.beat("guest", "BUSY", lease_ms=1_000)
    engine.open(seed=7)
    found = contents(projected(engine.log, tmp_path))
    assert found == contents(projected(engine.log, tmp_path / "wanted"))


def test_damage_is_found_while_projecting(busy: Engine, audit: Path, tmp_path: Path) -> None:
    """A page that is spoilt while the projector is at work costs a rebuild, and nothing else."""
    with closing(Projector(busy.log, "default", tmp_path, batch=100)) as projector:
        projector.advance()
        with closing(sqlite3.connect(audit_path(tmp_path))) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        spoil_page(audit_path(tmp_path))
        while projector.advance():
            pass
    assert contents(audit_path(tmp_path)) == contents(audit)


def test_no_spoilt_page_stops_the_audit(tmp_path: Path) -> None:
    """Whichever page is spoilt, the projector goes on or begins anew; a rebuild is always right."""
    engine = Engine()
    for number in range(60):
        name = engine.route(request_id=f"r{number}", group_id="g", labels={"k": "v"}).decision_id
        engine.report(name, quality=0.5)
    whole = projected(engine.log, tmp_path).read_bytes()
    for number in range(60, 70):
        engine.route(request_id=f"r{number}")
    wanted = contents(projected(engine.log, tmp_path / "wanted"))
    pages = range(4096, len(whole), 2 * 4096)
    assert len(pages) > 12
    for start in pages:
        spoilt = whole[:start] + b"\xff" * 4096 + whole[start + 4096 :]
        audit_path(tmp_path).write_bytes(spoilt)
        projected(engine.log, tmp_path)
        with closing(Projector(engine.log, "default", tmp_path, rebuild=True)) as projector:
            projector.advance()
        assert contents(audit_path(tmp_path)) == wanted


def test_a_log_that_lost_its_end_costs_a_rebuild(tmp_path: Path) -> None:
    """Entries that were projected and then lost with the disk do not stay in the audit."""
    engine = Engine()
    engine.route(request_id="kept")
    entries = list(engine.log.read("default"))
    engine.route(request_id="lost")
    with closing(Projector(engine.log, "default", tmp_path)) as projector:
        projector.advance()
        shorter = Engine(log=restored(entries))
        projector._log = shorter.log
        shorter.route(request_id="instead")
        while projector.advance():
            pass
    sql = "SELECT request_id FROM decisions ORDER BY position"
    assert column(audit_path(tmp_path), sql) == ["kept", "instead"]


def restored(entries: list[Entry]) -> MemoryLog:
    log = MemoryLog()
    log.append("default", entries, expect=0)
    return log


def test_other_partitions_have_files_of_their_own(tmp_path: Path) -> None:
    """A tenant's audit holds nothing of another's, and its name cannot leave the directory."""
    names = {audit_path(tmp_path, name).name for name in ("default", "a/b", "../c", "a.b", "")}
    assert len(names) == 5
    assert all(audit_path(tmp_path, name).parent == tmp_path for name in ("../c", "/etc/x"))

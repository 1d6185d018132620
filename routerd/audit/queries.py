"""Questions to the audit file, as the daemon asks them: read-only, by apsw like the log.

The daemon has one SQLite in its process for all files. The projector's process, which writes this
file with another one, is not this one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from routerd.audit import schema
from routerd.audit.told import COLUMNS, Decided, Spoilt, Sums, decided, sums
from routerd.core.state import GENESIS
from routerd.log.base import Log
from routerd.log.disk import sync_directory, sync_stored
from routerd.log.retention import dispensable
from routerd.log.snapshot import Snapshots
from routerd.settings import Retention

EQUAL = (
    *("agent_id", "work_type", "domain", "group_id", "session_id", "task_id", "request_id"),
    *("reason", "policy_id"),
)
PARTIAL = ("group_id", "session_id", "task_id")  # their indexes leave out who has none

BUSY_TIMEOUT_MS = 1_000
LOOK_EVERY = 10_000
COPIED_PAGES = 1_024
FOREVER = 2**62

DAMAGE = (
    *(apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.MismatchError),
    UnicodeDecodeError,
)

# Sums, whole or of a period, with one shape: decisions count for the agent that was chosen, and
# what came of them for the one that ran.
SUMMANDS = (
    *("decisions", "open", "explored", "quality_count", "quality_sum", "cost_count"),
    *("cost_usd_sum", "latency_count", "latency_ms_sum"),
)
ADDED = ", ".join(
    f"total({name})" if name.endswith("_sum") else f"ifnull(sum({name}), 0)" for name in SUMMANDS
)
WHOLE_CELLS = "WITH cell AS (SELECT * FROM performance)"
WHOLE_GROUPS = "WITH cell AS (SELECT * FROM groups)"
PERIOD_CELLS = """
WITH cell AS (
    SELECT agent_id, work_type, group_id, 1 AS decisions, open, reason = 'SAMPLED' AS explored,
        0 AS quality_count, 0.0 AS quality_sum, 0 AS cost_count, 0.0 AS cost_usd_sum,
        0 AS latency_count, 0.0 AS latency_ms_sum
    FROM decisions WHERE time_ms >= ? AND time_ms < ?
    UNION ALL SELECT executed_agent_id, work_type, group_id, 0, 0, 0,
        quality IS NOT NULL, ifnull(quality, 0.0), cost_usd IS NOT NULL, ifnull(cost_usd, 0.0),
        latency_ms IS NOT NULL, ifnull(latency_ms, 0.0)
    FROM decisions WHERE time_ms >= ? AND time_ms < ? AND messages + quality_assumed > 0
)
"""
SUMMED = {WHOLE_CELLS: "performance", WHOLE_GROUPS: "groups", PERIOD_CELLS: "decisions"}

# Event time never runs backwards, so a time stands for a position, whatever else is asked.
SINCE = "(SELECT position FROM decisions WHERE time_ms >= ? ORDER BY time_ms, position LIMIT 1)"


class NoAudit(Exception):
    """There is no audit file to read; says why. damaged: it can only be made anew."""

    def __init__(self, what: str, *, damaged: bool = False) -> None:
        super().__init__(what)
        self.damaged = damaged


class Interrupted(Exception):
    """Whoever asked no longer waits."""


class Search(msgspec.Struct, frozen=True):
    """Which decisions; a filter that is empty or None admits all."""

    from_time_ms: int = 0
    until_time_ms: int = 0
    agent_id: str = ""
    work_type: str = ""
    domain: str = ""
    labels: dict[str, str] = {}
    group_id: str = ""
    session_id: str = ""
    task_id: str = ""
    request_id: str = ""
    reason: str = ""
    policy_id: str = ""
    open: bool | None = None


class Found(NamedTuple):
    """Decisions, the newest first, and whether there are more."""

    rows: list[Decided]
    more: bool


class Summed(NamedTuple):
    total: Sums
    agents: list[Sums]
    work_types: list[Sums]
    groups: list[Sums]


def projected_through(directory: Path, partition: str, *, wanted: bool) -> int | None:
    """How far the audit of a partition is; None when there is no file and none is wanted."""
    path = schema.audit_path(directory, partition)
    if not wanted and not path.exists():
        return None
    try:
        audit = Audit(path)
    except NoAudit:
        return 0
    with closing(audit):
        return audit.projected_through


def forgettable(
    log: Log, snapshots: Snapshots, partition: str, rules: Retention, *, audited: bool
) -> int:
    """The position up to which a log may forget, as routerd.log.retention has it; 0 for nothing.

    What is forgotten the audit alone tells of, so that survives power loss when this returns.
    audited: whether it waits for an audit that is still to be made. Raises OSError, LogCorrupt,
    LogUnavailable.
    """
    projected = projected_through(snapshots.data_dir, partition, wanted=audited)
    through = dispensable(log, snapshots, partition, rules, projected)
    if through:
        sync_audit(snapshots.data_dir, partition)
    return through


def sync_audit(directory: Path, partition: str) -> None:
    """What the audit of a partition holds survives power loss, if there is one. Raises OSError.

    The projector does not wait for the disk, and SQLite syncs a WAL no sooner than it copies it. On
    the WAL it holds no lock; those on the file itself would go with a descriptor of ours.
    """
    path = schema.audit_path(directory, partition)
    sync_stored(path.with_name(f"{path.name}-wal"))
    sync_directory(directory)


class Audit:
    """An open audit file, seen as it was when it was opened. Use it in one thread at a time.

    projected_through: how far it is; chain: the link of the log's hash chain there; origin: at
    position 1, None where the file does not know it.
    """

    def __init__(self, path: Path, given_up: Callable[[], bool] = lambda: False) -> None:
        """given_up: asked now and then while a question is worked on. Raises NoAudit."""
        if not path.exists():
            raise NoAudit("there is no audit file yet")
        try:
            self._db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.Error as error:
            raise NoAudit(f"the audit file cannot be opened: {error}") from error
        self._db.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._db.set_progress_handler(given_up, LOOK_EVERY)
        try:
            self._ask("BEGIN")
            if self._ask("PRAGMA user_version") != [(schema.VERSION,)]:
                raise NoAudit("the audit file is of another version of routerd")
            marks = self._ask("SELECT position, hash FROM mark")
            self.projected_through = int(marks[0][0]) if marks else 0
            self.chain = bytes.fromhex(marks[0][1]) if marks else GENESIS
            origins = self._ask("SELECT value FROM meta WHERE key = 'origin'")
            self.origin = bytes.fromhex(origins[0][0]) if origins else None
        except (TypeError, ValueError) as error:  # SQLite does not see what a text should be
            self.close()
            raise NoAudit(f"the audit file is damaged ({error})", damaged=True) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def copy(self, path: Path) -> None:
        """Write the file to a new one, as it was when it was opened. Raises OSError."""
        try:
            with (
                closing(apsw.Connection(str(path))) as target,
                target.backup("main", self._db, "main") as backup,
            ):
                while not backup.done:
                    backup.step(COPIED_PAGES)
        except apsw.Error as error:
            raise OSError(f"the audit cannot be copied to it: {error}") from error

    def decisions(self, search: Search, size: int, before: int = FOREVER) -> Found:
        """At most `size` decisions in front of a position, the newest first."""
        rows = self._ask(*listing(search, size + 1, before))
        with damaged():
            return Found([decided(row) for row in rows[:size]], len(rows) > size)

    def decision(self, position: int) -> Decided | None:
        """The decision at a position."""
        sql = f"SELECT {', '.join(COLUMNS)} FROM decisions WHERE position = ?"
        rows = self._ask(sql, (position,))
        with damaged():
            return decided(rows[0]) if rows else None

    def summed(self, from_time_ms: int, until_time_ms: int, most: int) -> Summed:
        """The decisions of a period; the `most` largest groups and kinds of work."""
        whole = not from_time_ms and not until_time_ms
        cells = WHOLE_CELLS if whole else PERIOD_CELLS
        groups = WHOLE_GROUPS if whole else PERIOD_CELLS
        period = () if whole else (from_time_ms, until_time_ms or FOREVER) * 2

        def rows(source: str, key: str, rest: str, *values: object) -> list[Sums]:
            sql = f"{source} SELECT {key}, {ADDED} FROM cell {rest}"
            found = self._ask(sql, (*period, *values))
            with damaged():
                return [sums(row, SUMMED[source]) for row in found]

        largest = "GROUP BY 1 HAVING sum(decisions) ORDER BY 2 DESC, 1 LIMIT ?"
        (total,) = rows(cells, "''", "")
        work_types = rows(cells, "work_type", largest, most)
        return Summed(
            total=total,
            agents=rows(cells, "agent_id", "GROUP BY 1 ORDER BY 1"),
            work_types=work_types,
            groups=rows(groups, "group_id", f"WHERE group_id > '' {largest}", most),
        )

    def _ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except apsw.InterruptError as error:
            raise Interrupted from error
        except DAMAGE as error:
            raise NoAudit(f"the audit file is damaged ({error})", damaged=True) from error
        except apsw.Error as error:
            raise NoAudit(f"the audit file cannot be read: {error}") from error


@contextmanager
def damaged() -> Iterator[None]:
    """Rows that nobody wrote so are damage."""
    try:
        yield
    except Spoilt as error:
        raise NoAudit(f"the audit file is damaged (table {error})", damaged=True) from error


def listing(search: Search, size: int, before: int) -> tuple[str, list[object]]:
    """The question for at most `size` decisions in front of a position, and its values.

    The first table is walked backwards; with labels it is theirs, and the decisions follow.
    """
    labels = [f"l{number}" for number in range(len(search.labels))]
    joined = [*labels[:1], "d", *labels[1:]]
    first = joined[0]
    where, values = [f"{first}.position < ?"], list[object]([before])
    for name, (key, value) in zip(labels, search.labels.items(), strict=True):
        where.append(f"{name}.key = ? AND {name}.value = ? AND {name}.position = d.position")
        values += [key, value]
    for name in EQUAL:
        wanted = getattr(search, name)
        if wanted:
            where.append(f"d.{name} = ?" + (f" AND d.{name} > ''" if name in PARTIAL else ""))
            values.append(wanted)
    if search.open is not None:
        where.append(f"d.open = {int(search.open)}")
    for sign, time_ms in ((">=", search.from_time_ms), ("<", search.until_time_ms)):
        if time_ms:
            where.append(f"{first}.position {sign} ifnull({SINCE}, {FOREVER})")
            values.append(time_ms)
    tables = (f"{'decisions' if name == 'd' else 'labels'} {name}" for name in joined)
    wanted = ", ".join(f"d.{name}" for name in COLUMNS)
    sql = (
        f"SELECT {wanted} FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(where)} "
        f"ORDER BY {first}.position DESC LIMIT ?"
    )
    return sql, [*values, size]


def page_token(search: Search, position: int) -> str:
    """Goes on behind a position, with the same search only."""
    token = msgspec.msgpack.encode((position, digest(search)))
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def position_of(search: Search, token: str) -> int | None:
    """The position in a token of this search; None for any other text.

    >>> search = Search(agent_id="a")
    >>> position_of(search, page_token(search, 7)), position_of(Search(), page_token(search, 7))
    (7, None)
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        position, told = msgspec.msgpack.decode(raw, type=tuple[int, bytes])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    return position if told == digest(search) and 0 < position < FOREVER else None


def digest(search: Search) -> bytes:
    encoded = msgspec.msgpack.encode(search, order="deterministic")
    return blake2b(encoded, digest_size=8).digest()

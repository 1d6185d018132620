"""Whether a log still reaches as far as its audit, and an audit that does not fit it set aside.

The projector reads what was appended, on the platter or not. So an audit that goes further than the
log proves a loss only as long as the machine ran on; see routerd.log.reach for what proves more.
"""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from routerd.audit.queries import Audit, NoAudit, Search
from routerd.audit.schema import audit_path, move_aside
from routerd.core.base import DEFAULT_PARTITION
from routerd.log.base import Log
from routerd.log.codec import goes_on_from
from routerd.log.reach import are_of, at, missing, origins, snapshots_of
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog

logger = logging.getLogger(__name__)


class Aside(NamedTuple):
    """An audit that was set aside: what it had reached, and where it is."""

    position: int
    path: Path


def open_audited(directory: Path, *, read_only: bool = False) -> SqliteLog:
    """Open a log that reaches as far as its audit, as SqliteLog.open does; who writes vouches.

    After a loss of power the last decisions may be gone, unless `durability` is power: then it is
    opened, but not vouched for. Until its audit was made anew, that looks the same at each start.
    """
    log = SqliteLog.open(directory, read_only)
    try:
        if reaches_audits(log, directory):
            log.vouch()
    except BaseException:
        log.close()
        raise
    return log


def reaches_audits(log: SqliteLog, directory: Path) -> bool:
    """Whether a log reaches as far as its audits; what else is known to be missing is logged.

    Raises LogCorrupt when it does not, although the machine ran on.
    """
    reaches = True
    for partition in sorted({DEFAULT_PARTITION, *log.partitions()}):
        path = audit_path(directory, partition)
        with suppress(NoAudit), closing(Audit(path)) as audit:
            end, _ = log.last(partition)
            reached = audit.projected_through
            if reached <= end or not is_of(audit, log, partition, directory):
                continue
            if log.power_held:
                raise missing(partition, end, reached, path)
            logger.warning(
                "positions %d to %d of partition %r, of which %s tells, went with the power: "
                "decisions survive that with `durability: power`",
                *(end + 1, reached, partition, path),
            )
            reaches = False
    return reaches


def is_of(audit: Audit, log: Log, partition: str, directory: Path) -> bool:
    """Whether an audit that goes beyond the end of a log may be this one's.

    It began as this one, as far as that is known of both, and what it holds of decisions may be.
    """

    def hashes_at(position: int) -> list[bytes]:
        return at(log, partition, position)

    end, _ = log.last(partition)
    paths = Snapshots(directory).paths(partition)
    known = origins(hashes_at, [marks for _, marks in snapshots_of(paths, hashes_at)])
    if known and audit.origin is not None and audit.origin not in known:
        return False
    newest = audit.decisions(Search(), 1, before=end + 1).rows
    return are_of([row.decision_id for row in newest], hashes_at)


def set_aside(directory: Path, target: Path) -> dict[str, Aside]:
    """Move each audit that does not continue its log to a folder, made if need be.

    What is projected next begins anew. Nobody may write them meanwhile. Raises OSError, LogCorrupt,
    LogUnavailable.
    """
    moved = {}
    with closing(SqliteLog.open(directory, read_only=True)) as log:
        for partition in sorted({DEFAULT_PARTITION, *log.partitions()}):
            path = audit_path(directory, partition)
            with suppress(NoAudit), closing(Audit(path)) as audit:
                if not continues(audit, log, partition):
                    moved[partition] = Aside(audit.projected_through, target / path.name)
    for partition in moved:
        move_aside(audit_path(directory, partition), target)
    return moved


def continues(audit: Audit, log: Log, partition: str) -> bool:
    """Whether the log goes on from where the audit stands."""
    through = audit.projected_through
    return not through or goes_on_from(log, partition, through, audit.chain)

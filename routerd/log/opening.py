"""What must hold before a file is opened as a log."""

from __future__ import annotations

from pathlib import Path

from routerd.log.base import LogUnavailable

OLDEST_SQLITE = "3.51.3"
# What a log leaves beside it: where they are, there was one. The last where a repair was cut off.
REMAINS = ("snapshots/*.snapshot", "audit.db", "damaged-*/log.db")


def require_sqlite(version: str) -> None:
    """LogUnavailable when SQLite is older than OLDEST_SQLITE."""
    if [int(part) for part in version.split(".")] < [int(p) for p in OLDEST_SQLITE.split(".")]:
        raise LogUnavailable(
            f"SQLite {version} can corrupt a log (its WAL-reset bug); "
            f"install an apsw that brings SQLite {OLDEST_SQLITE} or newer"
        )


def require_file(path: Path) -> None:
    """LogUnavailable where a log's file is missing or empty, and something of the log is left.

    To be asked before SQLite opens it: it deletes the WAL of an empty file, and that may be all
    that holds what was acknowledged.
    """
    require_no_link(path)
    if path.exists() and path.stat().st_size:
        return
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        raise gone(path, wal)
    require_no_remains(path)


def require_no_link(path: Path) -> None:
    """LogUnavailable where a log's file is a link: SQLite has its WAL beside what that leads to."""
    if path.is_symlink():
        told = f"it is a link to {path.readlink()}: link its directory instead"
        raise LogUnavailable(f"cannot open {path}: {told}")


def require_no_remains(path: Path) -> None:
    """LogUnavailable where a log was, and is no more: nobody may begin another one unasked."""
    for pattern in REMAINS:
        for found in path.parent.glob(pattern):
            raise gone(path, found)


def gone(path: Path, left: Path) -> LogUnavailable:
    """The error of a log's file that is lost while something of the log is left."""
    return LogUnavailable(
        f"{path} is gone or empty, but {left} of it is here: put log.db back "
        "with its log.db-wal, or restore a backup; to begin anew, use a new directory"
    )

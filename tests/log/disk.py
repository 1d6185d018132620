"""A disk under SQLite that remembers what was asked of it, and fails when told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import apsw

FileName = str | apsw.URIFilename | None


class Event(NamedTuple):
    """One request to the disk. data: of a write. at: its offset, or the size after a truncation."""

    kind: Literal["write", "truncate", "sync"]
    path: str
    data: bytes = b""
    at: int = 0


class Disk:
    """The requests so far; those with the numbers (from 1) in `failing` are refused."""

    def __init__(self) -> None:
        self.history: list[Event] = []
        self.failing = range(0)

    def ask(self, event: Event) -> None:
        """Remembers the request, and raises what SQLite expects if it is to fail."""
        self.history.append(event)
        if len(self.history) in self.failing:
            code = apsw.SQLITE_IOERR_FSYNC if event.kind == "sync" else apsw.SQLITE_FULL
            raise apsw.exception_for(code)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: FileName, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.disk = disk
        self.path = str(name.filename() if isinstance(name, apsw.URIFilename) else name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.ask(Event("write", self.path, bytes(data), offset))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.ask(Event("sync", self.path))
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.disk.ask(Event("truncate", self.path, at=newsize))
        super().xTruncate(newsize)


class _System(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("disk", "unix")
        self.disk = disk

    def xOpen(self, name: FileName, flags: list[int]) -> _File:  # noqa: N802
        return _File(self.disk, name, flags)


@contextmanager
def watched_disk() -> Iterator[Disk]:
    """All files that SQLite opens until the end of the block are on this disk."""
    usual = apsw.vfs_names()[0]
    disk = Disk()
    system = _System(disk)
    apsw.set_default_vfs("disk")
    try:
        yield disk
    finally:
        apsw.set_default_vfs(usual)
        system.unregister()

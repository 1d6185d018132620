"""The connections to a log's file: opened, told how to write, held to their places, let go of.

A writer has two: it appends by the first, and `sync` copies the WAL to the database by the second,
in any thread. A reader has one.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import apsw

from routerd.log.base import LogUnavailable
from routerd.log.disk import Places, is_deleted, sync_file, withdraw
from routerd.log.migrations import migrate, require_known
from routerd.log.opening import require_file, require_no_remains
from routerd.log.tables import FORMAT, FORMAT_OF_FILE, SCHEMA, format_held, reading
from routerd.log.writable import WritableTables

BUSY_TIMEOUT_MS = 2_000
PAGE_BYTES = 4_096
LIMIT_PAGES = 16_384
WRITE = apsw.SQLITE_OPEN_READWRITE

logger = logging.getLogger(__name__)


class Connections(WritableTables):
    """The tables of one directory's log, open by whoever has its lock, or only to read."""

    def __init__(self, directory: Path, lock_fd: int | None) -> None:
        """Connects to nothing yet. lock_fd is None to read only."""
        self._directory = directory
        self._path = directory / "log.db"
        self._wal = directory / "log.db-wal"
        self._lock_fd = lock_fd
        self._connections: list[apsw.Connection] = []
        self._wal_fd: int | None = None
        self._places = Places()
        self._wal_pages = 0
        self._is_sound = False
        self._firsts = {}

    def _connect(self) -> None:
        """Two connections, and a descriptor of the WAL, which lives as long as they do."""
        self._db = db = self._connection(str(self._path), WRITE | apsw.SQLITE_OPEN_CREATE)
        with reading(self._directory):
            db.pragma("page_size", PAGE_BYTES)
            if db.pragma("journal_mode", "wal") != "wal":
                raise OSError("its file system cannot share memory; use a local disk")
        db.pragma("synchronous", "normal")
        db.pragma("journal_size_limit", LIMIT_PAGES * PAGE_BYTES)
        db.set_wal_hook(self._count_wal_pages)
        db.transaction_mode = "IMMEDIATE"
        if self._is_blank():
            require_no_remains(self._path)
            with db:
                db.execute(SCHEMA)
        held = format_held(self._db, self._directory)
        require_known(self._path, held)
        if held < FORMAT:
            self._migrate(held)
            self._connect()
            return
        self._second = self._connection(str(self._path), WRITE)
        self._second.execute(FORMAT_OF_FILE).fetchall()  # it learns of the WAL by reading
        self._wal_fd = os.open(self._wal, os.O_RDWR)
        self._places = Places(self._path, self._wal)
        self._sync_wal()  # what a killed process appended, and who repeats a call is told of again

    def _migrate(self, held: int) -> None:
        logger.warning("%s: format %d becomes format %d", self._path, held, FORMAT)
        self._disconnect()
        with reading(self._directory):
            migrate(self._path, held)

    def _connect_to_read(self) -> None:
        require_file(self._path)
        if not self._path.exists():
            raise FileNotFoundError("there is no log yet; `routerd serve` makes one")
        name = str(self._path)
        # SQLite wants to make files beside a log in WAL mode, unless told that nobody writes to it.
        # A writer's WAL is always there.
        if not os.access(self._directory, os.W_OK) and not self._wal.exists():
            name = f"{self._path.as_uri()}?immutable=1"
        self._db = self._connection(name, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        if self._is_blank():
            require_no_remains(self._path)
            raise FileNotFoundError("there is no log yet; `routerd serve` makes one")
        held = format_held(self._db, self._directory)
        require_known(self._path, held)
        if held < FORMAT:
            text = f"its format is {held}: `routerd migrate {self._directory}` makes it {FORMAT}"
            raise LogUnavailable(f"cannot read {self._path}: {text}")
        self._places = Places(self._path, self._wal)

    def _require_same(self) -> None:
        """SQLite looks for new pages in the WAL that it has open, and takes what it finds in
        another one's place for damage."""
        try:
            lost = self._places.lost()
        except OSError as error:
            raise LogUnavailable(f"cannot read {self._path}: {error}") from error
        if lost is not None:
            text = f"{lost} was deleted, moved or replaced since it was opened"
            raise LogUnavailable(f"cannot read {self._path}: {text}; open it anew")

    def _begin_wal_anew(self) -> None:
        """Leave nothing in the WAL of what a killed process began: new frames would not cover it,
        and it would look like damage. Where somebody reads, that must wait, and nobody vouches.
        """
        assert self._lock_fd is not None
        try:
            self._second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._is_sound = True
        except apsw.BusyError:
            withdraw(self._lock_fd)

    def _connection(self, name: str, flags: int) -> apsw.Connection:
        db = apsw.Connection(name, flags=flags)
        self._connections.append(db)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.wal_autocheckpoint(0)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.pragma("checkpoint_fullfsync", True)  # does something on macOS only
        return db

    def _disconnect(self) -> None:
        self._firsts.clear()
        while self._connections:
            with contextlib.suppress(apsw.Error):  # what was promised is in the WAL already
                self._connections.pop().close(True)
        if self._wal_fd is not None:
            os.close(self._wal_fd)
            self._wal_fd = None

    def _let_go(self) -> None:
        self._disconnect()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _count_wal_pages(self, db: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _sync_wal(self) -> None:
        assert self._wal_fd is not None
        sync_file(self._wal_fd)

    def _rescue_wal(self) -> None:
        """Copy a WAL that somebody deleted to its database, while it is open here: else it is gone.

        Raises OSError where the files are not in place.
        """
        if self._wal_fd is not None and is_deleted(self._wal_fd):
            self._places.require(self._path)
            self._second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
            self._places = Places(self._path)  # nobody needs the deleted file any more
        else:
            self._places.require()


def checkpoint(db: apsw.Connection) -> int:
    """Copies the WAL to the database as far as nobody's reading or writing hinders.

    Returns the copied pages of the current WAL, 0 when another connection is at it.
    """
    try:
        return db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
    except apsw.BusyError:
        return 0

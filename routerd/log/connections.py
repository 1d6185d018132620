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
from routerd.log.disk import Places, is_deleted, sync_file
from routerd.log.migrations import migrate, require_known
from routerd.log.opening import require_file, require_no_remains
from routerd.log.tables import FORMAT, FORMAT_OF_FILE, SCHEMA, Tables, reading

BUSY_TIMEOUT_MS = 2_000
PAGE_BYTES = 4_096
LIMIT_PAGES = 16_384
WRITE = apsw.SQLITE_OPEN_READWRITE

logger = logging.getLogger(__name__)


class Connections:
    """Those to the log of a directory; none before `write` or `read`, and none after `close`.

    tables: what is read and appended to by the first. second: the other one of a writer. wal_pages:
    how many the WAL had after the latest commit. Every method may raise LogCorrupt, LogUnavailable,
    apsw.Error and OSError.
    """

    tables: Tables
    second: apsw.Connection

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "log.db"
        self.wal = directory / "log.db-wal"
        self.places = Places()
        self.wal_pages = 0
        self._open: list[apsw.Connection] = []
        self._wal_fd: int | None = None

    def write(self) -> None:
        """Two connections, and a descriptor of the WAL, which lives as long as they do."""
        db = self._connect(str(self.path), WRITE | apsw.SQLITE_OPEN_CREATE)
        self.tables = Tables(db, self.directory)
        with reading(self.directory):
            db.pragma("page_size", PAGE_BYTES)
            if db.pragma("journal_mode", "wal") != "wal":
                raise OSError("its file system cannot share memory; use a local disk")
        db.pragma("synchronous", "normal")
        db.pragma("journal_size_limit", LIMIT_PAGES * PAGE_BYTES)
        db.set_wal_hook(self._count_wal_pages)
        db.transaction_mode = "IMMEDIATE"
        if self.tables.is_blank():
            require_no_remains(self.path)
            with db:
                db.execute(SCHEMA)
        held = self.tables.format()
        require_known(self.path, held)
        if held < FORMAT:
            logger.warning("%s: format %d becomes format %d", self.path, held, FORMAT)
            self.close()
            with reading(self.directory):
                migrate(self.path, held)
            self.write()
            return
        self.second = self._connect(str(self.path), WRITE)
        self.second.execute(FORMAT_OF_FILE).fetchall()  # it learns of the WAL by reading
        self._wal_fd = os.open(self.wal, os.O_RDWR)
        self.places = Places(self.path, self.wal)
        self.sync_wal()  # what a killed process appended, and who repeats a call is told of again

    def read(self) -> None:
        """One connection, by which nothing can be changed."""
        require_file(self.path)
        if not self.path.exists():
            raise FileNotFoundError("there is no log yet; `routerd serve` makes one")
        name = str(self.path)
        # SQLite wants to make files beside a log in WAL mode, unless told that nobody writes to it.
        # A writer's WAL is always there.
        if not os.access(self.directory, os.W_OK) and not self.wal.exists():
            name = f"{self.path.as_uri()}?immutable=1"
        db = self._connect(name, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        self.tables = Tables(db, self.directory)
        if self.tables.is_blank():
            require_no_remains(self.path)
            raise FileNotFoundError("there is no log yet; `routerd serve` makes one")
        held = self.tables.format()
        require_known(self.path, held)
        if held < FORMAT:
            text = f"its format is {held}: `routerd migrate {self.directory}` makes it {FORMAT}"
            raise LogUnavailable(f"cannot read {self.path}: {text}")
        self.places = Places(self.path, self.wal)

    def close(self) -> None:
        while self._open:
            with contextlib.suppress(apsw.Error):  # what was promised is in the WAL already
                self._open.pop().close(True)
        if self._wal_fd is not None:
            os.close(self._wal_fd)
            self._wal_fd = None

    def require_same(self) -> None:
        """Of a reader. SQLite looks for new pages in the WAL that it has open, and takes what it
        finds in another one's place for damage."""
        try:
            lost = self.places.lost()
        except OSError as error:
            raise LogUnavailable(f"cannot read {self.path}: {error}") from error
        if lost is not None:
            text = f"{lost} was deleted, moved or replaced since it was opened"
            raise LogUnavailable(f"cannot read {self.path}: {text}; open it anew")

    def require_wal(self) -> None:
        """OSError where the WAL was deleted, and what is appended to it would be gone with it."""
        assert self._wal_fd is not None
        if is_deleted(self._wal_fd):
            self.places.require()

    def rescue_wal(self) -> None:
        """Copy a WAL that somebody deleted to its database, while it is open here: else it is gone.

        Raises OSError where the files are not in place.
        """
        if self._wal_fd is None or not is_deleted(self._wal_fd):
            self.places.require()
            return
        self.places.require(self.path)
        self.second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
        self.places = Places(self.path)  # nobody needs the deleted file any more

    def sync_wal(self) -> None:
        assert self._wal_fd is not None
        sync_file(self._wal_fd)

    def _connect(self, name: str, flags: int) -> apsw.Connection:
        db = apsw.Connection(name, flags=flags)
        self._open.append(db)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.wal_autocheckpoint(0)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.pragma("checkpoint_fullfsync", True)  # does something on macOS only
        return db

    def _count_wal_pages(self, db: apsw.Connection, name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK


def checkpoint(db: apsw.Connection) -> int:
    """Copies the WAL to the database as far as nobody's reading or writing hinders.

    Returns the copied pages of the current WAL, 0 when another connection is at it.
    """
    try:
        return db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
    except apsw.BusyError:
        return 0

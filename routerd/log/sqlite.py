"""The log of one process on one machine: one SQLite file in one directory.

What makes each promise true
- kill -9: in WAL mode with synchronous=NORMAL a commit is in the kernel's hands when it returns.
- Power loss: `sync` fsyncs the WAL by a descriptor of its own, in any thread. That is all that
  synchronous=FULL adds to a commit. The rest SQLite does with NORMAL too: it syncs the directory
  and the WAL's header when it begins the WAL anew, and it does so only after all of the WAL was
  copied to the database and that was synced.
- Damage: see routerd.log.tables.
- A failed fsync: the kernel may have dropped what it could not write, and says so only once. So
  nothing is written until `probe` has closed every connection (SQLite then checks each frame of
  the WAL against its checksum on opening), copied the whole WAL to the database and emptied it.

SQLite never checkpoints by itself here, not even when a connection closes, so the one fsync in the
appending thread is the short one at each beginning of the WAL. `sync` copies the WAL to the
database when it passes CHECKPOINT_PAGES. For callers that never sync, `append` does it at
LIMIT_PAGES: the WAL is bounded by 64 MiB and one append. Only a foreign program that holds a
transaction open can make it grow further; it shrinks again afterwards.

A WAL that was damaged after a crash looks to SQLite like one that the crash cut short, and it keeps
what stands before the damage. See routerd.log.wal for how the two are told apart; only in the last
frame, and after a loss of power, they cannot be.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Self

import apsw

from routerd.log import commits
from routerd.log.base import Base, Entry, LogCorrupt, LogUnavailable, check_positions
from routerd.log.connections import LIMIT_PAGES, PAGE_BYTES, Connections, checkpoint
from routerd.log.disk import power_held, take_lock, vouch, why, withdraw, write_scratch
from routerd.log.opening import require_file, require_sqlite
from routerd.log.wal import require_whole

CHECKPOINT_PAGES = 4_096
COPIED_PAGES = 1_024
# What makes a log unavailable until a probe.
FAILURES = (apsw.Error, OSError, LogCorrupt)


class SqliteLog:
    """See routerd.log.base.Log. One process writes to a directory, any number read it.

    power_held: whether the machine is known to have run on since the files were sound.
    """

    def __init__(self, directory: Path, lock_fd: int | None, power_held: bool) -> None:
        """Use `open`. lock_fd is None to read only."""
        self.power_held = power_held
        self._files = Connections(directory)
        self._lock_fd = lock_fd
        self._is_sound = False
        self._failure: Exception | None = None
        # Held while the WAL's descriptor and the second connection are in use; taken first.
        self._syncing = threading.Lock()
        # Held by a transaction that writes, and by what must keep such transactions out.
        self._appending = threading.Lock()

    @classmethod
    def open(cls, directory: str | os.PathLike[str], read_only: bool = False) -> Self:
        """Opens the log in a directory, making both if need be.

        With read_only, nothing is locked and another process may go on appending. Where the
        directory cannot be written to and nobody has the log open, it is seen as it is now.
        Raises LogUnavailable when another process writes here, LogCorrupt when damage keeps the
        file from being opened.
        """
        require_sqlite(apsw.sqlite_lib_version())
        directory = Path(directory).absolute()
        lock_fd = None if read_only else take_lock(directory)
        self = cls(directory, lock_fd, power_held(directory))
        try:
            if lock_fd is None:
                self._files.read()
            else:
                self._open(lock_fd)
        except BaseException as error:
            self._let_go()
            if isinstance(error, (apsw.Error, OSError)):
                text = f"cannot open {self._files.path}: {why(error, directory)}"
                raise LogUnavailable(text) from error
            raise
        return self

    def reader(self) -> SqliteLog:
        return SqliteLog.open(self._files.directory, read_only=True)

    def partitions(self) -> list[str]:
        return self._files.tables.partitions()

    def last(self, partition: str) -> tuple[int, bytes]:
        return self._files.tables.last(partition)

    def base(self, partition: str) -> Base:
        return self._files.tables.base(partition)

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        return self._files.tables.read(partition, after)

    def get(self, partition: str, position: int) -> Entry | None:
        return self._files.tables.get(partition, position)

    def require_order(self) -> None:
        self._files.tables.require_order()

    def require_sound(self) -> None:
        """LogCorrupt when SQLite finds anything wrong with the file, whatever it keeps there."""
        self._files.tables.require_sound()

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """What is read meanwhile is the log as it is now, whatever others append to it.

        Raises LogUnavailable.
        """
        with self._files.tables.db:
            self._files.tables.format()  # a transaction sees what it saw first
            yield

    def copy(self, path: Path, told: Callable[[int, int], None]) -> None:
        """Writes the log as it is now to a new file, while others may append to it.

        told(pages, of) hears how far it is. Raises LogUnavailable.
        """
        try:
            # Of one moment: else every append would make it begin again.
            with (
                contextlib.closing(apsw.Connection(str(path))) as target,
                self.moment(),
                target.backup("main", self._files.tables.db, "main") as backup,
            ):
                while not backup.done:
                    backup.step(COPIED_PAGES)
                    told(backup.page_count - backup.remaining, backup.page_count)
        except apsw.Error as error:
            text = f"cannot copy {self._files.path} to {path}: {why(error, path.parent)}"
            raise LogUnavailable(text) from error

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        check_positions(entries, expect)
        files = self._files
        with self._appending:
            self._require_usable("append")
            try:  # as _writing, which costs an entry that is alone a tenth more
                files.require_wal()
                if files.wal_pages >= LIMIT_PAGES:
                    checkpoint(files.tables.db)
                commits.append(files.tables, partition, entries, expect)
            except FAILURES as error:
                self._fail("append", error)

    def forget(self, partition: str, through: int, most: int) -> int:
        with self._appending, self._writing("compact"):
            return commits.forget(self._files.tables, partition, through, most)

    def begin(self, partition: str, base: Base) -> None:
        """Have a partition that holds nothing start behind a base."""
        with self._appending, self._writing("begin"):
            commits.begin(self._files.tables, partition, base)

    def require_in_place(self) -> None:
        if self._lock_fd is None:
            self._files.require_same()
            return
        with self._writing("append"):
            self._files.places.require()

    def vouch(self) -> None:
        """Say that nothing is missing here: from now on only a loss of power may cost an end.

        For who writes, and has held it to all that was made of it. Until then it is as it was.
        """
        if self._lock_fd is not None and self._is_sound:
            vouch(self._lock_fd)

    def sync(self) -> None:
        with self._syncing, self._writing("sync"):
            self._files.places.require()
            self._files.sync_wal()
            if self._files.wal_pages >= CHECKPOINT_PAGES:
                self._checkpoint()

    def probe(self) -> None:
        files = self._files
        with self._syncing, self._appending, self._writing("probe", despite_failure=True):
            write_scratch(files.directory / "probe")  # before the connections that still read go
            files.rescue_wal()
            require_file(files.path)
            files.close()
            files.write()
            files.second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            files.tables.db.execute("UPDATE meta SET value = value + 1 WHERE key = 'probes'")
            files.sync_wal()
            self._failure = None

    def close(self) -> None:
        try:
            if self._lock_fd is not None and self._failure is None:
                self.sync()
                self._files.tables.db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        finally:
            with self._syncing, self._appending:
                self._let_go()

    def _open(self, lock_fd: int) -> None:
        """To write, by who has the lock."""
        files = self._files
        require_file(files.path)
        if self.power_held:
            require_whole(files.wal, PAGE_BYTES)
        is_new = not files.path.exists()
        files.write()
        try:
            # Nothing may be left in the WAL of what a killed process began: new frames would not
            # cover it, and it would look like damage.
            files.second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._is_sound = True
        except apsw.BusyError:  # somebody reads: it must wait, and nobody vouches
            withdraw(lock_fd)
        if is_new:
            self.vouch()

    def _let_go(self) -> None:
        self._files.close()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _checkpoint(self) -> None:
        """Copies the WAL to the database, nearly all of it while appends go on.

        The WAL begins anew only when all of it was copied and synced with no append in between.
        So a last pass keeps appends out; those before leave it little to do.
        """
        for _ in range(2):
            if checkpoint(self._files.second) >= self._files.wal_pages:
                return
        with self._appending:
            checkpoint(self._files.second)

    @contextlib.contextmanager
    def _writing(self, action: str, despite_failure: bool = False) -> Iterator[None]:
        """Turns what the disk says into LogUnavailable, now and until `probe` succeeded."""
        self._require_usable(action, despite_failure)
        try:
            yield
        except (LogUnavailable, *FAILURES) as error:
            self._fail(action, error)

    def _require_usable(self, action: str, despite_failure: bool = False) -> None:
        if self._lock_fd is None:
            raise LogUnavailable(f"cannot {action}: {self._files.path} is not open for writing")
        if self._failure is not None and not despite_failure:
            text = f"cannot {action}: {self._files.path} failed before ({self._failure})"
            raise LogUnavailable(text) from self._failure

    def _fail(self, action: str, error: Exception) -> NoReturn:
        self._failure = error
        if isinstance(error, (LogCorrupt, LogUnavailable)):
            raise error
        text = f"cannot {action}: {self._files.path}: {why(error, self._files.directory)}"
        raise LogUnavailable(text) from error

"""What a log asks of a directory, whatever it stores there: one writer, and a disk that works."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from routerd.log.base import LogUnavailable

SCRATCH_BYTES = 256 * 1024
LOCK_BYTES = 200
NO_DIRECTORY = {
    errno.EACCES: "no permission to write there",
    errno.EEXIST: "it is a file",
    errno.ENOTDIR: "it lies in a file",
}


def take_lock(directory: Path) -> int:
    """Makes the directory if need be. Returns a descriptor that, until it is closed, keeps other
    processes from taking the lock; they are told the pid of this one."""
    try:
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        for path in made:
            sync_directory(path.parent)
        if not os.access(directory, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        lock_fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.pread(lock_fd, LOCK_BYTES, 0).decode(errors="replace")
        # What was vouched for stays: who is refused now will try again.
        write_lock(lock_fd, held.partition("\n")[2])
    except BlockingIOError:
        held = os.read(lock_fd, LOCK_BYTES).decode(errors="replace")
        pid = held.partition("\n")[0] or "unknown"
        os.close(lock_fd)
        raise LogUnavailable(
            f"{directory} is in use by the process with pid {pid}: "
            "stop it, or give this one a data directory of its own"
        ) from None
    except OSError as error:
        os.close(lock_fd)
        raise unusable(directory, error) from error
    return lock_fd


def unusable(directory: Path, error: OSError) -> LogUnavailable:
    """Why a place can be no data directory, in words."""
    told = NO_DIRECTORY.get(error.errno or 0) or error.strerror
    return LogUnavailable(f"cannot use {directory} as data directory: {told}")


def boot_id() -> str:
    """Of this run of the machine's kernel; "" where it has none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def vouch(lock_fd: int) -> None:
    """Note in which run of the machine the files behind a lock were last known to be sound."""
    write_lock(lock_fd, f"{boot_id()}\n")


def withdraw(lock_fd: int) -> None:
    """Vouch for nothing any more."""
    write_lock(lock_fd, "")


def write_lock(lock_fd: int, vouched: str) -> None:
    """The pid of this process, and in a second line what is vouched for."""
    content = f"{os.getpid()}\n{vouched}".encode()
    os.pwrite(lock_fd, content, 0)
    os.ftruncate(lock_fd, len(content))


def power_held(directory: Path) -> bool:
    """Whether the machine ran on since somebody vouched; False when nobody knows."""
    with suppress(OSError):
        return boot_id() in (directory / "lock").read_text().split()[1:]
    return False


class Places:
    """Where some files are, so that it is seen when their names lead elsewhere, or nowhere."""

    def __init__(self, *paths: Path) -> None:
        self._held = {path: place_of(path) for path in paths}

    def lost(self, *paths: Path) -> Path | None:
        """One of these files, by default of all, that its name leads to no more. Raises OSError."""
        return next((p for p in paths or self._held if place_of(p) != self._held[p]), None)

    def require(self, *paths: Path) -> None:
        """OSError where one of these files, by default any, would not be found by its name."""
        if (path := self.lost(*paths)) is not None:
            raise OSError(
                f"{path} was deleted, moved or replaced; put the same file back. Until this "
                f"process ends, a deleted one can be copied from /proc/{os.getpid()}/fd"
            )


def place_of(path: Path) -> tuple[int, int] | None:
    """A file's device and number; None where there is none. Raises OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_deleted(fd: int) -> bool:
    """Whether an open file has no name any more; takes a microsecond."""
    return os.fstat(fd).st_nlink == 0


def sync_file(fd: int) -> None:
    """When it returns, what was written to the file by anyone survives power loss."""
    if sys.platform == "darwin":  # there fsync stops at the drive's cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_stored(*files: Path) -> None:
    """What anyone wrote to these files so far survives power loss; one that is not there is passed
    over. Raises OSError."""
    for file in files:
        with suppress(FileNotFoundError):
            fd = os.open(file, os.O_RDONLY)
            try:
                sync_file(fd)
            finally:
                os.close(fd)


def sync_directory(directory: Path) -> None:
    """When it returns, the names of the files in it survive power loss."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def why(error: Exception, directory: Path) -> str:
    """What went wrong with a file, and that its disk is full, or files here may not grow, where
    that is so: SQLite calls that an I/O error where it cannot make its index of the WAL."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with suppress(OSError):
        if shutil.disk_usage(directory).free < SCRATCH_BYTES:
            return f"no space is left on the disk of {directory} ({error})"
        largest = max((path.stat().st_size for path in directory.iterdir()), default=0)
        if limit != resource.RLIM_INFINITY and limit < largest + SCRATCH_BYTES:
            told = f"may not grow beyond {limit:,} bytes, see `ulimit -f`"
            return f"a file in {directory} {told} ({error})"
    return str(error)


def write_scratch(path: Path) -> None:
    """Writes SCRATCH_BYTES to the platter and deletes them; OSError when that cannot be done."""
    try:
        with path.open("wb") as file:
            file.write(bytes(SCRATCH_BYTES))
            file.flush()
            sync_file(file.fileno())
    finally:
        path.unlink(missing_ok=True)

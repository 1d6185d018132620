"""What a log asks of a directory, whatever it stores there: one writer, and a disk that works."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from routerd.log.base import LogUnavailable

SCRATCH_BYTES = 256 * 1024


def take_lock(directory: Path) -> int:
    """A descriptor that keeps other writers out of the directory until it is closed."""
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            sync_directory(directory.parent)
        lock_fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock_fd, 20).decode().strip() or "unknown"
            os.close(lock_fd)
            raise LogUnavailable(
                f"{directory} is in use by the process with pid {pid}: "
                "stop it, or give this one a data directory of its own"
            ) from None
        os.ftruncate(lock_fd, 0)
        os.write(lock_fd, f"{os.getpid()}\n".encode())
    except OSError as error:
        raise LogUnavailable(f"cannot use {directory} as data directory: {error}") from error
    return lock_fd


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_scratch(path: Path) -> None:
    """Writes SCRATCH_BYTES to the platter and deletes them; OSError when that cannot be done."""
    try:
        with path.open("wb") as file:
            file.write(bytes(SCRATCH_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)

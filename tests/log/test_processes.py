"""More than one process at a log: killed writers, second writers, readers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from routerd.core.state import GENESIS
from routerd.log.base import LogUnavailable
from routerd.log.sqlite import SqliteLog
from tests.log.entries import append, following, read_all

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys, threading
from pathlib import Path
from routerd.log.sqlite import SqliteLog
from tests.log.entries import following
log = SqliteLog.open(Path(sys.argv[1]))
def sync_all_the_time():
    while True:
        log.sync()
threading.Thread(target=sync_all_the_time, daemon=True).start()
after, previous_hash = log.last("p")
while True:
    batch = following(after, previous_hash, 1 + after % 3)
    log.append("p", batch, after)
    after, previous_hash = batch[-1][:2]
    print(after, flush=True)
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python that runs `code` with the arguments in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def last_told(writer: subprocess.Popen[str], for_s: float) -> int:
    """The position that a writer last confirmed before it was killed, some time after its first."""
    assert writer.stdout is not None
    last = int(writer.stdout.readline())
    time.sleep(for_s)
    writer.send_signal(signal.SIGKILL)
    for line in writer.stdout:
        if line.endswith("\n"):
            last = int(line)
    writer.wait()
    writer.stdout.close()
    return last


def test_kill_9_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """However often a writer is killed, all that append returned for is there, and fits."""
    for kill in range(5):
        last = last_told(child(WRITER, tmp_path), for_s=0.05 + 0.1 * kill)
        found = read_all(tmp_path)
        assert len(found) >= last
        assert found == following(0, GENESIS, len(found))
    assert len(found) > 1_000


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """One process writes to a directory: the error names it, and its death frees the directory."""
    writer = child(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(LogUnavailable, match=rf"{tmp_path} is in use .* pid {writer.pid}: stop"):
        SqliteLog.open(tmp_path)
    last_told(writer, for_s=0)
    with closing(SqliteLog.open(tmp_path)) as log:
        assert append(log, 1)
        with pytest.raises(LogUnavailable, match=f"pid {os.getpid()}"):
            SqliteLog.open(tmp_path)
    SqliteLog.open(tmp_path).close()


def test_readers_follow_a_writer_in_another_process(tmp_path: Path) -> None:
    """Readers see whole, growing logs while a daemon appends and checkpoints."""
    writer = child(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    lengths: list[int] = []
    patience_s = time.monotonic() + 60.0
    with closing(SqliteLog.open(tmp_path, read_only=True)) as log:
        while len(lengths) < 4:
            assert time.monotonic() < patience_s, f"it does not grow beyond {lengths}"
            time.sleep(0.05)
            length = sum(1 for _ in log.read("p"))
            if length not in lengths[-1:]:
                lengths.append(length)
    last = last_told(writer, for_s=0)
    assert lengths == sorted(set(lengths))
    assert lengths[-1] <= last + 3


READER = """
import os, sys
from pathlib import Path
from tests.log.entries import read_all
if os.getuid() == 0:
    os.setuid(65534)
print(len(read_all(Path(sys.argv[1]))), os.access(sys.argv[1], os.W_OK))
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_log_is_read_without_permission_to_write(killed: bool) -> None:
    """The log of a daemon that ended, or was killed, is read by a user who may only read it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if killed:
            last_told(child(WRITER, directory), for_s=0)
        else:
            with closing(SqliteLog.open(directory)) as log:
                append(log, 300)
        files = sorted(os.listdir(directory))
        directory.chmod(0o555)
        reader = child(READER, directory)
        told, _ = reader.communicate()
        assert sorted(os.listdir(directory)) == files
        directory.chmod(0o755)
        assert told.split() == [str(len(read_all(directory))), "False"]


OTHER_USER = """
import os, sys
from pathlib import Path
from routerd.log.base import LogUnavailable
from routerd.log.sqlite import SqliteLog
if os.getuid() == 0:
    os.setuid(65534)
try:
    SqliteLog.open(Path(sys.argv[1]))
except LogUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize("unwritable", ["log.db", "lock", "."])
def test_a_log_that_must_not_be_written_is_not_opened_for_writing(unwritable: str) -> None:
    """The lack of permission is told on opening, not with the first event."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        SqliteLog.open(directory).close()
        directory.chmod(0o777)
        for file in directory.iterdir():
            file.chmod(0o666)
        (directory / unwritable).chmod(0o555)
        told, _ = child(OTHER_USER, directory).communicate()
        directory.chmod(0o777)
        assert "ermission" in told
        assert name in told

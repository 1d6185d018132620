"""A WAL that ends early was cut short by a crash; one with a hole was damaged, and is told."""

from __future__ import annotations

import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from routerd.log.base import Entry, LogCorrupt
from routerd.log.connections import PAGE_BYTES
from routerd.log.disk import boot_id
from routerd.log.repair import repair
from routerd.log.sqlite import SqliteLog
from routerd.log.wal import FRAME_HEADER, HEADER, is_broken
from tests.log.entries import append, append_large, read_all

STEP = FRAME_HEADER + PAGE_BYTES


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, list[Entry]]:
    """What a killed process leaves: a log whose entries stand in the WAL alone."""
    with closing(SqliteLog.open(tmp_path / "alive")) as log:
        entries = append(log, 40)
        shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    return tmp_path / "killed", entries


def flip(path: Path, offset: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 4
    path.write_bytes(raw)


def test_a_sound_wal_is_not_called_broken(killed: tuple[Path, list[Entry]]) -> None:
    """However it was cut short: in a header, in a page, between two frames."""
    wal = killed[0] / "log.db-wal"
    whole = wal.read_bytes()
    frames = (len(whole) - HEADER) // STEP
    assert frames > 40
    ends = [0, HEADER - 1, HEADER, *(HEADER + frames // 2 * STEP + extra for extra in (0, 9, 99))]
    for end in [*ends, len(whole)]:
        wal.write_bytes(whole[:end])
        assert not is_broken(wal, PAGE_BYTES)
        wal.write_bytes(whole[:end] + bytes(STEP))
        assert not is_broken(wal, PAGE_BYTES)


def test_a_changed_bit_in_any_frame_but_the_last_is_found(
    killed: tuple[Path, list[Entry]],
) -> None:
    """In the header of the file, of a frame, or in a page."""
    wal = killed[0] / "log.db-wal"
    whole = wal.read_bytes()
    rng = random.Random(1)
    last = HEADER + ((len(whole) - HEADER) // STEP - 2) * STEP
    offsets = [rng.randrange(8), 18, 28, *(rng.randrange(HEADER, last) for _ in range(200))]
    for offset in offsets:
        wal.write_bytes(whole)
        flip(wal, offset)
        assert is_broken(wal, PAGE_BYTES), offset


def test_a_log_with_a_damaged_wal_is_refused_and_can_be_repaired(
    killed: tuple[Path, list[Entry]],
) -> None:
    """What SQLite would forget without a word is told, and what stands behind is found again."""
    directory, entries = killed
    flip(directory / "log.db-wal", HEADER + 20 * STEP + 2_000)
    for _ in range(3):  # a service manager starts it again and again
        with pytest.raises(LogCorrupt, match="write-ahead log was changed"):
            SqliteLog.open(directory)
    kept = repair(directory)[0]["p"]
    assert read_all(directory) == entries[: kept.last]


def test_a_broken_frame_is_stood_for_by_older_ones_of_its_page(
    killed: tuple[Path, list[Entry]], tmp_path: Path
) -> None:
    """It costs at most the entry that it alone held, and what stands behind that."""
    directory, entries = killed
    frames = ((directory / "log.db-wal").stat().st_size - HEADER) // STEP
    costly = 0
    for frame in range(frames):
        target = tmp_path / str(frame)
        shutil.copytree(directory, target)
        wal = target / "log.db-wal"
        raw = bytearray(wal.read_bytes())
        at = HEADER + frame * STEP + FRAME_HEADER
        raw[at : at + PAGE_BYTES] = bytes(PAGE_BYTES)
        wal.write_bytes(raw)
        kept = repair(target)[0]["p"]
        assert read_all(target) == entries[: kept.last]
        costly += kept.last < len(entries)
    assert costly < frames / 10


def test_after_a_loss_of_power_the_rest_is_served(killed: tuple[Path, list[Entry]]) -> None:
    """Then a hole is where the disk had not written yet: nobody was told that it had."""
    directory, entries = killed
    flip(directory / "log.db-wal", HEADER + 20 * STEP + 2_000)
    lock = directory / "lock"
    assert boot_id() in lock.read_text()
    lock.write_text(lock.read_text().replace(boot_id(), "another"))
    with closing(SqliteLog.open(directory)) as log:
        found = list(log.read("p"))
    assert found == entries[: len(found)]
    assert len(found) < len(entries)


def test_what_an_older_use_of_the_wal_left_is_no_damage(tmp_path: Path) -> None:
    """It begins anew when all was copied; sound frames of before stand behind the new ones."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append_large(log, 20_000_000, sync=True)
        append(log, 3)
        log.sync()
        wal = tmp_path / "log.db-wal"
        assert wal.stat().st_size > 10_000_000
        assert not is_broken(wal, PAGE_BYTES)

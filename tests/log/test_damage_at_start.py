"""Corruption is found before serving: a bit flipped in every page of a sample log, at a start."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from routerd.cli.snapshot import snapshot
from routerd.core.settings import EngineConfig
from routerd.engine.sequencer import Sequencer
from routerd.log import check, seals
from routerd.log.base import LogCorrupt, LogUnavailable
from routerd.log.connections import PAGE_BYTES
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from tests.core.engine import Engine

LEAF, KEYED_LEAF, INTERIOR = 0x0A, 0x0D, 0x05


def sample(directory: Path, snapshot: bool) -> EngineConfig:
    """A log of decisions and outcomes over many pages, one entry of it longer than a page."""
    engine = Engine(clock="logical")
    SqliteLog.open(directory).close()
    for i in range(120):
        name = engine.route(request_id=f"r{i}", task_id="t" * 100, labels={"l": "v" * 100})
        said = "x" * (9_000 if i == 60 else 40)
        engine.report(name.decision_id, quality=i % 2, explanation=said)
        if snapshot and i == 90:
            Snapshots(directory).write(engine.state, keep=1)
    with closing(SqliteLog.open(directory)) as log:
        log.append("default", list(engine.log.read("default")), 0)
        config = engine.state.config
        Sequencer.open(log, config, engine.wall, snapshots=Snapshots(directory))
    return config


def places(page: bytes, number: int) -> list[int]:
    """Offsets of bytes that mean something: the page's kind, and the content of a cell of it; of an
    inner page what it says of each page under it, where that is and what its last key is."""
    start = 100 if number == 0 else 0
    if page[start] not in (LEAF, KEYED_LEAF, INTERIOR):
        return [4]  # the rest of a long entry
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    content = int.from_bytes(page[start + 5 : start + 7], "big")
    if page[start] == INTERIOR:
        pointers = [page[i : i + 2] for i in range(start + 12, start + 12 + 2 * cells, 2)]
        ats = [int.from_bytes(pointer, "big") for pointer in pointers]
        return [start, *(at + offset for at in ats for offset in (3, 4))]
    return [start, content + 20] if cells else [start]


@pytest.mark.parametrize("behind", ["nothing", "snapshot", "seals"])
def test_a_flipped_bit_in_any_page_keeps_the_log_from_being_served(
    tmp_path: Path, behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a snapshot too, where no start folds what was hit, and where all of that is sealed;
    and the whole log is served."""
    if behind == "seals":
        monkeypatch.setattr(check, "FEW", 0)
        monkeypatch.setattr(seals, "STRETCH", 30)
    config = sample(tmp_path, behind != "nothing")
    assert len(seals.held(tmp_path, "default")) == (6 if behind == "seals" else 0)
    file = tmp_path / "log.db"
    stored = file.read_bytes()
    pages = len(stored) // PAGE_BYTES
    assert pages > 25
    for number in range(pages):
        at = number * PAGE_BYTES
        for offset in places(stored[at : at + PAGE_BYTES], number):
            spoilt = bytearray(stored)
            spoilt[at + offset] ^= 1 << (number % 7)
            file.write_bytes(spoilt)
            with pytest.raises((LogCorrupt, LogUnavailable)):
                start(tmp_path, config)
    file.write_bytes(stored)
    assert start(tmp_path, config) == 241


def test_who_makes_a_snapshot_seals_what_it_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the next start looks at nothing of that again, however long the last one is ago."""
    monkeypatch.setattr(check, "FEW", 0)
    monkeypatch.setattr(seals, "STRETCH", 30)
    sample(tmp_path, snapshot=False)
    assert not seals.held(tmp_path, "default")
    done = CliRunner().invoke(snapshot, [str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert list(seals.held(tmp_path, "default")) == list(range(8))


def start(directory: Path, config: EngineConfig) -> int:
    with closing(SqliteLog.open(directory)) as log:
        snapshots = Snapshots(directory)
        return Sequencer.open(log, config, lambda: 0, snapshots=snapshots).position

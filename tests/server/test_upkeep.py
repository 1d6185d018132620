"""What runs beside the calls goes on when something fails that nobody foresaw, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routerd.config import parse
from routerd.engine.committer import Committer
from routerd.log.memory import MemoryLog
from routerd.server import projection, upkeep
from routerd.server.projection import Projection
from routerd.server.upkeep import Upkeep
from tests.core.engine import Engine
from tests.log.faulty import PATIENCE_S


class Fault:
    """What raises an error that nobody foresaw, whatever it is asked."""

    def __init__(self) -> None:
        self.raised = 0

    def __call__(self, *_: object) -> Any:
        self.raised += 1
        raise TypeError("nobody foresaw it")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_fault_of_ours_ends_no_upkeep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Snapshots and compaction are tried again, and meanwhile the log's files are looked at."""
    fault = Fault()
    monkeypatch.setattr(upkeep, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(upkeep, "due", fault)
    sequencer = Engine(MemoryLog()).sequencer
    health: list[bool] = []
    committer = Committer(sequencer, health.append, most=1)
    kept = Upkeep(parse({"agents": [{"id": "a"}], "data_dir": str(tmp_path)}), committer)
    kept.start()
    try:
        await until(lambda: fault.raised > 2)
        assert "snapshots and compaction pause" in caplog.text
        assert "nobody foresaw it" in caplog.text
        monkeypatch.setattr(sequencer.log, "require_in_place", fault)
        await until(lambda: health == [False])
    finally:
        await kept.stop()
        await committer.close()


async def test_a_fault_of_ours_ends_no_projection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The projector is started again."""
    fault = Fault()
    monkeypatch.setattr(projection, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(Projection, "_run", fault)
    kept = Projection(tmp_path, None)
    kept.start()
    try:
        await until(lambda: fault.raised > 2)
        assert "nobody foresaw it" in caplog.text
    finally:
        await kept.stop()

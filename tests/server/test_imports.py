"""What a start imports: what takes long to import, and is not needed to serve, is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# A second and hundreds of MB, each for something that a start does not do.
HEAVY = (
    "river",
    "pandas",
    "sklearn",
    "matplotlib",
    "pyarrow",
    "rich",
    "scipy.stats",
)

SERVE_ONCE = """
import asyncio, sys
from pathlib import Path
from routerd.clock import wall_clock
from routerd.config import parse
from routerd.core.values import Request
from routerd.log.sqlite import SqliteLog
from routerd.log.snapshot import Snapshots
from routerd.server.app import Server

async def once(folder):
    config = parse({"agents": [{"id": "a"}], "listen": "127.0.0.1:0", "data_dir": folder})
    log = SqliteLog.open(folder)
    server = Server(config, log, wall_clock())
    await server.start()
    server.upkeep.start()
    server.sequencer.route(Request())
    server.sequencer.commit()
    Snapshots(Path(folder)).write(server.sequencer.state, 2)
    await server.upkeep.stop()
    await server.stop()
    log.close()

for _ in range(2):
    asyncio.run(once(sys.argv[1]))
print(*sorted(set(sys.modules) & set(sys.argv[2:])))
"""


def test_serving_imports_nothing_heavy(tmp_path: Path) -> None:
    """Neither from nothing nor from a snapshot."""
    done = subprocess.run(
        [sys.executable, "-c", SERVE_ONCE, str(tmp_path), *HEAVY],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == []

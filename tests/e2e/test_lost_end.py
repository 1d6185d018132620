"""A deleted log.db-wal, and what was acknowledged with it, is not passed over by the next start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from routerd.audit.queries import projected_through
from tests.cli.conftest import command, environment
from tests.e2e.daemon import PATIENCE_S, Daemon
from tests.server.harness import Client

CONFIG = {"agents": [{"id": "small"}, {"id": "large"}]}


async def worked(daemon: Daemon) -> int:
    """Outcomes that were acknowledged, and are in the audit; the last position."""
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        client = Client(channel)
        for i in range(10):
            routed = await client.route(request_id=f"r{i}", task={"work_type": "code"})
            told = {"decision_id": routed.decision_id, "outcome_id": f"o{i}", "quality": 0.5}
            ack = await client.report(**told)
        async with asyncio.timeout(PATIENCE_S):
            while projected_through(daemon.data, "default", wanted=True) != ack.position:
                await asyncio.sleep(0.05)
    return int(ack.position)


async def routerd(*words: str | Path) -> tuple[int, str]:
    """A command's exit code, and all that it said."""
    made = await asyncio.create_subprocess_exec(
        *command(*words),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):  # else it serves what it should refuse
            said, _ = await made.communicate()
    finally:
        if made.returncode is None:
            made.kill()
    assert made.returncode is not None
    return made.returncode, said.decode()


@pytest.mark.parametrize("snapshot", [True, False])
async def test_a_deleted_wal_is_told_until_it_was_repaired(tmp_path: Path, snapshot: bool) -> None:
    """By each start, and by verify; repair goes on from a snapshot, or without what is gone."""
    audited: dict[str, Any] = {**CONFIG, "audit": {"enabled": True}}
    with Daemon(tmp_path, audited) as daemon:
        end = await worked(daemon)
        if snapshot:
            assert (await routerd("snapshot", daemon.data))[0] == 0
        daemon.kill()
        (daemon.data / "log.db-wal").unlink()
        start = "serve", "--config", daemon.config_file, "--data", daemon.data
        for words in (start, start, ("verify", daemon.data)):
            code, said = await routerd(*words)
            assert code == 1
            assert f"positions 1 to {end} are missing" in said
            assert "`routerd repair`" in said
        code, said = await routerd("repair", daemon.data)
        assert code == 0
        assert (f"a snapshot stands for all up to position {end}" in said) == snapshot
        assert (f"tells of positions 1 to {end}, which the log has not" in said) != snapshot
        daemon.start()
        assert daemon.position == (end if snapshot else 1)
        assert daemon.end() == 0

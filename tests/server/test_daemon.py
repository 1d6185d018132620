"""What only a process of its own can show: signals, the port, and a second start."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.server.harness import CONFIG, PATIENCE_S, Client, Daemon, until


async def route_until_refused(client: Client, acknowledged: list[str]) -> grpc.StatusCode:
    """Route as fast as answers come; the code that ended it."""
    try:
        while True:
            acknowledged.append((await client.route()).decision_id)
    except grpc.aio.AioRpcError as error:
        return error.code()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_without_losing_a_call(tmp_path: Path, number: int) -> None:
    """Callers see answers and then UNAVAILABLE; the exit code is 0; every answer is kept."""
    acknowledged: list[str] = []
    with Daemon(tmp_path) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            calls = (route_until_refused(Client(channel), acknowledged) for _ in range(8))
            callers = [asyncio.create_task(call) for call in calls]
            await until(lambda: len(acknowledged) >= 50)
            assert await asyncio.to_thread(daemon.end, number) == 0
            assert set(await asyncio.gather(*callers)) == {grpc.StatusCode.UNAVAILABLE}
    with Daemon(tmp_path) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            for decision_id in acknowledged:
                assert (await Client(channel).decision(decision_id)).open


def test_a_taken_port_is_an_error_that_names_it(daemon: Daemon, tmp_path: Path) -> None:
    """Two daemons never share a port: the second ends and says why."""
    config = tmp_path / "routerd.json"
    config.write_text(json.dumps({**CONFIG, "listen": daemon.address}))
    data = str(tmp_path / "data")
    second = subprocess.run(
        [sys.executable, "-m", "routerd", "serve", "--config", str(config), "--data", data],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode != 0
    assert daemon.address in second.stderr
    assert "Traceback" not in second.stderr

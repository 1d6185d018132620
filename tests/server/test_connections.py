"""Connections that do little: idle ones, ones that only ping, and clients that never read."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from bench.speed import flood, idle
from routerd.child import address_of
from routerd.cli.main import main
from tests.server.harness import Client, Running, in_process, read, until
from tests.server.messages import TASK, asked

PINGS = 4
PING_S = 30


@pytest.mark.soak
async def test_a_client_that_pings_every_30_s_is_welcome(running: Running) -> None:
    """It keeps its connection, and a stream on it, however long nothing is said."""
    options = [
        ("grpc.keepalive_time_ms", PING_S * 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    for streams in (False, True):
        async with grpc.aio.insecure_channel(running.address, options=options) as channel:
            client = Client(channel)
            call = client.router.RouteStream() if streams else None
            await client.route(task=TASK)
            changed = asyncio.create_task(
                channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            )
            await asyncio.wait((changed,), timeout=PINGS * PING_S + 5)
            assert not changed.done()
            changed.cancel()
            if call is not None:
                await call.write(asked({"agent_id": "large"})[0])
                assert (await read(call, 1))[0].result.answer.agent_id == "large"
                call.cancel()


async def test_a_client_that_takes_no_answers_has_so_many_calls_open_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each takes memory as long as it stays, whatever becomes of those that are worked on."""
    monkeypatch.setattr(flood, "WINDOW_SIZE", (flood.WINDOW_SIZE[0], 0))
    refused_by_grpc = -1
    async with in_process(max_wait_ms=60_000) as running:
        method = "/routerd.v1.AgentService/ListAgents"
        deaf = flood.Connection(running.address, method, b"", "600S")
        for _ in range(50):
            for _ in range(100):
                deaf.call(0.0)
            while deaf.out:
                deaf.flush()
                await asyncio.sleep(0.03)

        def refused() -> bool:
            deaf.take(0.0)
            return any(call.status == refused_by_grpc for call in deaf.done)

        await until(refused)
        assert (await running.client.route()).decision_id
        deaf.socket.close()


def measured(tmp_path: Path, connections: int, rounds: int, seconds: float) -> dict[str, idle.Row]:
    """The rows of `routerd bench idle`, by target."""
    out = tmp_path / "idle.json"
    arguments = ["bench", "idle", "--out", str(out), "--connections", str(connections)]
    arguments += ["--rounds", str(rounds), "--seconds", str(seconds), "--rate", "50"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    rows = {row["target"]: idle.Row(**row) for row in json.loads(out.read_text())}
    assert list(tmp_path.iterdir()) == [out]
    assert list(rows) == ["alone", "crowded"]
    assert all(row.failed == 0 and 0 < row.p50_us <= row.p99_us for row in rows.values())
    assert rows["crowded"].lost == 0
    return rows


def test_a_crowd_that_says_nothing_leaves_the_others_their_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside idle connections and unread streams every call is answered."""
    monkeypatch.setattr(idle, "WARM_UP_S", 0.2)
    monkeypatch.setattr(idle, "STILL_S", 0.4)
    crowded = measured(tmp_path, connections=50, rounds=1, seconds=0.3)["crowded"]
    assert crowded.connections == 50
    # Streams that nobody reads were worked on as far as answers could be sent, and no further.
    assert idle.READERS < crowded.unread < 10_000


@pytest.mark.soak
def test_5000_idle_connections_take_a_bounded_memory(tmp_path: Path) -> None:
    """Less than 40 KiB each, and all of them stay."""
    rows = measured(tmp_path, connections=5_000, rounds=15, seconds=3.0)
    grown = rows["crowded"].rss_mib - rows["crowded"].rss_mib_before
    assert grown * 1024 / 5_000 < 40


def test_a_crowd_beyond_the_open_files_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, before anything is started."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    out = tmp_path / "idle.json"
    result = CliRunner().invoke(main, ["bench", "idle", "--out", str(out)])
    assert result.exit_code == 1
    assert "open files" in result.output


async def test_the_daemon_takes_more_connections_than_the_usual_limit_of_files(
    tmp_path: Path,
) -> None:
    """It raises the soft limit by itself: no ulimit has to be set before it starts."""
    config = tmp_path / "routerd.yaml"
    config.write_text(f"agents: [{{id: large}}]\ndata_dir: {tmp_path / 'data'}\n")
    serve = f"{sys.executable} -m routerd serve --config {config} --listen 127.0.0.1:0"
    command = ["sh", "-c", f"ulimit -Sn 150; exec {serve}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            crowd = idle.Crowd(address_of(process))
            await crowd.connect(300)
            async with grpc.aio.insecure_channel(crowd.address) as channel:
                assert (await Client(channel).route(agent_id="large")).decision_id
            await crowd.go()
            assert crowd.lost == 0
        finally:
            process.terminate()

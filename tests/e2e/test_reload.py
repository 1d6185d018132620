"""Promise 14: a changed configuration takes over as a whole or not at all, while calls go on."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import msgspec

from routerd.core.events import ConfigApplied
from routerd.core.settings import EngineConfig
from routerd.log.codec import records
from routerd.log.sqlite import SqliteLog
from tests.e2e.daemon import PATIENCE_S, Daemon, verified
from tests.server.harness import Client

AGENTS = [{"id": "large"}, {"id": "medium"}, {"id": "small"}]
CONFIG: dict[str, Any] = {"agents": AGENTS, "policy": {"kind": "thompson"}}
RELOADS = 100

# What a file may look like that must change nothing.
BROKEN: tuple[Callable[[dict[str, Any]], str], ...] = (
    lambda config: json.dumps(config)[:-20],
    lambda config: "",
    lambda config: json.dumps({**config, "agents": []}),
    lambda config: json.dumps({**config, "agent": AGENTS}),
    lambda config: json.dumps({**config, "utility": {"cost": -1}}),
    lambda config: json.dumps({**config, "agents": [*AGENTS, {"id": "small"}]}),
    lambda config: "agents: [&a {id: x}, *b]",
    lambda config: "\x00\xff",
)


def configurations(data: Path) -> list[EngineConfig]:
    """Every configuration that was in force, in the order of the log."""
    log = SqliteLog.open(data, read_only=True)
    try:
        events = [record.event for record in records(log, "default")]
    finally:
        log.close()
    applied = [event.config for event in events if isinstance(event, ConfigApplied)]
    return [msgspec.json.decode(config, type=EngineConfig) for config in applied]


async def work(client: Client, answered: list[str], enough: asyncio.Event) -> None:
    """Route and report until told to stop; any refusal is raised."""
    while not enough.is_set():
        routed = await client.route(task={"work_type": "code"})
        await client.report(decision_id=routed.decision_id, quality=0.5)
        answered.append(routed.decision_id)


async def complained(daemon: Daemon, times: int) -> None:
    """Wait until so many files were refused."""
    async with asyncio.timeout(PATIENCE_S):
        while daemon.complaints().count("the last configuration stays") < times:
            await asyncio.sleep(0.005)


async def test_reloads_under_load_fail_no_call_and_a_broken_file_changes_nothing(
    tmp_path: Path,
) -> None:
    """100 reloads, every second of a broken file: each good one is an event, and in force."""
    answered: list[str] = []
    enough = asyncio.Event()
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            clients = [asyncio.create_task(work(Client(channel), answered, enough)) for _ in "1234"]
            for number in range(RELOADS):
                changed = {**daemon.config, "utility": {"cost": number / 8}}
                good = number % 2 == 0
                broken = BROKEN[number // 2 % len(BROKEN)]
                text = json.dumps(changed) if good else broken(changed)
                daemon.config_file.write_text(text, encoding="latin-1")
                daemon.process.send_signal(signal.SIGHUP)
                if good:
                    line = await asyncio.to_thread(daemon.line)
                    assert re.fullmatch(r"configuration in force at position \d+\n", line)
                else:
                    await complained(daemon, 1 + number // 2)
            enough.set()
            await asyncio.gather(*clients)
        assert daemon.end() == 0
        assert "Traceback" not in daemon.complaints()
    costs = [config.utility.cost for config in configurations(daemon.data)]
    assert costs[1:] == [number / 8 for number in range(2, RELOADS, 2)]  # 0 was there at the start
    assert len(answered) > RELOADS
    assert verified(daemon.data).mismatches == ()


def test_what_needs_a_restart_is_said(tmp_path: Path) -> None:
    """Another listen or data_dir is named as taken from the next start on; the rest is in force."""
    with Daemon(tmp_path, CONFIG) as daemon:
        changed = {**daemon.config, "listen": "127.0.0.1:1", "durability": "power", "seed": 5}
        daemon.config_file.write_text(json.dumps(changed))
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.line() == (
            "configuration in force at position 2; from the next start on: listen, durability\n"
        )
        assert daemon.end() == 0
    assert [config.seed for config in configurations(daemon.data)] == [0, 5]


def test_a_watched_file_takes_over_when_it_changes(tmp_path: Path) -> None:
    """With watch_config_ms nobody has to ask; a broken file is refused and its repair applied."""
    with Daemon(tmp_path, {**CONFIG, "watch_config_ms": 20}) as daemon:
        for seed in (1, 2):
            beside = tmp_path / "beside"
            beside.write_text(json.dumps({**daemon.config, "seed": seed}))
            beside.replace(daemon.config_file)
            assert daemon.line() == f"configuration in force at position {1 + seed}\n"
            daemon.config_file.write_text("agents: [")
            asyncio.run(complained(daemon, seed))
        daemon.config_file.unlink()
        daemon.config_file.write_text(json.dumps({**daemon.config, "seed": 3}))
        assert daemon.line() == "configuration in force at position 4\n"
        assert daemon.end() == 0
    assert [config.seed for config in configurations(daemon.data)] == [0, 1, 2, 3]


def test_a_flag_outlives_a_reload(tmp_path: Path) -> None:
    """What a flag or the environment set at the start is not undone by the file."""
    with Daemon(tmp_path, CONFIG, ROUTERD_SEED="7") as daemon:
        changed = {**daemon.config, "seed": 5, "utility": {"cost": 1.0}}
        daemon.config_file.write_text(json.dumps(changed))
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.line() == "configuration in force at position 2\n"
        assert daemon.end() == 0
    found = [(config.seed, config.utility.cost) for config in configurations(daemon.data)]
    assert found == [(7, 0.0), (7, 1.0)]


def test_a_hangup_while_it_starts_is_heard_when_it_serves(tmp_path: Path) -> None:
    """It does not end the daemon: the configuration is read again as soon as calls are accepted."""
    file = tmp_path / "routerd.json"
    file.write_text(json.dumps({**CONFIG, "listen": "127.0.0.1:0", "audit": {"enabled": False}}))
    words = ["serve", "--config", str(file), "--data", str(tmp_path / "data")]
    command = [sys.executable, "-m", "routerd", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not caught(process.pid) >> (signal.SIGHUP - 1) & 1:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            process.send_signal(signal.SIGHUP)
            assert process.stdout is not None
            assert " listening on " in process.stdout.readline()
            assert process.stdout.readline().startswith("configuration in force at position ")
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


def caught(pid: int) -> int:
    """The signals that a process has handlers for, as a bit each."""
    (line,) = re.findall(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(line, 16)

"""Promise 2: a failing disk is never acknowledged; the daemon says so, reads on, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from routerd.audit.queries import projected_through
from routerd.clock import wall_clock
from routerd.config import parse
from routerd.engine.fold import fold
from routerd.log.sqlite import SqliteLog
from routerd.server.app import Server
from routerd.server.upkeep import LOOK_EVERY_S
from routerd.v1 import audit_pb2
from tests.cli.conftest import command, environment
from tests.e2e.daemon import PATIENCE_S, Daemon, verified
from tests.e2e.test_kill import CONFIG, Ledger, Stubs, hold_to_the_ledgers, send_again, work
from tests.log.disk import watched_disk
from tests.log.entries import append
from tests.server.harness import Client, Refusal, refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TASK = {"work_type": "code"}


async def health(client: Client, wanted: int) -> None:
    """Wait until every service has this health."""
    for service in ("", "routerd.v1.RouterService", "routerd.v1.AuditService"):
        request = health_pb2.HealthCheckRequest(service=service)
        async with asyncio.timeout(PATIENCE_S):
            while (await client.health.Check(request)).status != wanted:
                await asyncio.sleep(0.02)


async def until_read_only(ledger: Ledger, channel: grpc.aio.Channel) -> Refusal:
    """Work until a call is refused; every refusal must be for the disk's sake."""
    return await refused(work(ledger, Stubs(channel)))


async def read_on(client: Client, ledgers: list[Ledger]) -> None:
    """What was acknowledged is answered for; what is new is refused and changes nothing."""
    for ledger in ledgers:
        known = {key: routed for key, routed in ledger.routes.items() if routed}
        request_id, routed = next(iter(known.items()))
        record = await client.decision(routed.decision_id)
        assert (record.agent_id, record.request_id) == (routed.agent_id, request_id)
        shown = await client.preview(request_id=f"{request_id}-x", task=TASK)
        assert shown.agent_id
        refusal = await refused(client.route(request_id=f"{request_id}-x", task=TASK))
        assert_read_only(refusal)
        assert_read_only(await refused(client.report(decision_id=routed.decision_id, quality=0.1)))


def assert_read_only(refusal: Refusal) -> None:
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_ONLY")


async def test_a_full_disk_under_load_loses_nothing_and_is_left_behind(tmp_path: Path) -> None:
    """The daemon's files may not grow: READ_ONLY and NOT_SERVING until they may, twice."""
    ledgers = [Ledger(f"c{i}") for i in range(6)]
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            for _ in range(2):
                await health(client, SERVING)
                working = [asyncio.create_task(until_read_only(le, channel)) for le in ledgers]
                await asyncio.sleep(0.4)
                daemon.limit_file_bytes(4_096)
                for refusal in await asyncio.gather(*working):
                    assert_read_only(refusal)
                await health(client, NOT_SERVING)
                await read_on(client, ledgers)
                daemon.limit_file_bytes(-1)
                await health(client, SERVING)
            stub = Stubs(channel)
            await asyncio.gather(*(send_again(ledger, stub) for ledger in ledgers))
        assert daemon.end() == 0
        assert "Traceback" not in daemon.complaints()
    hold_to_the_ledgers(daemon.data, ledgers)
    assert verified(daemon.data).mismatches == ()


async def test_a_daemon_that_ends_on_a_full_disk_has_kept_its_word(tmp_path: Path) -> None:
    """SIGTERM while read-only ends it cleanly; a new start has all that was acknowledged."""
    ledger = Ledger("c")
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            working = asyncio.create_task(until_read_only(ledger, channel))
            await asyncio.sleep(0.2)
            daemon.limit_file_bytes(4_096)
            assert_read_only(await working)
        assert await asyncio.to_thread(daemon.end) == 0
        daemon.start()
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            await send_again(ledger, Stubs(channel))
        assert daemon.end() == 0
    hold_to_the_ledgers(daemon.data, [ledger])
    assert verified(daemon.data).mismatches == ()


@contextlib.contextmanager
def mounted(directory: Path, size: str) -> Iterator[None]:
    """A file system of this size in memory; skips where none can be mounted."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


async def test_a_file_system_of_16_mb_fills_up_and_is_served_from_again(tmp_path: Path) -> None:
    """Under load until no byte is left: READ_ONLY, NOT_SERVING; with room again, all is there.

    Of so many bytes the log itself takes few: it could not go on where it alone had taken them all.
    """
    ledgers = [Ledger(f"c{i}") for i in range(6)]
    data = tmp_path / "data"
    with mounted(data, "16m"), Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            for _ in range(2):
                await health(client, SERVING)
                working = [asyncio.create_task(until_read_only(le, channel)) for le in ledgers]
                await asyncio.sleep(0.3)
                with contextlib.suppress(OSError), (data / "ballast").open("wb") as ballast:
                    while True:
                        ballast.write(bytes(4_096))
                        ballast.flush()
                for refusal in await asyncio.gather(*working):
                    assert_read_only(refusal)
                await health(client, NOT_SERVING)
                assert f"no space is left on the disk of {data}" in daemon.complaints()
                await read_on(client, ledgers)
                (data / "ballast").unlink()
                await health(client, SERVING)
            await asyncio.gather(*(send_again(ledger, Stubs(channel)) for ledger in ledgers))
        assert daemon.end() == 0
        assert "Traceback" not in daemon.complaints()
        assert (
            "WARNING routerd.engine.committer the log can be written again" in daemon.complaints()
        )
        hold_to_the_ledgers(daemon.data, ledgers)
        assert verified(daemon.data).mismatches == ()


@pytest.mark.parametrize("verb", ["verify", "repair", "migrate", "snapshot"])
def test_a_command_says_that_the_disk_is_full(tmp_path: Path, verb: str) -> None:
    """In one sentence, whatever SQLite calls it; what a killed process left is as it was."""
    data = tmp_path / "data"
    with mounted(data, "1m"):
        with closing(SqliteLog.open(tmp_path / "alive")) as log:
            append(log, 20)
            left = shutil.ignore_patterns("log.db-shm")
            shutil.copytree(tmp_path / "alive", data, ignore=left, dirs_exist_ok=True)
        before = [(data / name).read_bytes() for name in ("log.db", "log.db-wal")]
        with contextlib.suppress(OSError), (data / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4_096))
        done = subprocess.run(
            command(verb, data), env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert f"no space is left on the disk of {data}" in done.stderr
        assert [(data / name).read_bytes() for name in ("log.db", "log.db-wal")] == before


@pytest.mark.parametrize("harm", ["deleted", "replaced", "moved"])
async def test_a_data_directory_that_is_gone_takes_no_more_acknowledgements(
    tmp_path: Path, harm: str
) -> None:
    """READ_ONLY within seconds, whatever is called; where the same files come back, it goes on."""
    ledger = Ledger("c")
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    with Daemon(tmp_path, CONFIG) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            working = asyncio.create_task(until_read_only(ledger, channel))
            await asyncio.sleep(0.2)
            match harm:
                case "deleted":
                    shutil.rmtree(data)
                case "replaced":
                    shutil.copy(data / "log.db", data / "copy")
                    (data / "copy").replace(data / "log.db")
                case "moved":
                    data.rename(elsewhere)
            async with asyncio.timeout(PATIENCE_S):
                assert_read_only(await working)
            await health(client, NOT_SERVING)
            await read_on(client, [ledger])
            assert "was deleted, moved or replaced" in daemon.complaints()
            if harm == "moved":
                elsewhere.rename(data)
                await health(client, SERVING)
                await send_again(ledger, Stubs(channel))
        assert daemon.end() == 0
    if harm == "moved":
        hold_to_the_ledgers(data, [ledger])


async def test_who_reads_on_behind_a_deleted_wal_hears_of_no_damage(tmp_path: Path) -> None:
    """A watcher is told to watch again, the projector begins again, and both have everything."""
    audited: dict[str, Any] = {**CONFIG, "audit": {"enabled": True}}
    with Daemon(tmp_path, audited) as daemon:
        async with grpc.aio.insecure_channel(daemon.address) as channel:
            client = Client(channel)
            await health(client, SERVING)
            watch: Any = client.audit.WatchEvents
            request = audit_pb2.WatchEventsRequest(from_position=1)
            watched = aiter(watch(request))
            for i in range(20):
                await client.route(request_id=f"before{i}", task=TASK)
            seen = [(await anext(watched)).event.position for _ in range(21)]
            await projected_to(daemon, seen[-1])
            (daemon.data / "log.db-wal").unlink()
            await health(client, NOT_SERVING)
            await health(client, SERVING)
            last = [await client.route(request_id=f"behind{i}", task=TASK) for i in range(60)][-1]
            refusal = await refused(anext(watched))
            assert_read_only(refusal)
            assert "watch again from position 22" in refusal.message
            watched = aiter(watch(audit_pb2.WatchEventsRequest(from_position=22)))
            seen += [(await anext(watched)).event.position for _ in range(60)]
            assert seen == list(range(1, last.position + 1))
            await projected_to(daemon, last.position)
        assert daemon.end() == 0
        assert "damaged" not in daemon.complaints()


async def projected_to(daemon: Daemon, position: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while projected_through(daemon.data, "default", wanted=True) != position:
            await asyncio.sleep(0.02)


async def test_a_disk_that_is_nearly_full_is_told_of_before_it_is(tmp_path: Path) -> None:
    """Once, with what is free and where; again only when there was plenty of room meanwhile."""
    data = tmp_path / "data"

    def sized(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(data)], check=True)

    async def told(daemon: Daemon, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while daemon.complaints().count(f"MB are free where {data} is: make room") < times:
                await asyncio.sleep(0.05)

    with mounted(data, "1g"), Daemon(tmp_path, CONFIG) as daemon:
        assert daemon.complaints() == ""
        sized("100m")
        await told(daemon, 1)
        sized("400m")  # more than is little, but not plenty
        await asyncio.sleep(2 * LOOK_EVERY_S)
        sized("100m")
        await asyncio.sleep(2 * LOOK_EVERY_S)
        sized("1g")
        await asyncio.sleep(2 * LOOK_EVERY_S)
        sized("100m")
        await told(daemon, 2)
        assert daemon.end() == 0
    assert daemon.complaints().count("are free") == 2


class Running:
    """A server in this process on a log in a directory."""

    def __init__(self, app: Server, log: SqliteLog, client: Client) -> None:
        self.app, self.log, self.client = app, log, client

    def hold_to_the_log(self) -> None:
        """The live state is the one that a fold of the log gives."""
        assert self.app.sequencer.state.hash() == fold(self.log, "default").hash()


@asynccontextmanager
async def running(folder: Path, **config: Any) -> AsyncIterator[Running]:
    log = SqliteLog.open(folder)
    app = Server(parse({**CONFIG, "listen": "127.0.0.1:0", **config}), log, wall_clock())
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            yield Running(app, log, Client(channel))
    finally:
        await app.stop()
        log.close()


def break_descriptors(*broken: int) -> None:
    """Lead descriptors of a file into a pipe, which the kernel can neither fsync nor read at."""
    pipe = os.pipe()
    for fd in broken:
        os.dup2(pipe[0], fd, inheritable=False)
    for end in pipe:
        os.close(end)


def descriptors_of(path: Path) -> list[int]:
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{fd}") == str(path):
                found.append(fd)
    return found


async def test_a_disk_that_refuses_writes_is_told_and_recovered_from(tmp_path: Path) -> None:
    """SQLite is refused every write and sync until the disk works: state equals a refold then."""
    with watched_disk() as disk:
        async with running(tmp_path) as s:
            kept = await s.client.route(request_id="kept", task=TASK)
            await s.client.report(decision_id=kept.decision_id, outcome_id="o", quality=1.0)
            before = s.app.sequencer.state.hash()
            disk.failing = range(1, 2**31)
            calls = [refused(s.client.route(request_id=f"r{i}", task=TASK)) for i in range(5)]
            for refusal in await asyncio.gather(*calls):
                assert_read_only(refusal)
            await health(s.client, NOT_SERVING)
            assert s.app.sequencer.state.hash() == before
            assert await s.client.route(request_id="kept", task=TASK) == kept
            again = await s.client.report(decision_id=kept.decision_id, outcome_id="o", quality=1.0)
            assert again.duplicate
            assert (await s.client.decision(kept.decision_id)).outcome.quality == 1.0
            disk.failing = range(0)
            await health(s.client, SERVING)
            s.hold_to_the_log()
            routed = await s.client.route(request_id="r0", task=TASK)
            assert routed.position == kept.position + 2
            s.hold_to_the_log()
    assert verified(tmp_path).mismatches == ()


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_an_fsync_that_fails_is_no_acknowledgement(tmp_path: Path, durability: str) -> None:
    """Who waits for the platter gets READ_ONLY; after recovery the same call is acknowledged."""
    async with running(tmp_path, durability=durability) as s:
        kept = await s.client.route(request_id="kept", task=TASK)
        await s.client.report(decision_id=kept.decision_id, outcome_id="o1", quality=1.0)
        assert s.log._files._wal_fd is not None
        break_descriptors(s.log._files._wal_fd)
        if durability == "power":
            assert_read_only(await refused(s.client.route(request_id="lost", task=TASK)))
        told = {"decision_id": kept.decision_id, "outcome_id": "o2", "quality": 0.5}
        assert_read_only(await refused(s.client.report(**told)))
        await health(s.client, NOT_SERVING)
        assert_read_only(await refused(s.client.route(request_id="later", task=TASK)))
        assert (await s.client.decision(kept.decision_id)).outcome.quality >= 0.5
        await health(s.client, SERVING)
        s.hold_to_the_log()
        await s.client.report(**told)
        assert (await s.client.decision(kept.decision_id)).outcome.quality == 0.5
        assert (await s.client.decision(kept.decision_id)).outcome.reports == 2
        await s.client.route(request_id="later", task=TASK)
        s.hold_to_the_log()
    assert verified(tmp_path).mismatches == ()


async def test_a_disk_that_can_not_even_be_read_is_recovered_from(tmp_path: Path) -> None:
    """While the WAL can be neither written nor read nothing is answered; then all that it held."""
    async with running(tmp_path) as s:
        kept = await s.client.route(request_id="kept", task=TASK)
        break_descriptors(*descriptors_of(tmp_path / "log.db-wal"))
        for _ in range(3):
            assert_read_only(await refused(s.client.route(request_id="lost", task=TASK)))
        assert_read_only(await refused(s.client.decision(kept.decision_id)))
        await health(s.client, NOT_SERVING)
        await health(s.client, SERVING)
        s.hold_to_the_log()
        assert await s.client.route(request_id="kept", task=TASK) == kept
        lost = await s.client.route(request_id="lost", task=TASK)
        assert lost.position == kept.position + 1
    assert verified(tmp_path).mismatches == ()

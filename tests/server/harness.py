"""A server in this process over a disk that can fail, the daemon as users run it, and a client."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc

from routerd.audit.projector import Projector
from routerd.child import ROUTERD
from routerd.clock import wall_clock
from routerd.config import parse
from routerd.core.base import DEFAULT_PARTITION
from routerd.log.base import Entry, LogStuck, LogUnavailable
from routerd.log.memory import MemoryLog
from routerd.server.app import Server
from routerd.v1 import (
    agents_pb2,
    agents_pb2_grpc,
    audit_pb2,
    audit_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    router_pb2,
    router_pb2_grpc,
    types_pb2,
)

CONFIG = {
    "listen": "127.0.0.1:0",
    "agents": [
        {"id": "large", "pool": "paid", "capabilities": ["code", "vision"]},
        {"id": "medium", "pool": "paid", "capabilities": ["code"]},
        {"id": "small", "pool": "free"},
    ],
    "features": [
        {"kind": "category", "name": "work_type"},
        {"kind": "number", "name": "complexity"},
        {"kind": "number", "name": "files"},
        {"kind": "text"},
        {"kind": "embedding", "dimension": 4, "size": 2},
    ],
    "outcomes": {"sources": ["reviewer", "ci"]},
    "audit": {"enabled": False},
}

PATIENCE_S = 20.0

M = TypeVar("M", bound=Message)


class Disk(MemoryLog):
    """A log whose disk can be full, and whose fsync can be held back."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.flowing = threading.Event()
        self.flowing.set()

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        self.probe()
        super().append(partition, entries, expect)

    def sync(self) -> None:
        assert self.flowing.wait(PATIENCE_S), "the test forgot to let the disk go on"

    def probe(self) -> None:
        if self.full:
            raise LogUnavailable("no space left on device")


class Client:
    """Stubs of every service on one channel, and calls with plain arguments."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.router = router_pb2_grpc.RouterServiceStub(channel)
        self.agents = agents_pb2_grpc.AgentServiceStub(channel)
        self.policy = policy_pb2_grpc.PolicyServiceStub(channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(channel)

    async def route(self, **fields: Any) -> router_pb2.RouteResponse:
        request = router_pb2.RouteRequest(**fields)
        response: router_pb2.RouteResponse = await self.router.Route(request, timeout=PATIENCE_S)
        return response

    async def preview(self, **fields: Any) -> router_pb2.RouteResponse:
        request = router_pb2.PreviewRequest(request=router_pb2.RouteRequest(**fields))
        response: router_pb2.PreviewResponse = await self.router.Preview(
            request, timeout=PATIENCE_S
        )
        return response.answer

    async def report(self, **fields: Any) -> router_pb2.ReportOutcomeResponse:
        request = router_pb2.ReportOutcomeRequest(outcome=types_pb2.Outcome(**fields))
        response: router_pb2.ReportOutcomeResponse = await self.router.ReportOutcome(
            request, timeout=PATIENCE_S
        )
        return response

    async def agent(self, verb: str, **fields: Any) -> agents_pb2.Agent:
        """RegisterAgent, UpdateAgent or GetAgent, by its verb."""
        request = getattr(agents_pb2, f"{verb}AgentRequest")(**fields)
        call: Any = getattr(self.agents, f"{verb}Agent")
        agent: agents_pb2.Agent = (await call(request, timeout=PATIENCE_S)).agent
        return agent

    async def override(self, verb: str, **fields: Any) -> policy_pb2.Override:
        """CreateOverride, UpdateOverride or GetOverride, by its verb."""
        request = getattr(policy_pb2, f"{verb}OverrideRequest")(**fields)
        call: Any = getattr(self.policy, f"{verb}Override")
        rule: policy_pb2.Override = (await call(request, timeout=PATIENCE_S)).rule
        return rule

    async def experiment(self, verb: str, **fields: Any) -> policy_pb2.Experiment:
        """CreateExperiment, GetExperiment, StopExperiment or PromoteExperiment, by its verb."""
        request = getattr(policy_pb2, f"{verb}ExperimentRequest")(**fields)
        call: Any = getattr(self.policy, f"{verb}Experiment")
        found: policy_pb2.Experiment = (await call(request, timeout=PATIENCE_S)).experiment
        return found

    async def beat(self, *agent_ids: str, **fields: Any) -> int:
        """One heartbeat for each agent; returns when they are taken, how many they were."""
        request = agents_pb2.HeartbeatRequest
        wires = [request(agent_id=agent_id, **fields) for agent_id in agent_ids]
        call: Any = self.agents.Heartbeat
        response: agents_pb2.HeartbeatResponse = await call(iter(wires), timeout=PATIENCE_S)
        return response.heartbeats

    async def raw(self, path: str, data: bytes) -> bytes:
        """Call the method /service/method with these bytes, whatever they are."""
        call: Any = self.channel.unary_unary(path)
        response: bytes = await call(data, timeout=PATIENCE_S)
        return response

    async def decision(self, decision_id: str) -> audit_pb2.DecisionRecord:
        request = audit_pb2.GetDecisionRequest(decision_id=decision_id)
        response: audit_pb2.GetDecisionResponse = await self.audit.GetDecision(
            request, timeout=PATIENCE_S
        )
        return response.decision


class Running:
    """A server in this process, its disk, and a client of it."""

    def __init__(self, app: Server, disk: Disk, client: Client) -> None:
        self.app = app
        self.address = f"127.0.0.1:{app.port}"
        self.disk = disk
        self.client = client
        self.stopping: asyncio.Task[None] | None = None

    def stop(self) -> asyncio.Task[None]:
        """Start to stop, once; the task ends when the server has."""
        if self.stopping is None:
            self.stopping = asyncio.create_task(self.app.stop())
        return self.stopping

    def state(self) -> tuple[int, str]:
        """The position, and the hash of all that decisions depend on."""
        return self.app.sequencer.position, self.app.sequencer.state.hash()

    def project(self) -> None:
        """Bring the audit file up to the log, as the projector of a daemon does by itself."""
        directory = self.app.projection.directory
        with closing(Projector(self.disk, DEFAULT_PARTITION, directory)) as projector:
            while projector.advance():
                pass

    async def stalled_report(
        self, decision_id: str, **fields: Any
    ) -> asyncio.Task[router_pb2.ReportOutcomeResponse]:
        """A report that was accepted, and waits for an fsync that is held back."""
        self.disk.flowing.clear()
        before = self.app.sequencer.position
        report = asyncio.create_task(
            self.client.report(decision_id=decision_id, success=True, **fields)
        )
        await until(lambda: self.app.sequencer.position > before)
        return report


@asynccontextmanager
async def in_process(
    clock: Callable[[], int] | None = None,
    config: Mapping[str, Any] = CONFIG,
    disk: Disk | None = None,
    **server: int,
) -> AsyncIterator[Running]:
    """A server with these bounds (see routerd.settings.Server) over a Disk."""
    disk = disk or Disk()
    with tempfile.TemporaryDirectory() as folder:
        given = {"listen": "127.0.0.1:0", "data_dir": folder, **config, "server": server}
        app = Server(parse(given), disk, clock or wall_clock())
        await app.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            running = Running(app, disk, Client(channel))
            try:
                yield running
            finally:
                disk.full = False
                disk.flowing.set()
                with suppress(LogStuck):  # for a test that expects it
                    await running.stop()


class Daemon:
    """`routerd serve` in a process of its own; `address` is where it listens.

    differing: keys of the configuration that are not as in CONFIG.
    """

    def __init__(self, folder: Path, **differing: Any) -> None:
        config = folder / "routerd.json"
        config.write_text(json.dumps({**CONFIG, **differing}))
        self.data = folder / "data"
        data = str(self.data)
        self.process = subprocess.Popen(
            [*ROUTERD, "serve", "--config", str(config), "--data", data],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"listening on (\S+:\d+)", line)
        if not found:
            self.__exit__()
            raise AssertionError(f"the daemon did not start: {line!r}")
        self.address = found[1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()


class Refusal:
    """What a client can read from a call that failed."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        trailing = dict(error.trailing_metadata() or ())
        self.code = error.code()
        self.message = error.details() or ""
        self.pushback_ms = trailing.get("grpc-retry-pushback-ms")
        told = trailing.get("grpc-status-details-bin", b"")
        assert isinstance(told, bytes)
        self._read(status_pb2.Status.FromString(told))

    @classmethod
    def of(cls, status: status_pb2.Status) -> Self:
        """Of one message among several."""
        self = cls.__new__(cls)
        (self.code,) = (code for code in grpc.StatusCode if code.value[0] == status.code)
        self.message, self.pushback_ms = status.message, None
        self._read(status)
        return self

    def _read(self, status: status_pb2.Status) -> None:
        self.status = status
        info = self.detail(error_details_pb2.ErrorInfo)
        self.reason, self.domain, self.facts = info.reason, info.domain, dict(info.metadata)
        bad = self.detail(error_details_pb2.BadRequest)
        self.fields = [violation.field for violation in bad.field_violations]

    def detail(self, kind: type[M]) -> M:
        """The detail of this type; an empty one when there is none."""
        found = kind()
        for packed in self.status.details:
            if packed.Unpack(found):
                break
        return found


async def refused(call: Awaitable[Any]) -> Refusal:
    """The refusal of a call that must fail."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await call
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    raise AssertionError(f"the call was answered: {answer}")


async def told(call: Any, messages: Iterable[Message]) -> list[Any]:
    """The answers of a stream to these messages, which are all sent before the first is read."""

    async def send() -> None:
        for message in messages:
            await call.write(message)
        await call.done_writing()

    async with asyncio.timeout(PATIENCE_S):
        sending = asyncio.create_task(send())
        answers = await read(call)
        await sending
    return answers


async def read(call: Any, count: int | None = None) -> list[Any]:
    """The next answers of a stream, so many or all."""
    answers: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(answers) != count and (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)
    return answers


async def until(true: Callable[[], bool]) -> None:
    """Return when something that another task does has happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)


async def pump(call: Any, messages: list[Any]) -> None:
    """Write all of these; whoever answers may read no more of them meanwhile."""
    for message in messages:
        await call.write(message)

"""Both clients behind one set of awaitable methods, and servers for them to meet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self

import grpc

from routerd.client import AsyncClient, Client, Counts, Decision
from routerd.client.async_client import Routed
from routerd.clock import wall_clock
from routerd.config import parse
from routerd.server.app import Server
from routerd.v1 import audit_pb2, router_pb2
from tests.server.harness import Client as Stubs
from tests.server.harness import Disk, Running

CONFIG: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "agents": [{"id": "large", "capabilities": ["vision"]}, {"id": "small", "pool": "free"}],
    "static_routes": [{"agent": "large"}],
    "durability": "power",
}


class Threaded:
    """The client without asyncio: each call in a thread, so that the server can answer here."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._client = Client(*arguments, **settings)

    def route(self, *arguments: Any, **conditions: Any) -> Routed:
        return Routed(lambda: asyncio.to_thread(self._client.route, *arguments, **conditions))

    async def preview(self, *arguments: Any, **conditions: Any) -> router_pb2.RouteResponse:
        return await asyncio.to_thread(self._client.preview, *arguments, **conditions)

    async def decision(self, decision_id: str) -> audit_pb2.DecisionRecord:
        return await asyncio.to_thread(self._client.decision, decision_id)

    async def report(self, decision: Decision | str = "", **told: Any) -> str:
        return await asyncio.to_thread(self._client.report, decision, **told)

    async def flush(self, timeout_s: float = 10.0) -> bool:
        return await asyncio.to_thread(self._client.flush, timeout_s)

    @property
    def counts(self) -> Counts:
        return self._client.counts

    async def close(self, timeout_s: float = 5.0) -> None:
        await asyncio.to_thread(self._client.close, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(timeout_s=0.0)


AnyClient = AsyncClient | Threaded
KINDS: dict[str, type[AsyncClient] | type[Threaded]] = {"async": AsyncClient, "sync": Threaded}


@asynccontextmanager
async def serving(
    listen: str = "127.0.0.1:0", budgets: Sequence[Mapping[str, object]] = (), **server: int
) -> AsyncIterator[Running]:
    """A server in this process whose decisions wait for the platter of a Disk."""
    disk = Disk()
    config = parse({**CONFIG, "listen": listen, "budgets": list(budgets), "server": server})
    app = Server(config, disk, wall_clock())
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        running = Running(app, disk, Stubs(channel))
        try:
            yield running
        finally:
            disk.full = False
            disk.flowing.set()
            await running.stop()


def address(running: Running) -> str:
    return f"127.0.0.1:{running.app.port}"


@contextmanager
def silence() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"

"""grpc.health.v1: how the daemon is, told to whoever asks and whoever watches.

All its services serve or none does, so there is one state. gRPC's own servicer holds a lock while
it writes: a watcher that reads nothing would keep the state from changing, and a drain from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routerd.core.errors import ErrorReason, RouterError
from routerd.server import errors
from routerd.server.streams import Context

Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """names: of the services, besides "" for the daemon. most: so many may watch.

    `watchers` are those who do. It serves from `set` on, and no more from `drain` on.
    """

    def __init__(self, names: Iterable[str], most: int) -> None:
        self.watchers = 0
        self._names = frozenset({"", *names})
        self._most = most
        self._status: int = Response.NOT_SERVING
        self._draining = False
        self._changed = asyncio.Event()

    def set(self, *, serving: bool) -> None:
        if not self._draining:
            self._status = Response.SERVING if serving else Response.NOT_SERVING
            self._changed.set()
            self._changed = asyncio.Event()

    def drain(self) -> None:
        self.set(serving=False)
        self._draining = True

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return Response(status=self._status)

    async def List(self, request: Any, context: Context) -> Any:
        told = health_pb2.HealthListResponse()  # type: ignore[attr-defined]
        for name in self._names:
            told.statuses[name].status = self._status
        return told

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """The status at once and whenever it is another one."""
        if self.watchers >= self._most:
            text = f"{self._most} watch health already: come back later"
            crowded = RouterError(ErrorReason.OVERLOADED, text)
            await context.abort(*errors.call_status(crowded, ""))
        self.watchers += 1
        try:
            told = None
            while True:
                changed = self._changed
                known = request.service in self._names
                status = self._status if known else Response.SERVICE_UNKNOWN
                if status != told:
                    await context.write(Response(status=status))
                    told = status
                await changed.wait()
        finally:
            self.watchers -= 1

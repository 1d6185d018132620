"""The service config that ships, as gRPC of any language reads it, against a server."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from routerd.client.channel import SERVICE_CONFIG, with_defaults
from routerd.v1 import (
    agents_pb2,
    audit_pb2,
    audit_pb2_grpc,
    policy_pb2,
    router_pb2,
    router_pb2_grpc,
)
from tests.server.harness import Daemon

FILES = (router_pb2, agents_pb2, policy_pb2, audit_pb2)
SERVICES = [s for file in FILES for s in file.DESCRIPTOR.services_by_name.values()]
CONFIG = json.loads(SERVICE_CONFIG)


class Failing(router_pb2_grpc.RouterServiceServicer):
    """Ends the first calls as it is told, then answers."""

    def __init__(self, *first: grpc.StatusCode, pushback_ms: str = "") -> None:
        self.first = list(first)
        self.pushback_ms = pushback_ms
        self.ids: list[str] = []
        self.times_s: list[float] = []

    async def Route(  # noqa: N802
        self, request: router_pb2.RouteRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> router_pb2.RouteResponse:
        self.ids.append(request.request_id)
        self.times_s.append(time.monotonic())
        if self.first:
            told = (("grpc-retry-pushback-ms", self.pushback_ms),) if self.pushback_ms else ()
            await context.abort(self.first.pop(0), "not now", told)
        return router_pb2.RouteResponse(agent_id="large")


@asynccontextmanager
async def called(servicer: Failing) -> AsyncIterator[Any]:
    """A stub on a channel with nothing but the service config."""
    server = grpc.aio.server()
    router_pb2_grpc.add_RouterServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = [("grpc.service_config", SERVICE_CONFIG)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield router_pb2_grpc.RouterServiceStub(channel)
    await server.stop(None)


async def test_a_server_that_is_away_for_a_moment_is_asked_again() -> None:
    """UNAVAILABLE is retried with the same request, so with the same key."""
    failing = Failing(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE)
    async with called(failing) as stub:
        answer = await stub.Route(router_pb2.RouteRequest(request_id="job"), timeout=10)
    assert answer.agent_id == "large"
    assert failing.ids == ["job"] * 3


@pytest.mark.parametrize(
    "code",
    sorted(set(grpc.StatusCode) - {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}, key=str),
)
async def test_nothing_else_is_retried(code: grpc.StatusCode) -> None:
    """A refusal stays one, an overloaded server is left alone, a deadline is over."""
    failing = Failing(code)
    async with called(failing) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await stub.Route(router_pb2.RouteRequest(), timeout=10)
    assert told.value.code() is code
    assert len(failing.ids) == 1


async def test_a_server_that_says_when_is_asked_then() -> None:
    """Pushback outweighs the configured backoff: no sooner than the server says."""
    failing = Failing(grpc.StatusCode.UNAVAILABLE, pushback_ms="300")
    async with called(failing) as stub:
        await stub.Route(router_pb2.RouteRequest(), timeout=10)
    first, second = failing.times_s
    assert second - first >= 0.3


async def test_a_server_that_says_never_is_not_asked_again() -> None:
    """A negative pushback is gRPC's word for it."""
    failing = Failing(grpc.StatusCode.UNAVAILABLE, pushback_ms="-1")
    async with called(failing) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Route(router_pb2.RouteRequest(), timeout=10)
    assert len(failing.ids) == 1


def test_calls_are_retried_alike_and_streams_are_not() -> None:
    """gRPC would hold an idle stream open for ever when the daemon goes away, to begin it anew."""
    (entry,) = CONFIG["methodConfig"]
    assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    named = {(of["service"], of["method"]) for of in entry["name"]}
    for service in SERVICES:
        for method in service.methods:
            streams = method.client_streaming or method.server_streaming
            assert ((service.full_name, method.name) in named) is not streams


def test_an_idle_stream_ends_with_the_daemon(tmp_path: Path) -> None:
    """Whoever watches is told, though nothing has come yet."""
    with (
        Daemon(tmp_path) as daemon,
        grpc.insecure_channel(daemon.address, options=with_defaults(())) as channel,
    ):
        router_pb2_grpc.RouterServiceStub(channel).Route(router_pb2.RouteRequest())
        watching = audit_pb2_grpc.AuditServiceStub(channel).WatchEvents(
            audit_pb2.WatchEventsRequest(), timeout=60
        )
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        begun_s = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            next(watching)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - begun_s < 30

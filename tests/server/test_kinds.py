"""The four kinds of methods behind the gate, each by a servicer that only passes messages on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import DecodeError

from routerd.core.base import DEFAULT_PARTITION
from routerd.core.errors import ErrorReason, RouterError
from routerd.engine.committer import Committer
from routerd.server.interceptors import Gate, Methods, Partition
from routerd.settings import Server
from routerd.v1.router_pb2 import RouteRequest, RouteResponse
from tests.core.engine import Engine
from tests.server.harness import PATIENCE_S, refused, until


def described() -> ServiceDescriptor:
    """A service with a method of each kind, named after it."""
    file = FileDescriptorProto(name="tests/kinds.proto", package="tests", syntax="proto3")
    file.dependency.append("routerd/v1/router.proto")
    service = file.service.add(name="Kinds")
    for name, client, server in (
        ("Unary", False, False),
        ("Server", False, True),
        ("Client", True, False),
        ("Both", True, True),
    ):
        service.method.add(
            name=name,
            input_type=".routerd.v1.RouteRequest",
            output_type=".routerd.v1.RouteResponse",
            client_streaming=client,
            server_streaming=server,
        )
    Default().AddSerializedFile(file.SerializeToString())
    return Default().FindServiceByName("tests.Kinds")


KINDS = described()


class Kinds:
    """Answers each request with its own id; `refuse` is an id that is refused."""

    def __init__(self) -> None:
        self.deadlines: list[float | None] = []
        self.closed: list[str] = []
        self.holds = 0
        self.held = asyncio.Event()
        self.held.set()

    def answer(self, wire: RouteRequest) -> RouteResponse:
        if wire.request_id == "refuse":
            raise RouterError(ErrorReason.EMPTY_POOL, "refused")
        return RouteResponse(request_id=wire.request_id)

    async def Unary(  # noqa: N802
        self, wire: RouteRequest, partition: Partition, deadline_s: float
    ) -> RouteResponse:
        self.deadlines.append(deadline_s)
        return self.answer(wire)

    async def Server(  # noqa: N802
        self, wire: RouteRequest, partition: Partition, deadline_s: float | None
    ) -> AsyncIterator[RouteResponse]:
        self.deadlines.append(deadline_s)
        try:
            for request_id in wire.request_id.split():
                if request_id == "wait":
                    await asyncio.Event().wait()
                yield self.answer(RouteRequest(request_id=request_id))
        finally:
            self.closed.append("Server")

    async def Client(  # noqa: N802
        self, wires: AsyncIterator[RouteRequest], partition: Partition, deadline_s: float | None
    ) -> RouteResponse:
        self.deadlines.append(deadline_s)
        told = [self.answer(wire).request_id async for wire in wires]
        return RouteResponse(request_id=" ".join(told))

    async def Both(  # noqa: N802
        self, wires: AsyncIterator[RouteRequest], partition: Partition, deadline_s: float | None
    ) -> AsyncIterator[RouteResponse]:
        self.deadlines.append(deadline_s)
        try:
            while True:
                try:
                    wire = await anext(wires)
                except StopAsyncIteration:
                    return
                except DecodeError:
                    wire = RouteRequest(request_id="broken")
                self.holds += 1
                await self.held.wait()
                yield self.answer(wire)
        finally:
            self.closed.append("Both")


class Served:
    """A server of the kinds, and calls of them."""

    def __init__(self, gate: Gate, kinds: Kinds, channel: grpc.aio.Channel) -> None:
        self.gate = gate
        self.kinds = kinds
        self.channel = channel

    def call(self, kind: str, *argument: Any, timeout: float | None = PATIENCE_S) -> Any:
        """A call of a kind; with an argument, a single request of this id."""
        make: Any = {
            "Unary": self.channel.unary_unary,
            "Server": self.channel.unary_stream,
            "Client": self.channel.stream_unary,
            "Both": self.channel.stream_stream,
        }[kind]
        method = make(f"/tests.Kinds/{kind}", None, RouteResponse.FromString)
        data = [RouteRequest(request_id=a).SerializeToString() for a in argument]
        return method(*data, timeout=timeout)


@asynccontextmanager
async def served(**limits: int) -> AsyncIterator[Served]:
    """A gRPC server on a socket with nothing but the gate before the kinds."""
    sequencer = Engine().sequencer
    committer = Committer(sequencer, lambda serving: None, most=256)
    gate = Gate(Server(**limits), {DEFAULT_PARTITION: Partition.of(sequencer, committer)})
    kinds, methods = Kinds(), Methods(gate)
    methods.add(KINDS, kinds)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((methods,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(gate, kinds, channel)
    finally:
        kinds.held.set()
        await server.stop(None)
        await committer.close()


async def say(call: Any, *request_ids: str) -> None:
    for request_id in request_ids:
        await call.write(RouteRequest(request_id=request_id).SerializeToString())


async def test_each_kind_passes_messages_both_ways() -> None:
    """One or many requests, one or many answers, as the descriptor says."""
    async with served() as s:
        assert (await s.call("Unary", "a")).request_id == "a"
        assert [a.request_id async for a in s.call("Server", "a b c")] == ["a", "b", "c"]
        client = s.call("Client")
        await say(client, "a", "b")
        await client.done_writing()
        assert (await client).request_id == "a b"
        both = s.call("Both")
        for request_id in ("a", "b"):
            await say(both, request_id)
            assert (await both.read()).request_id == request_id
        await both.done_writing()
        assert await both.read() is grpc.aio.EOF
        assert s.gate.streams == s.gate.in_flight == 0


async def test_a_stream_has_the_deadline_of_its_client_or_none() -> None:
    """A unary call gets the server's; a stream runs on until its client's deadline."""
    async with served(default_timeout_ms=50) as s:
        await s.call("Unary", "a", timeout=None)
        assert [a.request_id async for a in s.call("Server", "a", timeout=None)] == ["a"]
        assert [a.request_id async for a in s.call("Server", "a")] == ["a"]
        unary, none, some = s.kinds.deadlines
        assert none is None
        assert unary is not None
        assert some is not None
        assert some > unary + 1
        late = s.call("Server", "a wait", timeout=0.1)
        assert (await late.read()).request_id == "a"
        assert await late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: s.kinds.closed == ["Server"] * 3)


@pytest.mark.parametrize("kind", ["Server", "Client", "Both"])
async def test_what_a_method_raises_ends_its_stream(kind: str) -> None:
    """With the status of the table, after what was answered before."""
    async with served() as s:
        if kind == "Server":
            call = s.call(kind, "a refuse b")
        else:
            call = s.call(kind)
            await say(call, "a", "refuse")
        if kind == "Client":
            refusal = await refused(call)
        else:
            assert (await call.read()).request_id == "a"
            refusal = await refused(call.read())
        assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (refusal.reason, refusal.message) == ("EMPTY_POOL", "refused")
        await until(lambda: s.gate.streams == 0)


@pytest.mark.parametrize("kind", ["Server", "Client"])
async def test_a_broken_message_ends_a_stream_that_cannot_answer_it(kind: str) -> None:
    """INVALID_ARGUMENT, which names the type that was expected."""
    async with served() as s:
        make: Any = {"Server": s.channel.unary_stream, "Client": s.channel.stream_unary}[kind]
        call = make(f"/tests.Kinds/{kind}")(*([b"\xff"] if kind == "Server" else []))
        if kind == "Client":
            await call.write(b"\xff")
        refusal = await refused(call if kind == "Client" else call.read())
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "RouteRequest" in refusal.message


async def test_a_broken_message_does_not_end_a_stream_that_answers_each() -> None:
    """The method is told of it in its place, and goes on with the next."""
    async with served() as s:
        both = s.call("Both")
        await say(both, "a")
        await both.write(b"\xff")
        await say(both, "b")
        told = [(await both.read()).request_id for _ in range(3)]
        assert told == ["a", "broken", "b"]


async def test_no_more_streams_are_open_than_allowed() -> None:
    """One beyond max_streams is OVERLOADED and told when to come back; unary calls are not."""
    async with served(max_streams=2) as s:
        first, second = s.call("Both"), s.call("Server", "a wait")
        await say(first, "a")
        await first.read()
        await second.read()
        for kind in ("Both", "Client"):
            call = s.call(kind)
            refusal = await refused(call if kind == "Client" else call.read())
            assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refusal.reason == "OVERLOADED"
            assert int(refusal.pushback_ms or 0) > 0
        await s.call("Unary", "a")
        second.cancel()
        await until(lambda: s.gate.streams == 1)
        third = s.call("Both")
        await say(third, "a")
        assert (await third.read()).request_id == "a"


async def test_a_drain_ends_every_stream_in_draining() -> None:
    """Streams that wait for their client or for news end at once; new ones are refused so too."""
    async with served() as s:
        calls = [s.call("Server", "a wait"), s.call("Client"), s.call("Both")]
        await say(calls[1], "a")
        await say(calls[2], "a")
        await calls[0].read()
        await calls[2].read()
        await until(lambda: s.gate.streams == 3)
        async with asyncio.timeout(PATIENCE_S):
            await s.gate.drain()
        for call in calls:
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        for call in (calls[1], calls[2].read(), s.call("Unary", "a")):
            assert (await refused(call)).reason == "DRAINING"
        assert (await refused(s.call("Server", "a").read())).reason == "DRAINING"
        assert sorted(s.kinds.closed) == ["Both", "Server"]


async def test_a_drain_waits_for_answers_to_what_was_read() -> None:
    """A message that the method has is answered before its stream ends."""
    async with served() as s:
        s.kinds.held.clear()
        both = s.call("Both")
        await say(both, "a", "b")
        await until(lambda: s.kinds.holds == 1)
        drain = asyncio.create_task(s.gate.drain())
        assert (await refused(s.call("Unary", "c"))).reason == "DRAINING"
        assert not drain.done()
        s.kinds.held.set()
        assert (await both.read()).request_id == "a"
        assert (await refused(both.read())).reason == "DRAINING"
        await drain


async def test_a_client_that_hangs_up_closes_its_method() -> None:
    """The generator is closed and the stream no longer counted."""
    async with served() as s:
        for kind, argument in (("Server", ["a wait"]), ("Both", [])):
            call = s.call(kind, *argument)
            if kind == "Both":
                await say(call, "a")
            await call.read()
            call.cancel()
        await until(lambda: s.gate.streams == 0)
        assert s.kinds.closed == ["Server", "Both"]

"""What stands before and behind every method: limits, identity, deadline, and how errors leave.

A method is wrapped once, when it is registered: a call then pays for one more frame and no
interceptor chain. A method takes what the client sends, a Partition and the call's deadline, in the
time of the event loop. What the client sends is a parsed request, or if it may send many, an
asynchronous iterator of them. It returns a response, or if it may give many, is an asynchronous
generator of them:

    unary           async def M(self, wire, partition, deadline_s) -> Message
    server stream   def M(self, wire, partition, deadline_s) -> AsyncIterator[Message]
    client stream   async def M(self, wires, partition, deadline_s) -> Message
    bidirectional   def M(self, wires, partition, deadline_s) -> AsyncIterator[Message]

A stream whose client sets no deadline has none: its deadline_s is None. When the server drains, the
messages of the client end, a wait for the next answer of a server stream is cancelled, and the call
ends in DRAINING. What goes wrong with one message of a bidirectional stream is for its method to
answer; what it raises ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple, NoReturn, ParamSpec, Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from routerd.core.base import DEFAULT_PARTITION
from routerd.core.errors import ErrorReason, RouterError
from routerd.engine.committer import Committer, P, too_late
from routerd.engine.registry import Registry
from routerd.engine.rules import Rules
from routerd.engine.sequencer import Sequencer
from routerd.engine.trials import Trials
from routerd.server import errors
from routerd.server.admission import Admission
from routerd.server.leases import Leases
from routerd.server.parsing import parser
from routerd.server.streams import Context, Ended, Ending, Sending, Wires
from routerd.settings import Server

CROWDED = errors.call_status(
    RouterError(ErrorReason.OVERLOADED, "calls wait too long already: come back later"), ""
)

Q = ParamSpec("Q")

# An answer that a client lets wait so long holds up no drain, looked at so often.
STALLED_S, LOOK_S = 1.0, 0.1

# A drain waits so long for who may still call. The latter is longer than a pause between attempts
# by the service config, so that nobody is about to ask again when gRPC stops.
LINGER_S, PARTING_S = 0.05, 0.25


class Partition(NamedTuple):
    """What a method works on: one tenant's engine, and the way to its disk."""

    sequencer: Sequencer
    committer: Committer
    registry: Registry
    leases: Leases
    rules: Rules
    trials: Trials

    @classmethod
    def of(cls, sequencer: Sequencer, committer: Committer) -> Self:
        """With the registry of the engine's agents, their leases, the operator's rules and
        experiments."""
        registry = Registry(sequencer)
        leases = Leases(registry, committer)
        rules, trials = Rules(sequencer), Trials(sequencer)
        return cls(sequencer, committer, registry, leases, rules, trials)

    async def change(
        self, deadline_s: float, work: Callable[Q, P], *given: Q.args, **named: Q.kwargs
    ) -> P:
        """Do what changes agents or rules; it is on the platter afterwards."""
        change = partial(work, *given, **named)
        return await self.committer.settle(change, deadline_s, platter=True)


Method = Callable[[Any, Partition, float], Awaitable[Message]]
ManyAnswers = Callable[[Any, Partition, float | None], AsyncGenerator[Message, None]]
ManyRequests = Callable[[Wires[Message], Partition, float | None], Awaitable[Message]]
ManyOfBoth = Callable[[Wires[Message], Partition, float | None], AsyncGenerator[Message, None]]


class Gate:
    """Admits calls to methods, and counts those in flight: streams apart from the others."""

    def __init__(self, limits: Server, partitions: Mapping[str, Partition]) -> None:
        self.in_flight = 0
        self.streams = 0
        self._limits = limits
        self._partitions = partitions
        self._draining = Ending()
        self._sending = Sending()
        self._turned_away = False
        self._released = asyncio.Event()
        self._released.set()
        self._idle = asyncio.Event()

    async def drain(self) -> None:
        """Refuse new calls from now on; return when the admitted ones are answered, and the
        messages of streams that were read.

        A stream whose client takes no answer for STALLED_S is not waited for: what was worked off
        for it is in the log, and sent again it gets the same answers. `streams` counts those.

        Then wait a little for calls that are on their way: when gRPC stops it cancels what it has
        not handed over yet, and only UNAVAILABLE tells a client to go elsewhere. Who is refused may
        ask again at once, so that there is always one on its way: the last ones hear of it at
        `release`.
        """
        self._draining.begin()
        began_s = asyncio.get_running_loop().time()
        while (self.in_flight or self.streams) and not self._stalled_since(began_s):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), LOOK_S)
        await asyncio.sleep(LINGER_S)
        if self._turned_away:
            self._released.clear()
            await asyncio.sleep(PARTING_S)

    def release(self) -> None:
        """Tell the last callers of a drain: gRPC has told their clients that it takes no more."""
        self._released.set()

    def _stalled_since(self, began_s: float) -> bool:
        """Whether only clients that read nothing keep a drain up that began then."""
        if self.in_flight or asyncio.get_running_loop().time() - began_s < STALLED_S:
            return False
        return self.streams == self._sending.stalled(STALLED_S)

    def identify(self, context: Context) -> Partition:
        """The partition of whoever calls. The only place that knows who that is."""
        return self._partitions[DEFAULT_PARTITION]

    def refuse_if_closed(self) -> None:
        """Raises RouterError: DRAINING, OVERLOADED."""
        self._refuse_if_draining()
        if self.in_flight >= self._limits.max_in_flight:
            limit = self._limits.max_in_flight
            raise RouterError(
                ErrorReason.OVERLOADED, f"{limit} calls are in flight: come back later"
            )

    def _refuse_if_draining(self) -> None:
        if self._draining.begun:
            self._turned_away = True
            raise draining()

    def _left(self) -> None:
        """A call has ended."""
        if self._draining.begun and not (self.in_flight or self.streams):
            self._idle.set()

    def unary(self, method: Method, request_type: type[Message]) -> Callable[..., Any]:
        """The handler of a method with one request and one response."""
        name = request_type.DESCRIPTOR.name
        parse = parser(request_type)
        default_timeout_s = self._limits.default_timeout_ms / 1000
        now_s = asyncio.get_running_loop().time

        async def handle(data: bytes, context: Context) -> Message:
            admitted = False
            try:
                self.refuse_if_closed()
                admitted = True
                self.in_flight += 1
                partition = self.identify(context)
                request = parse(data)
                remaining_s = context.time_remaining()
                if remaining_s is None:
                    async with asyncio.timeout(default_timeout_s):
                        return await method(request, partition, now_s() + default_timeout_s)
                if remaining_s <= 0:
                    raise too_late()
                # From here on gRPC itself ends the call at its deadline.
                return await method(request, partition, now_s() + remaining_s)
            except Exception as error:
                await self._released.wait()
                await abort(context, name, error)
            finally:
                if admitted:
                    self.in_flight -= 1
                    self._left()

        return handle

    def server_stream(self, method: ManyAnswers, request_type: type[Message]) -> Callable[..., Any]:
        """The handler of a method with one request and many responses."""
        parse = parser(request_type)

        async def handle(data: bytes, context: Context) -> None:
            async with self._stream(context, request_type) as (partition, deadline_s):
                request = parse(data)
                async with aclosing(method(request, partition, deadline_s)) as answers:
                    following = partial(anext, answers, None)
                    while (answer := await self._draining.wait(following)) is not None:
                        await self._sending.send(context, answer)

        return handle

    def client_stream(
        self, method: ManyRequests, request_type: type[Message]
    ) -> Callable[..., Any]:
        """The handler of a method with many requests and one response."""
        parse = parser(request_type)

        async def handle(_: object, context: Context) -> Message:
            async with self._stream(context, request_type) as (partition, deadline_s):
                wires = Wires(context, parse, self._draining)
                answer = await method(wires, partition, deadline_s)
                wires.raise_if_cut()
            return answer

        return handle

    def bidirectional(self, method: ManyOfBoth, request_type: type[Message]) -> Callable[..., Any]:
        """The handler of a method with many requests and many responses."""
        parse = parser(request_type)

        async def handle(_: object, context: Context) -> None:
            async with self._stream(context, request_type) as (partition, deadline_s):
                wires = Wires(context, parse, self._draining)
                async with aclosing(method(wires, partition, deadline_s)) as answers:
                    async for answer in answers:
                        await self._sending.send(context, answer)
                wires.raise_if_cut()

        return handle

    @asynccontextmanager
    async def _stream(
        self, context: Context, request_type: type[Message]
    ) -> AsyncIterator[tuple[Partition, float | None]]:
        """Admit a stream, and end it with what goes wrong."""
        admitted = False
        try:
            self._refuse_if_draining()
            if self.streams >= self._limits.max_streams:
                limit = self._limits.max_streams
                raise RouterError(
                    ErrorReason.OVERLOADED, f"{limit} streams are open: come back later"
                )
            admitted = True
            self.streams += 1
            partition = self.identify(context)
            remaining_s = context.time_remaining()
            if remaining_s is None:
                yield partition, None
            elif remaining_s > 0:
                yield partition, asyncio.get_running_loop().time() + remaining_s
            else:
                raise too_late()
        except Ended:
            await abort(context, request_type.DESCRIPTOR.name, draining())
        except Exception as error:
            await self._released.wait()
            await abort(context, request_type.DESCRIPTOR.name, error)
        finally:
            if admitted:
                self.streams -= 1
                self._left()


async def abort(context: Context, name: str, error: Exception) -> NoReturn:
    """End a call with what went wrong."""
    await context.abort(*errors.call_status(error, name))


async def refuse(_: object, context: Context) -> NoReturn:
    """End a call of which nothing was read."""
    await context.abort(*CROWDED)


def draining() -> RouterError:
    text = "the server is shutting down: ask another, or ask again later"
    return RouterError(ErrorReason.DRAINING, text)


class Methods(grpc.GenericRpcHandler):
    """All methods by path. As a generic handler: grpc.aio pays per call for registered ones."""

    def __init__(self, gate: Gate) -> None:
        # By whether the client streams, and whether the server does.
        self._kinds: dict[tuple[bool, bool], tuple[Callable[..., Any], Callable[..., Any]]] = {
            (False, False): (gate.unary, grpc.unary_unary_rpc_method_handler),
            (False, True): (gate.server_stream, grpc.unary_stream_rpc_method_handler),
            (True, False): (gate.client_stream, grpc.stream_unary_rpc_method_handler),
            (True, True): (gate.bidirectional, grpc.stream_stream_rpc_method_handler),
        }
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        # It reads no message, and so serves methods of any kind.
        refusal: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(refuse)
        self._refusal = refusal
        self.admission: Admission | None = None

    def add(self, service: ServiceDescriptor, servicer: object) -> None:
        """Register every method that the service declares; the servicer must have them all."""
        self._handlers.update(self._wrapped(service, servicer))

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler, admission = self._handlers.get(handler_call_details.method), self.admission
        if admission is None:
            return handler
        admission.came()
        return handler if handler is None or admission.admits() else self._refusal

    def _wrapped(
        self, service: ServiceDescriptor, servicer: object
    ) -> Iterator[tuple[str, grpc.RpcMethodHandler[Any, Any]]]:
        for method in service.methods:
            request, response = map(GetMessageClass, (method.input_type, method.output_type))
            wrap, handler = self._kinds[method.client_streaming, method.server_streaming]
            # Without a deserializer: a broken request is refused by the gate, like any other.
            yield (
                f"/{service.full_name}/{method.name}",
                handler(
                    wrap(getattr(servicer, method.name), request),
                    response_serializer=response.SerializeToString,
                ),
            )

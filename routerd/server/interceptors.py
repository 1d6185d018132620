"""What stands before and behind every method: limits, identity, deadline, and how errors leave.

A method is wrapped once, when it is registered: a call then pays for one more frame and no
interceptor chain. A method takes a parsed request, a Partition and the call's deadline, in the time
of the event loop, and returns a response.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import ServicerContext

from routerd.core.errors import ErrorReason, RouterError, Violation, invalid
from routerd.core.settings import Server
from routerd.log.committer import Committer, too_late
from routerd.log.sequencer import Sequencer
from routerd.server import errors

logger = logging.getLogger(__name__)

DEFAULT_PARTITION = "default"

LINGER_S = 0.05
LINGER_ROUNDS = 20

Context = ServicerContext[Any, Any]


class Partition(NamedTuple):
    """What a method works on: one tenant's engine, and the way to its disk."""

    sequencer: Sequencer
    committer: Committer


Method = Callable[[Any, Partition, float], Awaitable[Message]]


class Gate:
    """Admits calls to methods, and counts those in flight."""

    def __init__(self, limits: Server, partitions: Mapping[str, Partition]) -> None:
        self.in_flight = 0
        self._limits = limits
        self._partitions = partitions
        self._draining = False
        self._turned_away = 0
        self._idle = asyncio.Event()

    async def drain(self) -> None:
        """Refuse new calls from now on; return when the admitted ones are answered.

        Then wait a little for calls that are on their way: when gRPC stops it cancels what it has
        not handed over yet, and only UNAVAILABLE tells a client to go elsewhere.
        """
        self._draining = True
        if self.in_flight:
            await self._idle.wait()
        for _ in range(LINGER_ROUNDS):
            before = self._turned_away
            await asyncio.sleep(LINGER_S)
            if self._turned_away == before:
                return

    def identify(self, context: Context) -> Partition:
        """The partition of whoever calls. The only place that knows who that is."""
        return self._partitions[DEFAULT_PARTITION]

    def refuse_if_closed(self) -> None:
        """Raises RouterError: DRAINING, OVERLOADED."""
        if self._draining:
            self._turned_away += 1
            raise RouterError(ErrorReason.DRAINING, "the server is shutting down")
        if self.in_flight >= self._limits.max_in_flight:
            limit = self._limits.max_in_flight
            raise RouterError(ErrorReason.OVERLOADED, f"{limit} calls are in flight already")

    def unary(self, method: Method, request_type: type[Message]) -> Callable[..., Any]:
        """The handler of a method with one request and one response."""
        name = request_type.DESCRIPTOR.name
        parse = request_type.FromString
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
                await abort(context, name, error)
            finally:
                if admitted:
                    self.in_flight -= 1
                    if self._draining and not self.in_flight:
                        self._idle.set()

        return handle


async def abort(context: Context, name: str, error: Exception) -> NoReturn:
    """End a call with what went wrong. What is nobody's refusal is our bug: it is logged."""
    match error:
        case RouterError():
            refusal = error
        case DecodeError():
            refusal = invalid([Violation("", f"is not a message of type {name}")])
        case TimeoutError():
            text = "the deadline passed before the answer was durable: ask again with the same key"
            refusal = RouterError(ErrorReason.DEADLINE_PASSED, text)
        case _:
            log_bug(name, error)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has it")
    await context.abort(*errors.status(refusal))


def log_bug(name: str, error: Exception) -> None:
    """Log where, without the exception's own words: they may quote a task."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s ended in %s\n%s", name, type(error).__name__, frames)


class Methods(grpc.GenericRpcHandler):
    """All methods by path. As a generic handler: grpc.aio pays per call for registered ones."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add(self, service: ServiceDescriptor, servicer: object) -> None:
        """Register every method that the service declares; the servicer must have them all."""
        self._handlers.update(self._wrapped(service, servicer))

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._handlers.get(handler_call_details.method)

    def _wrapped(
        self, service: ServiceDescriptor, servicer: object
    ) -> Iterator[tuple[str, grpc.RpcMethodHandler[Any, Any]]]:
        for method in service.methods:
            request, response = map(GetMessageClass, (method.input_type, method.output_type))
            # Without a deserializer: a broken request is refused by the gate, like any other.
            handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
                self._gate.unary(getattr(servicer, method.name), request),
                response_serializer=response.SerializeToString,
            )
            yield f"/{service.full_name}/{method.name}", handler

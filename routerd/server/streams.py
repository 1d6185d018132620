"""What a stream needs besides its method: messages one by one, both ways, and waits that a drain
ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.message import Message
from grpc.aio import ServicerContext

Context = ServicerContext[Any, Any]

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class Ended(Exception):
    """The server drains: what was waited for will not be looked at any more."""


class Ending:
    """Ends the waits of streams when the server begins to drain. A wait itself costs nothing."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        self.begun = True
        for task in self._waiting:
            task.cancel()

    async def wait(self, start: Callable[[], Awaitable[T]]) -> T:
        """What `start` waits for. Raises Ended when the drain begins before it is there."""
        if self.begun:
            raise Ended
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            return await start()
        except asyncio.CancelledError:
            # The drain's own cancellation is taken back; that of the call stands.
            if self.begun and not task.uncancel():
                raise Ended from None
            raise
        finally:
            self._waiting.discard(task)


class Wires(Generic[M]):
    """The messages that a client sends, as an asynchronous iterator; it ends when a drain begins.

    What `parse` raises of a message it raises too; the next one can be asked for all the same.
    """

    def __init__(self, context: Context, parse: Callable[[bytes], M], ending: Ending) -> None:
        self._cut = False
        self._context = context
        self._parse = parse
        self._ending = ending

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        try:
            data: Any = await self._ending.wait(self._context.read)
        except Ended:
            self._cut = True
            raise StopAsyncIteration from None
        if data is grpc.aio.EOF:
            raise StopAsyncIteration
        return self._parse(data)

    def raise_if_cut(self) -> None:
        """Raises Ended when there may be more messages, but a drain began."""
        if self._cut:
            raise Ended


class Sending:
    """Sends the messages of the server's streams, and knows who waits for a client to read."""

    def __init__(self) -> None:
        self._since_s: dict[asyncio.Task[Any] | None, float] = {}
        self._now_s = asyncio.get_running_loop().time

    async def send(self, context: Context, answer: Message) -> None:
        """Send one of a stream's; a client that is gone cancels its call."""
        task = asyncio.current_task()
        self._since_s[task] = self._now_s()
        try:
            await context.write(answer)
        except Exception:  # gRPC has no public name for it
            raise asyncio.CancelledError from None
        finally:
            del self._since_s[task]

    def stalled(self, for_s: float) -> int:
        """How many have waited so long."""
        until_s = self._now_s() - for_s
        return sum(since_s <= until_s for since_s in self._since_s.values())

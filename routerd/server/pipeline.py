"""A stream that gives each message one answer: worked on as they come, answered in their order.

While the first of them waits for the disk, later ones are read and worked on, a bounded number of
them: then nothing more is read until the client has taken an answer. So a client that never reads
its answers holds up itself, and costs no more than that number of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from routerd.server.errors import message_status

M = TypeVar("M", bound=Message)
T = TypeVar("T", bound=Message)


class Begun(NamedTuple, Generic[T]):
    """A message that is worked on. key: what its answer is to be recognised by."""

    key: str
    deadline_s: float
    future: asyncio.Future[T]


class Pipeline(Generic[T]):
    """What a stream has begun and not answered; `name` is the type of its messages.

    most: so many messages may be unanswered.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._room = asyncio.Semaphore(most)
        self._begun: deque[Begun[T]] = deque()
        self._news = asyncio.Event()

    async def answers(
        self,
        wires: AsyncIterator[M],
        begin: Callable[[M], Begun[T]],
        answer: Callable[[str, T | Status], Message],
    ) -> AsyncIterator[Message]:
        """One answer for each message: made of its key, and what became of it or its Status."""
        reader = asyncio.create_task(self._read(wires, begin))
        try:
            while self._begun or not reader.done():
                if not self._begun:
                    self._news.clear()
                    await self._news.wait()
                    continue
                first = self._begun[0]
                yield answer(first.key, await self._became(first))
                self._begun.popleft()
                self._room.release()
            await reader  # raises what ended it
        finally:
            reader.cancel()
            for begun in self._begun:
                forget(begun.future)

    async def _read(self, wires: AsyncIterator[M], begin: Callable[[M], Begun[T]]) -> None:
        try:
            while True:
                await self._room.acquire()
                try:
                    begun = begin(await anext(wires))
                except DecodeError as error:
                    begun = broken(error)
                self._begun.append(begun)
                self._news.set()
        except StopAsyncIteration:
            pass
        finally:
            self._news.set()

    async def _became(self, begun: Begun[T]) -> T | Status:
        future = begun.future
        if not future.done():
            left_s = begun.deadline_s - asyncio.get_running_loop().time()
            await asyncio.wait((future,), timeout=left_s)
        if future.cancel():
            return message_status(TimeoutError(), self._name)
        error = future.exception()
        if error is None:
            return future.result()
        assert isinstance(error, Exception)
        return message_status(error, self._name)


def broken(error: DecodeError) -> Begun[Any]:
    """What was sent is no message: it has no key, and its answer is there already."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return Begun("", 0.0, future)


def forget(future: asyncio.Future[Any]) -> None:
    """Nobody asks any more: work that did not begin will not, and no failure is called unheard."""
    if not future.cancel() and not future.cancelled():
        future.exception()

"""A stream that gives each message one answer: worked on as they come, answered in their order.

While answers wait for the disk or for the client, the messages behind them are read, and worked on
several at a time. They are bounded in number: then nothing more is read until the client has taken
an answer. So a client that never reads holds up itself, and costs no more than so many answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from routerd.core.errors import RouterError
from routerd.engine.committer import Committer, overloaded, too_late
from routerd.server.errors import message_status
from routerd.settings import Server

M = TypeVar("M", bound=Message)

# Messages are gathered while earlier ones are unanswered, but no more, larger or longer than this.
MOST, MOST_BYTES, PATIENCE_S = 16, 64 * 1024, 0.001
# What names a message is repeated in its answer; longer names are refused anyway.
KEY_CHARS = 1_024

Told = Message | Exception


class Kind(NamedTuple, Generic[M]):
    """What a stream is about.

    name: of the type of its messages. key: what names a message. before: what is found out about a
    message before it is worked on, given its deadline, or why it is refused; if that has to be
    awaited, the messages behind it are worked on meanwhile. work: what becomes of some messages,
    given what was found out; one result for each. answer: a result, or a Status, as it is sent.
    platter: whether an answer waits until what it says survives power loss.
    """

    name: str
    key: Callable[[M], str]
    before: Callable[[M, float], Any]
    work: Callable[[Sequence[M], Sequence[Any]], Sequence[Told]]
    answer: Callable[[str, Any], Message]
    platter: bool


class Begun(NamedTuple):
    """A message that was read; the message itself is not kept."""

    key: str
    deadline_s: float


class Settled(NamedTuple):
    """What became of the messages of a round, and the position that has to be durable."""

    position: int
    results: Sequence[Told]


class Round(NamedTuple):
    """Messages that were gathered, and what will have become of them."""

    messages: Sequence[Begun]
    future: asyncio.Future[Settled]


class Pipeline(Generic[M]):
    """One stream at work. Its messages have a timeout_ms, 0 for the server's default."""

    def __init__(self, kind: Kind[M], committer: Committer, limits: Server) -> None:
        self._kind = kind
        self._committer = committer
        self._default_timeout_ms = limits.default_timeout_ms
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(limits.max_unanswered)
        self._gathered: list[tuple[Begun, M, Any]] = []
        self._gathered_bytes = 0
        self._patience: asyncio.TimerHandle | None = None
        self._rounds: deque[Round] = deque()
        self._news = asyncio.Event()

    async def answers(self, wires: AsyncIterator[M]) -> AsyncIterator[Message]:
        """One answer for each message, in order."""
        reader = asyncio.create_task(self._read(wires))
        try:
            while True:
                if not self._rounds:
                    self._work_off()  # nobody waits for what was gathered to grow
                if not self._rounds:
                    if reader.done():
                        break
                    self._news.clear()
                    await self._news.wait()
                    continue
                first = self._rounds[0]
                for index, message in enumerate(first.messages):
                    yield self._kind.answer(message.key, await self._became(first, index))
                    self._room.release()
                forget(self._rounds.popleft().future)
            await reader  # raises what ended it
        finally:
            reader.cancel()
            if self._patience is not None:
                self._patience.cancel()
            for begun in self._rounds:
                forget(begun.future)

    async def _read(self, wires: AsyncIterator[M]) -> None:
        try:
            while True:
                await self._room.acquire()
                try:
                    self._gather(await anext(wires))
                except (DecodeError, RouterError) as error:  # what is no message, or too long
                    self._work_off()
                    self._refuse([Begun("", 0.0)], error)
        except StopAsyncIteration:
            pass
        finally:
            self._news.set()

    def _gather(self, wire: M) -> None:
        message: Any = wire
        timeout_ms = message.timeout_ms if message.timeout_ms > 0 else self._default_timeout_ms
        begun = Begun(self._kind.key(wire)[:KEY_CHARS], self._loop.time() + timeout_ms / 1000)
        try:
            known = self._kind.before(wire, begun.deadline_s)
        except Exception as error:
            self._work_off()
            self._refuse([begun], error)
            return
        if isawaitable(known):
            self._work_off()
            later = self._loop.create_task(self._later(begun, wire, known))
            self._rounds.append(Round([begun], later))
            self._news.set()
            return
        self._gathered.append((begun, wire, known))
        self._gathered_bytes += wire.ByteSize()
        # Without unanswered messages the client may wait for this one; without room it must.
        alone = not self._rounds or self._room.locked()
        if alone or len(self._gathered) >= MOST or self._gathered_bytes >= MOST_BYTES:
            self._work_off()
        elif self._patience is None:
            self._patience = self._loop.call_later(PATIENCE_S, self._work_off)

    def _work_off(self) -> None:
        """Have the gathered messages worked on, as many as the server has room for."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        room = self._committer.room
        admitted, refused = gathered[:room], gathered[room:]
        if admitted:
            messages = [begun for begun, *_ in admitted]
            latest_s = max(begun.deadline_s for begun in messages)
            future = self._committer.begin(
                lambda: self._settled(admitted),
                latest_s,
                platter=self._kind.platter,
                size=len(admitted),
            )
            self._rounds.append(Round(messages, future))
            self._news.set()
        if refused:
            self._refuse([begun for begun, *_ in refused], overloaded(self._committer.most))

    async def _later(self, begun: Begun, wire: M, waiting: Awaitable[Any]) -> Settled:
        """What becomes of a message of which something has to be awaited first."""
        known = await waiting
        if self._committer.room < 1:
            raise overloaded(self._committer.most)
        return await self._committer.begin(
            lambda: self._settled([(begun, wire, known)]),
            begun.deadline_s,
            platter=self._kind.platter,
            size=1,
        )

    def _refuse(self, messages: Sequence[Begun], error: Exception) -> None:
        future: asyncio.Future[Settled] = self._loop.create_future()
        future.set_result(Settled(0, [error] * len(messages)))
        self._rounds.append(Round(messages, future))
        self._news.set()

    def _settled(self, gathered: Sequence[tuple[Begun, M, Any]]) -> Settled:
        """Work on those messages that are not late yet, as one piece."""
        now_s = self._loop.time()
        on_time = [entry for entry in gathered if entry[0].deadline_s > now_s]
        told = iter(
            self._kind.work([wire for _, wire, _ in on_time], [known for *_, known in on_time])
        )
        results = [next(told) if begun.deadline_s > now_s else too_late() for begun, *_ in gathered]
        return Settled(max(getattr(result, "position", 0) for result in results), results)

    async def _became(self, begun: Round, index: int) -> Message:
        """The result of a message, or the status that says why it has none."""
        future = begun.future
        if not future.done():
            left_s = begun.messages[index].deadline_s - self._loop.time()
            await asyncio.wait((future,), timeout=left_s)
        told: Any = TimeoutError()
        if future.done():
            told = future.exception() or future.result().results[index]
        return message_status(told, self._kind.name) if isinstance(told, Exception) else told


def forget(future: asyncio.Future[Any]) -> None:
    """Nobody asks any more: work that did not begin will not, and no failure is called unheard."""
    if not future.cancel() and not future.cancelled():
        future.exception()

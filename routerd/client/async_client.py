"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
from google.protobuf.message import Message

from routerd.client.base import Base
from routerd.client.channel import checked_timeout
from routerd.client.decision import Decision
from routerd.client.delivery import LONGEST_PAUSE_S, TIMEOUT_S, Calls, Results, Round
from routerd.client.errors import RouterdError, error_of, hung_up
from routerd.client.outbox import logger
from routerd.client.routing import Conditions, TaskLike, Told, request_of
from routerd.v1 import audit_pb2, router_pb2


class AsyncClient(Base[grpc.aio.Channel]):
    """Routes tasks and reports outcomes. Use it in one event loop, and close it there; the block of
    a decision may end in another thread.

        async with AsyncClient("127.0.0.1:7450", fallback={"": "large"}) as client:
            async with client.route({"work_type": "code"}) as decision:
                decision.quality = await run(decision.agent_id)

    fallback: the agent for each work type, "" for the others, while the daemon gives no answer; see
    routerd.client.table.Table. fail_open: whether it is used. timeout_s: how long route waits.
    outbox: how many outcomes are kept at most. credentials: of TLS; without them there is none.
    options: of gRPC's channel.

    Raises Refused where routerd refuses a request, and NoAnswer where there is no answer and no
    fallback: from preview and decision, from route without fail_open. TypeError or ValueError, with
    the argument's name, where one of these can be none. RuntimeError in another event loop than the
    one of its first call: its connection lives in that.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _delivering: asyncio.Task[None] | None = None

    def route(
        self,
        task: TaskLike | None = None,
        *,
        timeout_s: float | None = None,
        **conditions: Unpack[Conditions],
    ) -> Routed:
        """Choose an agent for a task: `await` gives the decision, `async with` reports on it too.

        With fail_open it raises Refused only, and NoAnswer if the table has no agent.
        """
        request = request_of(task, conditions)
        return Routed(lambda: self._route(request, timeout_s))

    async def preview(
        self,
        task: TaskLike | None = None,
        *,
        timeout_s: float | None = None,
        **conditions: Unpack[Conditions],
    ) -> router_pb2.RouteResponse:
        """What the daemon would answer, without a trace."""
        request = router_pb2.PreviewRequest(request=request_of(task, conditions))
        found = await self._call(self._router.Preview, request, timeout_s)
        assert isinstance(found, router_pb2.PreviewResponse)
        return found.answer

    async def decision(
        self, decision_id: str, *, timeout_s: float | None = None
    ) -> audit_pb2.DecisionRecord:
        """A decision as the log holds it, with its current outcome."""
        request = audit_pb2.GetDecisionRequest(decision_id=decision_id)
        found = await self._call(self._audit.GetDecision, request, timeout_s)
        assert isinstance(found, audit_pb2.GetDecisionResponse)
        return found.decision

    async def report(self, decision: Decision | str = "", **told: Unpack[Told]) -> str:
        """Queue an outcome of a decision, given itself or by its id, or of a group; its own id.

        It is sent in the background, and again until the daemon has it.
        """
        return self._routing.report(decision, told)

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the daemon has every outcome; False when the time is over first."""
        self._require_our_loop()
        if self.counts.waiting:
            await asyncio.wait([self._delivery_task()], timeout=timeout_s)
        return not self.counts.waiting

    async def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what waits as long as the time lasts, drop the rest, hang up."""
        await self.flush(timeout_s)
        self._routing.close()
        if self._delivering is not None:
            self._delivering.cancel()
            await asyncio.wait([self._delivering])
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _connected(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._address, options=self._options)
        return grpc.aio.secure_channel(self._address, self._credentials, options=self._options)

    async def _route(self, request: router_pb2.RouteRequest, timeout_s: float | None) -> Decision:
        if not self._routing.admits():
            return self._routing.turned_away(request)
        try:
            answer = await self._call(self._router.Route, request, timeout_s, self._timeout_s)
        except RouterdError as error:
            return self._routing.failed(request, error)
        assert isinstance(answer, router_pb2.RouteResponse)
        return self._routing.decided(request, answer)

    async def _call(
        self, method: Any, request: Message, timeout_s: float | None, default_s: float = TIMEOUT_S
    ) -> Message:
        within_s = default_s if timeout_s is None else checked_timeout(timeout_s)
        self._require_our_loop()
        try:
            found: Message = await method(request, timeout=within_s)
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from None
        except grpc.aio.UsageError:
            raise ValueError("this client is closed") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the caller: gRPC says so when the channel is closed meanwhile.
            raise hung_up() from None
        return found

    def _require_our_loop(self) -> None:
        """Raises RuntimeError in another event loop than that of the first call."""
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            text = "this client belongs to another event loop, where it was used first; make one in"
            raise RuntimeError(f"{text} each loop, as in each asyncio.run, and close it there")
        self._loop = loop

    def _queued(self) -> None:
        """Deliver in the client's loop; the block of a decision may end in a thread beside it."""
        loop = self._loop or asyncio.get_running_loop()
        try:
            loop.call_soon_threadsafe(self._delivery_task)
        except RuntimeError:  # what happened in the block is what its end shall raise
            logger.warning("an outcome stays behind: the event loop of its client is closed")

    def _delivery_task(self) -> asyncio.Task[None]:
        """The task that delivers until nothing waits."""
        if self._delivering is None or self._delivering.done():
            self._delivering = asyncio.get_running_loop().create_task(self._deliver())
        return self._delivering

    async def _deliver(self) -> None:
        """Rounds until nothing waits."""
        while self.counts.waiting:
            try:
                with closing(self._routing.delivery.round()) as steps:
                    pause_s = await self._carry_out(steps)
            except Exception:  # a bug of ours must not end this task: outcomes would pile up
                logger.exception("outcomes are not delivered")
                pause_s = LONGEST_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _carry_out(self, steps: Round) -> float:
        try:
            calls = next(steps)
            while True:
                calls = steps.send(await self._side_by_side(calls))
        except StopIteration as end:
            return float(end.value)

    async def _side_by_side(self, calls: Calls) -> Results:
        method = getattr(self._router, calls.method)

        async def one(request: Message) -> Message | RouterdError:
            try:
                return await self._call(method, request, TIMEOUT_S)
            except RouterdError as error:
                return error

        return await asyncio.gather(*map(one, calls.requests))


class Routed:
    """A decision on its way: await it, or enter it."""

    def __init__(self, ask: Callable[[], Awaitable[Decision]]) -> None:
        self._ask = ask
        self._decision: Decision | None = None

    def __await__(self) -> Generator[Any, None, Decision]:
        return self._ask().__await__()

    async def __aenter__(self) -> Decision:
        self._decision = await self._ask()
        return self._decision.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._decision is not None
        self._decision.__exit__(kind, error, trace)

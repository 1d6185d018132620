"""The client for programs with threads, or with one."""

from __future__ import annotations

import atexit
import threading
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


class Client(Base[grpc.Channel]):
    """Routes tasks and reports outcomes. Threads may share it; a fork makes its own after forking.

        with Client("127.0.0.1:7450", fallback={"": "large"}) as client:
            with client.route({"work_type": "code"}) as decision:
                decision.quality = run(decision.agent_id)

    The methods, what they take and what they raise are those of AsyncClient, without await. One
    thread of its own, from the first outcome on, delivers outcomes.
    """

    _delivering: threading.Thread | None = None

    def route(
        self,
        task: TaskLike | None = None,
        *,
        timeout_s: float | None = None,
        **conditions: Unpack[Conditions],
    ) -> Decision:
        """Choose an agent for a task. A `with` block on the decision reports on it too.

        With fail_open it raises Refused only, and NoAnswer if the table has no agent.
        """
        request = request_of(task, conditions)
        if not self._routing.admits():
            return self._routing.turned_away(request)
        try:
            answer = self._call(self._router.Route, request, timeout_s, self._timeout_s)
        except RouterdError as error:
            return self._routing.failed(request, error)
        assert isinstance(answer, router_pb2.RouteResponse)
        return self._routing.decided(request, answer)

    def preview(
        self,
        task: TaskLike | None = None,
        *,
        timeout_s: float | None = None,
        **conditions: Unpack[Conditions],
    ) -> router_pb2.RouteResponse:
        """What the daemon would answer, without a trace."""
        request = router_pb2.PreviewRequest(request=request_of(task, conditions))
        found = self._call(self._router.Preview, request, timeout_s)
        assert isinstance(found, router_pb2.PreviewResponse)
        return found.answer

    def decision(
        self, decision_id: str, *, timeout_s: float | None = None
    ) -> audit_pb2.DecisionRecord:
        """A decision as the log holds it, with its current outcome."""
        request = audit_pb2.GetDecisionRequest(decision_id=decision_id)
        found = self._call(self._audit.GetDecision, request, timeout_s)
        assert isinstance(found, audit_pb2.GetDecisionResponse)
        return found.decision

    def report(self, decision: Decision | str = "", **told: Unpack[Told]) -> str:
        """Queue an outcome of a decision, given itself or by its id, or of a group; its own id.

        It is sent in the background, and again until the daemon has it.
        """
        return self._routing.report(decision, told)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the daemon has every outcome; False when the time is over first."""
        return self._routing.outbox.wait_empty(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what waits as long as the time lasts, drop the rest, hang up."""
        atexit.unregister(self.close)
        self.flush(timeout_s)
        self._routing.close()
        if self._channel is not None:
            self._channel.close()
        if self._delivering is not None:
            self._delivering.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _connected(self) -> grpc.Channel:
        if self._credentials is None:
            return grpc.insecure_channel(self._address, options=self._options)
        return grpc.secure_channel(self._address, self._credentials, options=self._options)

    def _call(
        self, method: Any, request: Message, timeout_s: float | None, default_s: float = TIMEOUT_S
    ) -> Message:
        within_s = default_s if timeout_s is None else checked_timeout(timeout_s)
        try:
            found: Message = method(request, timeout=within_s)
        except grpc.RpcError as error:
            raise error_of(error) from None
        return found

    def _queued(self) -> None:
        with self._starting:
            if self._delivering is None:
                self._delivering = threading.Thread(
                    target=self._deliver, name="routerd-outcomes", daemon=True
                )
                self._delivering.start()
                # A program that forgets to close keeps its last outcomes all the same.
                atexit.register(self.close)

    def _deliver(self) -> None:
        """Rounds until the outbox is closed."""
        outbox = self._routing.outbox
        while outbox.wait_filled():
            try:
                with closing(self._routing.delivery.round()) as steps:
                    pause_s = self._carry_out(steps)
            except Exception:  # a bug of ours must not end this thread: outcomes would pile up
                logger.exception("outcomes are not delivered")
                pause_s = LONGEST_PAUSE_S
            if pause_s:
                outbox.wait_closed(pause_s)

    def _carry_out(self, steps: Round) -> float:
        try:
            calls = next(steps)
            while True:
                calls = steps.send(self._side_by_side(calls))
        except StopIteration as end:
            return float(end.value)

    def _side_by_side(self, calls: Calls) -> Results:
        method = getattr(self._router, calls.method)
        try:
            sent = [method.future(request, timeout=TIMEOUT_S) for request in calls.requests]
        except ValueError:  # closed: whatever was sent counts as not answered
            return [hung_up()] * len(calls.requests)
        return [result_of(call) for call in sent]


def result_of(call: Any) -> Message | RouterdError:
    """The answer of a call, or what it ended in."""
    try:
        found: Message = call.result()
    except grpc.RpcError as error:
        return error_of(error)
    except grpc.FutureCancelledError:
        return hung_up()
    return found

"""What both clients are made of: their arguments, their connection, and what they count."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Generic, TypeVar

import grpc

from routerd.client.channel import ADDRESS, Options, checked_address, checked_timeout, with_defaults
from routerd.client.outbox import Counts
from routerd.client.routing import Routing
from routerd.client.table import Fallback
from routerd.v1 import audit_pb2_grpc, router_pb2_grpc

C = TypeVar("C", grpc.Channel, grpc.aio.Channel)


class Base(ABC, Generic[C]):
    """A client without its calls, on a channel of type C."""

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        fallback: Fallback | None = None,
        fail_open: bool = True,
        timeout_s: float = 1.0,
        outbox: int = 10_000,
        credentials: grpc.ChannelCredentials | None = None,
        options: Options = (),
    ) -> None:
        self._address = checked_address(address)
        self._timeout_s = checked_timeout(timeout_s)
        self._credentials = credentials
        self._options = with_defaults(options)
        self._routing = Routing(fallback, fail_open=fail_open, outbox=outbox, queued=self._queued)
        self._channel: C | None = None
        self._starting = threading.Lock()

    @property
    def channel(self) -> C:
        """The connection, for stubs of other services too."""
        with self._starting:
            if self._channel is None:
                self._channel = self._connected()
            return self._channel

    @property
    def counts(self) -> Counts:
        """What became of the outcomes."""
        return self._routing.outbox.counts()

    @cached_property
    def _router(self) -> Any:
        return router_pb2_grpc.RouterServiceStub(self.channel)

    @cached_property
    def _audit(self) -> Any:
        return audit_pb2_grpc.AuditServiceStub(self.channel)

    @abstractmethod
    def _connected(self) -> C:
        """A new channel."""

    @abstractmethod
    def _queued(self) -> None:
        """See that what waits in the outbox is delivered."""

"""An event loop whose time is simulated: nothing is waited for, so a day passes at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Stalled(Exception):
    """Everybody waits for somebody else: nothing will ever happen again."""


class Instant(selectors.BaseSelector):
    """No file is ever ready; waiting for one only moves the clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled
        self.now_s += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class Loop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0 s. What is given to a thread is given to `background`, which
    must call the future's methods itself, when it wants."""

    def __init__(self) -> None:
        self._instant = Instant()
        super().__init__(self._instant)
        self.background: Callable[[Callable[[], Any], asyncio.Future[Any]], None] = at_once
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._instant.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        self.background(partial(func, *args) if args else func, future)
        return future


def at_once(work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)

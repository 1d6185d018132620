"""A model behind HTTP, asked for a label: bounded in calls and time, left alone when it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from routerd.breaker import Breaker
from routerd.core.signals import SignalFailure
from routerd.settings_signals import Endpoint as Settings
from routerd.settings_signals import Label
from routerd.signals.reply import NoLabel, read
from routerd.signals.rules import Guess
from routerd.signals.shapes import SHAPES, prompt

MOST_BYTES = 256 * 1024

# What says that the endpoint itself is ill. A reply that cannot be read is the model's doing.
ILL = {SignalFailure.TIMED_OUT, SignalFailure.UNREACHABLE, SignalFailure.HTTP_ERROR}


class Endpoint:
    """One endpoint, used from one event loop. key: sent as a bearer token; empty for none."""

    def __init__(self, settings: Settings, labels: Mapping[str, Label], key: str) -> None:
        self.settings = settings
        self._labels = labels
        self._names = sorted(labels)
        self._shape = SHAPES[settings.protocol]
        self._url = settings.url.rstrip("/") + self._shape.path
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._breaker = Breaker(settings.failures, settings.pause_ms / 1000)
        self._slots = asyncio.Semaphore(settings.max_calls)
        self._waiting = 0
        self._closed = False
        self._session: Any = None

    async def ask(self, text: str) -> Guess:
        """The label of a text, within timeout_ms. Raises NoLabel."""
        try:
            async with asyncio.timeout(self.settings.timeout_ms / 1000):
                return await self._in_turn(text)
        except TimeoutError:
            raise NoLabel(SignalFailure.TIMED_OUT) from None

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _in_turn(self, text: str) -> Guess:
        """Wait for one of the calls that may run at once, and make it if it can still help."""
        if self._slots.locked():
            if self._waiting >= self.settings.max_waiting:
                raise NoLabel(SignalFailure.BUSY)
            self._waiting += 1
            try:
                await self._slots.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._slots.acquire()
        try:
            if not self._breaker.admits():
                raise NoLabel(SignalFailure.BREAKER_OPEN)
            return await self._watched(text)
        finally:
            self._slots.release()

    async def _watched(self, text: str) -> Guess:
        """One call, of which the breaker hears how it went."""
        try:
            guess = await self._call(text)
        except NoLabel as error:
            if error.failure in ILL:
                self._breaker.failed()
            else:
                self._breaker.answered()
            raise
        except asyncio.CancelledError:  # its time is over
            self._breaker.failed()
            raise
        self._breaker.answered()
        return guess

    async def _call(self, text: str) -> Guess:
        import aiohttp

        if self._closed:
            raise NoLabel(SignalFailure.UNREACHABLE)
        settings = self.settings
        body = self._shape.body(settings, prompt(settings, self._labels, text), self._names)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with self._session.post(
                # A redirect could carry the key to somebody else.
                self._url,
                json=body,
                headers=self._headers,
                allow_redirects=False,
            ) as response:
                told = await bounded(response)
                if response.status != 200:
                    raise NoLabel(SignalFailure.HTTP_ERROR)
        except (aiohttp.ClientError, OSError, ValueError):  # the last for hosts that are none
            raise NoLabel(SignalFailure.UNREACHABLE) from None
        try:
            content = self._shape.reply(json.loads(told))
        except (ValueError, LookupError, TypeError, RecursionError):
            raise NoLabel(SignalFailure.BAD_REPLY) from None
        if not isinstance(content, str):
            raise NoLabel(SignalFailure.BAD_REPLY)
        return read(content, settings.reply, self._labels, settings.confidence)


async def bounded(response: Any) -> bytes:
    """The body of a response. Raises NoLabel for one that is far too long."""
    told = b""
    async for part in response.content.iter_any():
        told += part
        if len(told) > MOST_BYTES:
            raise NoLabel(SignalFailure.BAD_REPLY)
    return told

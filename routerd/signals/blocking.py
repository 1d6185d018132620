"""The classifier for programs without an event loop: it gets one, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading

from routerd.signals.hybrid import Classifier, Heard


class Blocking:
    """Safe to share by threads. The loop begins with the first description that needs an endpoint.

    From then on it alone uses the classifier.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def hear(self, text: str, timeout_s: float) -> Heard:
        """What is made of a description. ValueError once this is closed."""
        with self._lock:
            if self._closed:
                raise ValueError("this classifier is closed")
            if self._loop is None:
                heard = self._classifier.quick(text)
                if heard is not None:
                    return heard
                self._loop = self._started()
            asking = asyncio.run_coroutine_threadsafe(self._ask(text, timeout_s), self._loop)
        return asking.result()

    def close(self) -> None:
        """End what is being asked; who asked hears what the rules say. May be called twice."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed or self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ask(self, text: str, timeout_s: float) -> Heard:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        return self._classifier.quick(text) or await self._classifier.ask(text, deadline_s)

    async def _end(self) -> None:
        await self._classifier.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    def _started(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=loop.run_forever, name="routerd-signals", daemon=True
        )
        self._thread.start()
        return loop

"""The writer of a partition: events take a position, are applied, and queue for the log.

What is queued is durable after commit(). If a commit fails, memory is discarded, the state is
folded anew from what the log holds, and nothing is accepted until recover() succeeds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Self

import msgspec

from routerd import __version__
from routerd.core.answers import Logged
from routerd.core.apply import apply
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.fingerprint import fingerprint
from routerd.core.react import react
from routerd.core.settings import EngineConfig, engine_part
from routerd.core.state import State
from routerd.core.values import AnyEvent, ConfigApplied, Record
from routerd.log.base import Entry, Log, LogCorrupt, LogUnavailable
from routerd.log.codec import chain_hash, decision_id, encode
from routerd.log.fold import checked_fold, fold
from routerd.log.snapshot import Snapshots

Clock = Callable[[], int]
"""Milliseconds since the epoch, monotonic."""


class Writer:
    """Keeps a state and its log together. Every method is synchronous."""

    def __init__(
        self, log: Log, state: State, clock: Clock, snapshots: Snapshots | None = None
    ) -> None:
        self.log = log
        self.snapshots = snapshots
        self.state = state
        self.clock = clock
        self.durable = state.position
        self.read_only = False
        self._queue: list[Entry] = []
        # Time goes on from the last event's, even if the wall clock was set back since.
        self._ahead_ms = max(0, state.time_ms - clock())

    @classmethod
    def open(
        cls,
        log: Log,
        config: EngineConfig,
        clock: Clock,
        partition: str = "default",
        snapshots: Snapshots | None = None,
    ) -> Self:
        """Fold the log and apply `config` if it, the engine or the machine changed.

        snapshots: to start from, when one fits. Raises LogCorrupt, LogUnavailable.
        """
        self = cls(log, checked_fold(log, partition, snapshots), clock, snapshots)
        self.configure(config)
        self.commit()
        log.sync()  # what is found was perhaps never synced, and will be answered for
        return self

    def configure(self, config: EngineConfig) -> Logged:
        """Put a configuration in force, if it, the engine or the machine changed.

        Raises READ_ONLY.
        """
        state = self.state
        wanted = msgspec.json.encode(engine_part(config), order="deterministic")
        held = (state.config_bytes, state.engine_version, state.fingerprint)
        if held != (wanted, __version__, fingerprint()):
            self.require_writable()
            now_ms = self.clock() + self._ahead_ms if config.clock == "wall" else 1
            time_ms = max(state.time_ms, now_ms)
            self.append(ConfigApplied(time_ms, state.partition, wanted, __version__, fingerprint()))
        return Logged(self.position)

    @property
    def position(self) -> int:
        return self.state.position

    def commit(self) -> int:
        """Write what is queued in one commit; the last durable position.

        Raises LogUnavailable, Conflict.
        """
        if self.read_only and self.state.position > self.durable:
            raise LogUnavailable("memory holds what the log does not, and the log cannot be read")
        if self._queue:
            batch, self._queue = self._queue, []
            try:
                self.log.append(self.state.partition, batch, expect=self.durable)
            except Exception:  # whatever it was, memory is ahead of the disk now
                self.fail()
                raise
            self.durable = batch[-1].position
        return self.durable

    def fail(self) -> None:
        """The disk cannot be trusted: forget all that it does not hold, accept nothing more."""
        if not self.read_only:
            self.read_only = True
            self._queue = []
            with suppress(LogUnavailable, LogCorrupt):  # recover() tries again, or says so
                self._refold()

    def recover(self) -> bool:
        """Accept again if the disk works. Raises LogCorrupt."""
        if self.read_only:
            try:
                self.log.probe()
                self._refold()
            except LogUnavailable:
                return False
            self.read_only = False
        return True

    def _refold(self) -> None:
        self.state = fold(self.log, self.state.partition, self.snapshots)
        self.durable = self.state.position

    def require_writable(self) -> None:
        """Raises READ_ONLY while the disk fails."""
        if self.read_only:
            text = "the log cannot be written; nothing was changed, try again later"
            raise RouterError(ErrorReason.READ_ONLY, text)

    def time_ms(self, asked_ms: int = 0) -> int:
        """Event time: never before the last event's, whatever the clock says."""
        match self.state.config.clock:
            case "wall":
                now = self.clock() + self._ahead_ms
            case "caller":
                now = asked_ms
            case "logical":
                now = self.state.position + 1
        return max(now, self.state.time_ms)

    def append(self, event: AnyEvent) -> tuple[int, str]:
        """Take the next position, apply, queue."""
        position = self.state.position + 1
        payload = encode(event)
        chained = chain_hash(self.state.chain, position, payload)
        name = decision_id(position, chained)
        apply(self.state, Record(position, chained, event), name)
        self._queue.append(Entry(position, chained, payload))
        return position, name

    def react(self) -> None:
        """Append what the state itself calls for; the last thing that a call does."""
        while events := react(self.state):
            for event in events:
                self.append(event)

"""The writer of a partition: events take a position, queue for the log, and are applied.

What is queued is durable after commit(). If a commit fails, memory is discarded, the state is
folded anew from what the log holds, and nothing is accepted until recover() succeeds.

An event is applied when the state is looked at next. So a decision can be written, and answered,
before the state follows it; whoever looks at the state sees it applied. Where that fails, whoever
looked, it is as if a commit had: nothing of what is queued may be answered for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Self

import msgspec

from routerd import __version__
from routerd.core.answers import Logged
from routerd.core.apply import apply, learning_basis
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.events import AnyEvent, ConfigApplied, Record
from routerd.core.fingerprint import fingerprint
from routerd.core.react import react
from routerd.core.registry import require_room
from routerd.core.settings import EngineConfig, engine_part
from routerd.core.state import State
from routerd.engine.fold import checked_fold, fold
from routerd.log.base import Entry, Log, LogCorrupt, LogUnavailable
from routerd.log.codec import chain_hash, decision_id, encode
from routerd.log.snapshot import Snapshots

logger = logging.getLogger(__name__)

P = ParamSpec("P")

Clock = Callable[[], int]
"""Milliseconds since the epoch, monotonic."""


def untold(_: BaseException) -> None:
    """Nobody wants to hear of a fault but who looked."""


class Writer:
    """Keeps a state and its log together. Every method is synchronous.

    on_fault: told why, when the state could not follow the log and nothing is accepted any more.
    """

    def __init__(
        self, log: Log, state: State, clock: Clock, snapshots: Snapshots | None = None
    ) -> None:
        self.log = log
        self.snapshots = snapshots
        self.clock = clock
        self.durable = state.position
        self.read_only = False
        self.on_fault: Callable[[BaseException], None] = untold
        self._queue: list[Entry] = []
        self._state = state
        # The last event and its name while it is not applied, and whether to react to it then.
        self._behind: tuple[Record, str] | None = None
        self._reacts = False
        self._take_wall_clock()

    @classmethod
    def open(
        cls,
        log: Log,
        config: EngineConfig,
        clock: Clock,
        partition: str = DEFAULT_PARTITION,
        snapshots: Snapshots | None = None,
    ) -> Self:
        """Fold the log and apply `config` if it, the engine or the machine changed.

        snapshots: to start from, when one fits. Raises LogCorrupt, LogUnavailable.
        """
        self = cls.folded(log, clock, partition, snapshots)
        self.begin(config)
        return self

    @classmethod
    def folded(cls, log: Log, clock: Clock, partition: str, snapshots: Snapshots | None) -> Self:
        """As open, and nothing is written yet: begin() comes before all else."""
        return cls(log, checked_fold(log, partition, snapshots), clock, snapshots)

    def begin(self, config: EngineConfig) -> None:
        """Go on from the end of the log, with `config` in force. Raises LogUnavailable."""
        self._go_on()
        self.configure(config)
        self.commit()
        self.log.sync()  # what is found was perhaps never synced, and will be answered for

    def configure(self, config: EngineConfig) -> Logged:
        """Put a configuration in force, if it, the engine or the machine changed.

        Raises READ_ONLY, TOO_MANY_AGENTS.
        """
        state = self.state
        wanted = msgspec.json.encode(engine_part(config), order="deterministic")
        held = (state.config_bytes, state.engine_version, state.fingerprint)
        if held != (wanted, __version__, fingerprint()):
            self.require_writable()
            require_room(state, config)
            if state.position and state.config.clock != "wall":
                self._take_wall_clock()
            now_ms = self.clock() + self._ahead_ms if config.clock == "wall" else 1
            time_ms = max(state.time_ms, now_ms)
            before = learning_basis(state.config) if state.position else {}
            self.append(ConfigApplied(time_ms, state.partition, wanted, __version__, fingerprint()))
            self.react()
            after = learning_basis(self.state.config)
            changed = [key for key, value in before.items() if after[key] != value]
            if changed:
                logger.warning("learning starts anew, because of another %s", ", ".join(changed))
        return Logged(self.position)

    def _take_wall_clock(self) -> None:
        """Time goes on from the last event's, even if the wall clock was set back since, or if
        callers or positions told the time until now."""
        self._ahead_ms = max(0, self._state.time_ms - self.clock())

    @property
    def state(self) -> State:
        """The fold of all that was appended; what it calls for is appended first."""
        if self._behind is not None:
            self._follow(*self._behind)
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self._behind, self._reacts = state, None, False

    @property
    def position(self) -> int:
        return self.state.position

    def commit(self) -> int:
        """Write what is queued, and what the state calls for, in one commit.

        Returns the last durable position. Raises LogUnavailable, Conflict.
        """
        position = self.position
        if self.read_only and position > self.durable:
            raise LogUnavailable("memory holds what the log does not, and the log cannot be read")
        return self.write()

    def write(self) -> int:
        """Write what is queued in one commit, whether or not the state has followed it.

        As commit; what the state calls for is for the next one.
        """
        if self._queue:
            batch, self._queue = self._queue, []
            try:
                self.log.append(self._state.partition, batch, expect=self.durable)
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
            self._reacts = False
            try:
                self._refold()
            except (LogUnavailable, LogCorrupt, OSError):
                pass  # recover() tries again, or says so
            except Exception:  # whoever found the failure has more to do than hear of another one
                logger.exception("what the log holds cannot be folded")

    def recover(self) -> bool:
        """Accept again if the disk works; not where it raises, as with LogCorrupt."""
        if self.read_only:
            try:
                self.log.probe()
                self._refold()
            except (LogUnavailable, OSError):
                return False
            self.read_only = False
            try:
                self._go_on()
            except Exception:
                self.fail()
                raise
        return True

    def _go_on(self) -> None:
        """React to the end of a log that was cut off before what it called for was written."""
        if self.position:
            self.react()

    def _refold(self) -> None:
        self.state = fold(self.log, self._state.partition, self.snapshots)
        self.durable = self._state.position

    def require_writable(self) -> None:
        """Raises READ_ONLY while the disk fails."""
        if self.read_only:
            text = "the log cannot be written; nothing was changed, try again later"
            raise RouterError(ErrorReason.READ_ONLY, text)

    def time_ms(self, asked_ms: int = 0) -> int:
        """Event time: never before the last event's, whatever the clock says."""
        state = self.state
        match state.config.clock:
            case "wall":
                now = self.clock() + self._ahead_ms
            case "caller":
                now = asked_ms
            case "logical":
                now = max(state.position, state.time_ms) + 1
        return max(now, state.time_ms)

    def append(self, event: AnyEvent) -> tuple[int, str]:
        """Take the next position, and queue; the state follows when it is looked at."""
        state = self.state
        position = state.position + 1
        payload = encode(event)
        chained = chain_hash(state.chain, position, payload)
        name = decision_id(position, chained)
        self._queue.append(Entry(position, chained, payload))
        self._behind = Record(position, chained, event), name
        return position, name

    def _follow(self, record: Record, name: str) -> None:
        """Apply what was appended last, and append what that calls for."""
        self._behind = None
        try:
            apply(self._state, record, name)
            if self._reacts:
                self._reacts = False
                self.react()
        except BaseException as error:  # the state is no fold of the log any more
            if not self.read_only:
                self.fail()
                self.on_fault(error)
            raise

    def change(
        self, kind: Callable[Concatenate[int, P], AnyEvent], *fields: P.args, **named: P.kwargs
    ) -> None:
        """Append an event of now, and what that calls for: a change that somebody asked for.

        Raises READ_ONLY.
        """
        event = kind(self.time_ms(), *fields, **named)
        self.require_writable()
        self.append(event)
        self.react()

    def react_later(self) -> None:
        """React when the state follows what was appended last."""
        self._reacts = True

    def react(self) -> None:
        """Append what the state itself calls for; the last thing that a call does."""
        while events := react(self.state):
            for event in events:
                self.append(event)

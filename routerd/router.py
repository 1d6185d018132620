"""The same engine in a Python program, on the same log as the daemon's."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_args

import msgspec
from msgspec.inspect import is_struct_type
from msgspec.structs import fields as fields_of

from routerd.audit.queries import forgettable
from routerd.audit.reach import open_audited
from routerd.clock import wall_clock
from routerd.config import ConfigErrors, load, parse, parse_agent
from routerd.core.answers import Ack, Answer, Found, Listed, Profile
from routerd.core.errors import ErrorReason, RouterError, Violation, invalid
from routerd.core.settings import Agent
from routerd.core.state import Claimed
from routerd.core.validate import MAX_PAGE_SIZE, check_request
from routerd.core.values import AgentStatus, Claim, Listing, Outcome, Request, Task
from routerd.engine.registry import Registry
from routerd.engine.sequencer import Sequencer
from routerd.log.base import Log, LogUnavailable
from routerd.log.memory import MemoryLog
from routerd.log.retention import FORGET_AT_ONCE, last_words
from routerd.log.snapshot import Snapshots
from routerd.settings import Config
from routerd.signals.blocking import Blocking
from routerd.signals.hybrid import Classifier
from routerd.signals.texts import Texts

T = TypeVar("T")


class Router:
    """Routes in-process; each call returns when its event is durable. Safe to share by threads.

    Raises RouterError: a refusal that changed nothing. While the disk fails it is READ_ONLY; each
    call tries the disk again, and may be repeated with the same id.

    >>> config = {"agents": [{"id": "small"}, {"id": "large"}], "clock": "logical"}
    >>> with Router.open(config) as router:
    ...     answer = router.route(work_type="code")
    ...     ack = router.report(decision_id=answer.decision_id, success=True)
    >>> answer.decision.agent_id in ("small", "large"), ack.position
    (True, 3)
    """

    def __init__(self, log: Log, config: Config, snapshots: Snapshots | None = None) -> None:
        self.config = config
        self._snapshots = snapshots
        self._log = log
        self._lock = threading.Lock()
        self._closed = False
        classifier = Classifier.of(config, os.environ)
        self._signals = Blocking(classifier) if classifier is not None else None
        self._sequencer = Sequencer.open(log, config, wall_clock(), snapshots=snapshots)
        self._sequencer.texts = Texts(config.texts)
        self._registry = Registry(self._sequencer)

    @classmethod
    def open(
        cls, config: Config | dict[str, Any] | str | Path, data_dir: str | Path | None = None
    ) -> Self:
        """A router on the log in `data_dir`, or without one on a log in memory.

        Raises ConfigErrors with every error of the configuration, and ValueError for an empty path.
        """
        if "" in (config, data_dir):
            raise ValueError("config or data_dir is an empty path, which names no file")
        config = load(config) if isinstance(config, str | Path) else parse(config)
        if data_dir is None:
            return cls(MemoryLog(), config)
        Classifier.of(config, os.environ)  # what is refused leaves no directory behind
        log = open_audited(Path(data_dir))
        try:
            return cls(log, config, Snapshots(Path(data_dir)))
        except BaseException:
            log.close()
            raise

    def route(
        self, request: Request | None = None, *, explain: bool = False, **fields: Any
    ) -> Answer:
        """Choose an agent for a request, given whole or as fields of Request and Task."""
        asked = self._classified(given(request, fields, Request, request_of))
        with self._held():
            self._sequencer.recover()
            answer = self._sequencer.route(asked, explain=explain)
            self._make_durable(platter=self.config.durability == "power")
            return answer

    def preview(self, request: Request | None = None, **fields: Any) -> Answer:
        """What route would answer, without a trace."""
        asked = self._classified(given(request, fields, Request, request_of))
        with self._held():
            return self._sequencer.preview(asked)

    def report(self, outcome: Outcome | None = None, **fields: Any) -> Ack:
        """Learn from an outcome, given whole or as its fields; it survives power loss."""
        with self._held():
            self._sequencer.recover()
            ack = self._sequencer.report(given(outcome, fields, Outcome, outcome_of))
            self._make_durable(platter=True)
            return ack

    def claim(self, decision_id: str, competence: float | None = None) -> Claimed:
        """Ask whether a decision's agent may start, by what it says of itself."""
        with self._held():
            self._sequencer.recover()
            told = self._sequencer.claim(Claim(decision_id, competence))
            self._make_durable(platter=True)
            return told

    def register(self, agent_id: str, definition: Mapping[str, Any] | None = None) -> Listed:
        """Take an agent in, defined as in a configuration file but for its id."""
        agent = agent_of(agent_id, definition or {})
        return self._change(lambda: self._registry.register(agent))

    def update(
        self,
        agent_id: str,
        definition: Mapping[str, Any] | None = None,
        status: AgentStatus | None = None,
    ) -> Listed:
        """Replace an agent's whole definition, set its status, or both."""
        agent = None if definition is None else agent_of(agent_id, definition)
        return self._change(lambda: self._registry.update(agent_id, agent, status))

    def deregister(self, agent_id: str) -> None:
        """Let an agent go; what it learnt is kept for its return."""
        self._change(lambda: self._registry.deregister(agent_id))

    def agents(self, listing: Listing | None = None, **filters: Any) -> tuple[Listed, ...]:
        """The agents of a listing, given whole or as its fields, a page of them at most."""
        with self._held():
            asked = given(listing, filters, Listing, listing_of)
            return self._registry.page(asked).agents

    def profile(self, agent_id: str) -> Profile:
        """What an agent has shown that it can do, in all its work and in each work type."""
        with self._held():
            return self._registry.profile(agent_id)

    def find(self, decision_id: str) -> Found:
        """A decision and what came of it."""
        with self._held():
            return self._sequencer.find(decision_id)

    def state_hash(self) -> str:
        """A hash of everything that decisions depend on."""
        with self._held():
            return self._sequencer.state.hash()

    def close(self) -> None:
        """Let the log go, with a snapshot beside it if it grew a lot. May be called twice."""
        with self._lock:
            self._closed = True
            if self._signals is not None:
                self._signals.close()
            try:
                self._keep_short()
            finally:
                self._log.close()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The router for one thread at a time. ValueError once it is closed, as of a file."""
        with self._lock, refused_halves():
            if self._closed:
                raise ValueError("this router is closed")
            yield

    def _keep_short(self) -> None:
        """A snapshot of how things stand, and out of the log what stands behind the oldest one."""
        snapshots, self._snapshots = self._snapshots, None
        sequencer = self._sequencer
        if snapshots is None or sequencer.read_only:
            return
        with suppress(OSError, LogUnavailable):  # the next start takes longer, that is all
            self._log.sync()
            last_words(snapshots, sequencer.state, self.config.log)
            partition = sequencer.state.partition
            through = forgettable(self._log, snapshots, partition, self.config.log, audited=False)
            while self._log.forget(partition, through, FORGET_AT_ONCE):
                pass

    def _classified(self, request: Request) -> Request:
        """With what is made of its description, where that is needed. Raises BLOCKED_BY_POLICY."""
        signals, task = self._signals, request.task
        if signals is None or not task.description or task.work_type:
            return request
        with self._held():
            if request.request_id in self._sequencer.state.requests:
                return request
            check_request(self._sequencer.state, request)
        with refused_halves():
            heard = signals.hear(task.description, self.config.server.default_timeout_ms / 1000)
        return msgspec.structs.replace(request, signal=heard.admitted())

    def _change(self, change: Callable[[], T]) -> T:
        """Do what changes the registry; it survives power loss."""
        with self._held():
            self._sequencer.recover()
            done = change()
            self._make_durable(platter=True)
            return done

    def _make_durable(self, *, platter: bool) -> None:
        try:
            self._sequencer.commit()
            if platter:
                self._log.sync()
        except LogUnavailable as error:
            self._sequencer.fail()
            raise RouterError(ErrorReason.READ_ONLY, str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def refused_halves() -> Iterator[None]:
    """Refuses a text that no log holds: where it is encoded nothing has changed yet."""
    try:
        yield
    except UnicodeEncodeError:
        told = "has a text with half a character in it, as of a cut emoji; remove it"
        raise invalid([Violation("", told)]) from None


def agent_of(agent_id: str, definition: Mapping[str, Any]) -> Agent:
    """A typed agent. Raises FIELD_VIOLATIONS with everything that is wrong in it."""
    try:
        return parse_agent({**definition, "id": agent_id})
    except ConfigErrors as errors:
        raise invalid([Violation(path, told) for path, told in errors.errors]) from None


def given(
    whole: T | None, fields: dict[str, Any], kind: type[T], made: Callable[[dict[str, Any]], T]
) -> T:
    """What was given whole, or made of its fields. TypeError for both, or for something else."""
    if whole is None:
        return made(fields)
    if not isinstance(whole, kind):
        wanted = f"{kind.__name__} is wanted, or its fields by name (**mapping)"
        raise TypeError(f"{wanted}; got {type(whole).__name__}")
    if fields:
        raise TypeError(f"{', '.join(fields)}: given beside a whole {kind.__name__}; give one")
    return whole


def request_of(fields: dict[str, Any]) -> Request:
    """A request from flat fields; unknown names are errors of the caller's program."""
    require_known(fields, {**parts_of(Request), **TASK_FIELDS})
    task = {name: value for name, value in fields.items() if name in TASK_FIELDS}
    rest = {name: value for name, value in fields.items() if name not in TASK_FIELDS}
    if task and "task" in rest:
        raise TypeError(f"{', '.join(task)}: given beside a whole task; give one")
    return of_fields({**rest, "task": task} if task else rest, Request)


def outcome_of(fields: dict[str, Any]) -> Outcome:
    """An outcome from its fields; unknown names are errors of the caller's program."""
    require_known(fields, parts_of(Outcome))
    return of_fields(fields, Outcome)


def listing_of(filters: dict[str, Any]) -> Listing:
    """A listing from its fields, with pages as large as may be."""
    require_known(filters, parts_of(Listing))
    return of_fields({"page_size": MAX_PAGE_SIZE, **filters}, Listing)


def of_fields(fields: dict[str, Any], kind: type[T]) -> T:
    """TypeError that names the field for a value of another type than it has."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise TypeError(re.sub(r"`\$\.(task\.)?", "`", str(error))) from None


Parts = Mapping[str, type[msgspec.Struct] | None]
"""The fields of a kind; of those that have fields of their own, the kind of these."""


@cache
def parts_of(kind: type[msgspec.Struct]) -> Parts:
    types = {field.name: (field.type, *get_args(field.type)) for field in fields_of(kind)}
    return {
        name: next((t for t in any_of if isinstance(t, type) and is_struct_type(t)), None)
        for name, any_of in types.items()
    }


def require_known(fields: Mapping[str, Any], known: Parts, at: str = "") -> None:
    """TypeError with the path of a name that is no field. msgspec passes such names over."""
    for name, value in fields.items():
        if name not in known:
            there = ", ".join(sorted(known))
            raise TypeError(f"{at}{name}: is no field; the fields here are {there}")
        part = known[name]
        if part is not None and isinstance(value, Mapping):
            require_known(value, parts_of(part), f"{at}{name}.")


TASK_FIELDS = parts_of(Task)

"""Snapshots: the state of a partition at a position, so that a start folds only what came after.

A file of frames, each a length (4 bytes, little-endian) and that many bytes of MessagePack:

    Head, Marks, {model: {array: (shape, float64)}}, so many lists of (decision_id, OpenDecision)

and behind them, instead of a frame, the hash of all that (16 bytes of BLAKE2b). It gets its name
when it is whole and synced. Nothing is computed when it is read: not the state's hash either, which
equals that of a fold from position 1 because every bit of the state is here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self, TypeVar
from urllib.parse import quote, unquote

import msgspec
import numpy as np

from routerd import __version__
from routerd.core.fingerprint import fingerprint
from routerd.core.restore import restored
from routerd.core.state import Arrays, Marks, OpenDecision, State
from routerd.log.base import Log, LogCorrupt
from routerd.log.codec import goes_on_from
from routerd.log.disk import sync_directory, sync_file

MAGIC = "routerd snapshot"
SCHEMA = 1
"""Raise it when an old snapshot needs more than defaults for fields that were added."""

FOLDER = "snapshots"
ENDING = ".snapshot"
DIGITS = 15
DECISIONS_AT_ONCE = 1_000
HASH_BYTES = 16
MOST_BYTES = 2**31

T = TypeVar("T")
Stored = tuple[tuple[int, ...], bytes]

_encoder = msgspec.msgpack.Encoder()
logger = logging.getLogger(__name__)


class Unusable(Exception):
    """A file is no snapshot that this version can take up; says why."""


class Head(msgspec.Struct, frozen=True):
    """What a snapshot is of, and who made it. engine_version and fingerprint: of the process that
    folded the state; see routerd.core.fingerprint."""

    magic: str
    schema: int
    partition: str
    position: int
    engine_version: str
    fingerprint: str
    decisions: int

    @property
    def is_ours(self) -> bool:
        """Whether this process would have made it bit for bit."""
        return (self.engine_version, self.fingerprint) == (__version__, fingerprint())


class Snapshots:
    """The snapshots in a data directory."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory
        self.directory = directory / FOLDER

    def write(
        self, state: State, keep: int, end: Callable[[], tuple[int, bytes]] | None = None
    ) -> Path:
        """Write a snapshot of a state that is durable, and delete all but the `keep` newest.

        end: of who is not the log's writer: its last position and hash by now; without it the log
        ends at the state. Those of positions behind that are deleted too: they are of a log that
        lost its end. Raises OSError, and what `end` does.
        """
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True)
            sync_directory(self.directory.parent)
        path = self.directory / f"{prefix(state.partition)}{state.position:0{DIGITS}d}{ENDING}"
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                write_frames(file, frames(state))
                file.flush()
                sync_file(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        # A loss of power may then give the old ones back, and never takes them without the new.
        sync_directory(self.directory)
        found = self.paths(state.partition)
        last = end()[0] if end else state.position
        lost = sum(position_of(each) > last for each in found)
        for old in [*found[:lost], *found[lost + keep :]]:
            old.unlink(missing_ok=True)
        return path

    def paths(self, partition: str) -> list[Path]:
        """The snapshots of a partition, the newest first."""
        digits = "[0-9]" * DIGITS
        return sorted(self.directory.glob(f"{prefix(partition)}{digits}{ENDING}"), reverse=True)

    def partitions(self) -> set[str]:
        """The names of the partitions that have any."""
        ends = f"-{'[0-9]' * DIGITS}{ENDING}"
        return {
            unquote(path.name[: -DIGITS - len(ENDING) - 1])
            for path in self.directory.glob(f"*{ends}")
        }


def prefix(partition: str) -> str:
    """What the names of a partition's snapshots start with.

    >>> prefix("default"), prefix("a/b")
    ('default-', 'a%2Fb-')
    """
    return f"{quote(partition, safe='')}-"


def position_of(path: Path) -> int:
    """The position in a snapshot's name.

    >>> position_of(Path("default-000000000000042.snapshot"))
    42
    """
    return int(path.stem[-DIGITS:])


def frames(state: State) -> Iterator[bytes]:
    """A state as it is now, frame by frame."""
    count = len(state.decisions)
    made_by = (__version__, fingerprint())
    head = Head(MAGIC, SCHEMA, state.partition, state.position, *made_by, count)
    yield _encoder.encode(head)
    yield _encoder.encode(state.marks())
    models = state.models()
    yield _encoder.encode({name: stored(arrays) for name, arrays in models.items()})
    entries = iter(state.decisions.items())
    while some := list(islice(entries, DECISIONS_AT_ONCE)):
        yield _encoder.encode(some)


def write_frames(file: IO[bytes], found: Iterable[bytes]) -> None:
    digest = blake2b(digest_size=HASH_BYTES)
    for frame in found:
        framed = len(frame).to_bytes(4, "little") + frame
        digest.update(framed)
        file.write(framed)
    file.write(digest.digest())


def load(path: Path) -> tuple[Head, State]:
    """A snapshot's head and its state. Raises Unusable, OSError."""
    with path.open("rb") as file, Reader(file) as reader:
        head = reader.head()
        marks = reader.frame(Marks)
        models = reader.frame(dict[str, dict[str, Stored]])
        # Taken over as they are read: held all at once, they would leave the memory in holes.
        decisions = (
            entry
            for _ in range(batches(head))
            for entry in reader.frame(list[tuple[str, OpenDecision]])
        )
        try:
            arrays = {name: loaded(model) for name, model in models.items()}
            state = restored(marks, decisions, arrays)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            raise Unusable(f"{path} is damaged, or does not fit this version: {error!r}") from error
        reader.end()
    return head, state


def start_of(log: Log, partition: str, paths: Iterable[Path]) -> State:
    """The state to fold on from: of the first snapshot that fits, else of position 0.

    A damaged snapshot, or one of another log, is passed over. So is one that another engine
    version or another machine made, unless the log was compacted: then it is all there is. Raises
    LogCorrupt when a compacted log has no snapshot that fits.
    """
    base = log.base(partition).position
    for path in paths:
        try:
            head, state = load(path)
        except (Unusable, OSError) as error:
            logger.warning("passed over: %s", error)
            continue
        if not goes_on_from(log, partition, state.position, state.chain):
            logger.warning("passed over: %s is not of this log", path)
        elif not head.is_ours and not base:
            logger.info("passed over: %s was made by version %s", path, head.engine_version)
        else:
            return state
    if base:
        what = f"it was compacted up to position {base}, and no snapshot fits it"
        raise LogCorrupt(partition, base + 1, what)
    return State(partition)


def check(path: Path) -> Marks:
    """Read a snapshot whole, without making a state of it. Raises Unusable, OSError."""
    with path.open("rb") as file, Reader(file) as reader:
        head = reader.head()
        marks = reader.frame(Marks)
        for _ in range(1 + batches(head)):
            reader.frame(msgspec.Raw)
        reader.end()
    return marks


def decision_ids(path: Path) -> list[str]:
    """The names of the open decisions in a snapshot. Raises Unusable, OSError."""
    names: list[str] = []
    with path.open("rb") as file, Reader(file) as reader:
        head = reader.head()
        reader.frame(msgspec.Raw)
        reader.frame(msgspec.Raw)
        for _ in range(batches(head)):
            names += [name for name, _ in reader.frame(list[tuple[str, msgspec.Raw]])]
        reader.end()
    return names


def batches(head: Head) -> int:
    """How many frames of decisions there are."""
    return -(-head.decisions // DECISIONS_AT_ONCE)


class Reader:
    """Reads the frames of a file and hashes them, in a thread, while they are decoded here. Nothing
    is to be trusted before `end`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = blake2b(digest_size=HASH_BYTES)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="routerd-hash")
        self._hashed: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def head(self) -> Head:
        head = self.frame(Head)
        if head.magic != MAGIC:
            raise self._unusable("is no snapshot")
        if head.schema > SCHEMA:
            raise self._unusable(
                f"has schema {head.schema}, and this version of routerd knows up to {SCHEMA}"
            )
        return head

    def frame(self, kind: type[T]) -> T:
        """The next frame."""
        length = self._file.read(4)
        size = int.from_bytes(length, "little")
        body = self._file.read(size) if size <= MOST_BYTES else b""
        if len(length) < 4 or len(body) != size:
            raise self._unusable("ends too early")
        self._wait()
        self._hashed = self._thread.submit(self._digest.update, length + body)
        try:
            return msgspec.msgpack.decode(body, type=kind)
        except ValueError as error:  # msgspec's own, or a text's that is none
            raise self._unusable(f"is damaged, or does not fit this version ({error})") from error

    def end(self) -> None:
        """Nothing may follow but the hash of all that was read."""
        self._wait()
        if self._file.read(HASH_BYTES + 1) != self._digest.digest():
            raise self._unusable("is damaged: its hash is not that of its content")

    def _wait(self) -> None:
        """For the frame before, so that no more than two are held."""
        if self._hashed is not None:
            self._hashed.result()

    def _unusable(self, what: str) -> Unusable:
        return Unusable(f"{self._file.name} {what}")


def stored(arrays: Arrays) -> dict[str, Stored]:
    """Arrays as they stand in a file: little-endian float64."""
    return {
        name: (array.shape, np.ascontiguousarray(array, dtype="<f8").tobytes())
        for name, array in arrays.items()
    }


def loaded(arrays: Mapping[str, Stored]) -> dict[str, Any]:
    return {
        name: np.frombuffer(content, dtype="<f8").reshape(shape)
        for name, (shape, content) in arrays.items()
    }

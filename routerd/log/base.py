"""What a log is, and the ways in which it says no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from routerd.core.state import GENESIS


class Conflict(Exception):
    """Another writer appended first: `expect` was not the last position. Nothing was appended."""

    def __init__(self, partition: str, expect: int, last: int) -> None:
        super().__init__(f"partition {partition!r} ends at position {last}, not at {expect}")


class LogUnavailable(Exception):
    """The disk said no: full, failing, locked or not permitted. Nothing was acknowledged.

    An append that raised it may yet be found in the log later, whole, but never in part.
    """


class LogStuck(LogUnavailable):
    """The disk says nothing at all: whoever waits for it, to close it too, waits for ever."""


class LogCorrupt(Exception):
    """The stored log is not what was appended, from `position` of `partition` on.

    The partition is "" when the damage keeps the log as a whole from being opened.
    """

    told = (
        "the log is damaged at {where}: {what}. Stop, keep the directory as it is, and restore a "
        "copy made before the damage; without one, `routerd repair` keeps what is whole."
    )

    def __init__(self, partition: str, position: int, what: str) -> None:
        where = f"position {position} of partition {partition!r}" if partition else "its start"
        super().__init__(self.told.format(where=where, what=what))
        self.partition = partition
        self.position = position
        self.what = what


class EventUnfit(LogCorrupt):
    """An entry is what was appended, but this version of routerd cannot go on from its event."""

    told = (
        "the log is whole at {where}, but {what}. Start the version that wrote it, or a newer one; "
        "where that says so as well, it is a fault of routerd's own: keep the directory as it is, "
        "which `routerd repair` cannot mend, and go on from a copy made before, or in a new one."
    )


class LogCompacted(Exception):
    """What was asked for was compacted away: the entries of the partition start at `first`."""

    def __init__(self, partition: str, first: int) -> None:
        super().__init__(
            f"the log of partition {partition!r} was compacted and starts at position {first}"
        )
        self.partition = partition
        self.first = first


class Entry(NamedTuple):
    """One stored event: its position (from 1, dense), its link of the hash chain (16 bytes, see
    routerd.log.codec.chain_hash) and the encoded event."""

    position: int
    hash: bytes
    payload: bytes


class Base(NamedTuple):
    """Where the entries of a partition start: behind this position, chained to this hash.

    config: the configuration that was in force there, as it was appended; None before position 1.
    """

    position: int
    hash: bytes
    config: Entry | None = None


WHOLE = Base(0, GENESIS)
"""Nothing was compacted away."""


class Log(Protocol):
    """Any number of partitions, each a sequence of entries: appended at its end, and let go of at
    its start.

    One thread appends and reads; only `sync` may be called from another thread meanwhile.
    Every method may raise LogUnavailable, every reading one LogCorrupt.
    """

    def partitions(self) -> list[str]:
        """Names of all partitions that hold entries, sorted."""
        ...

    def last(self, partition: str) -> tuple[int, bytes]:
        """Position and hash of the last entry; (0, GENESIS) when there is none."""
        ...

    def base(self, partition: str) -> Base:
        """Where the entries start; WHOLE as long as nothing was forgotten."""
        ...

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        """Entries behind position `after`, by default all, in order, those appended meanwhile
        included. Raises LogCompacted when the entries start further on.

        Each is checked against the chain. At damage, the whole entries come first, then
        LogCorrupt with the first bad position. No lock is held between two entries.
        """
        ...

    def get(self, partition: str, position: int) -> Entry | None:
        """One entry, checked against the chain; None when the log does not reach it.

        Raises LogCompacted.
        """
        ...

    def require_order(self) -> None:
        """Raises LogCorrupt when an entry that `read` gives cannot be found by its position."""
        ...

    def reader(self) -> Log:
        """The same entries, to be read in another thread. Whoever asked closes it."""
        ...

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        """Appends all entries or none; when it returns they survive kill -9.

        The positions are expect + 1, expect + 2, ... (ValueError if not). Raises Conflict when
        `expect` is not the last position. After LogUnavailable every append and sync raises it
        again, until `probe` succeeded.
        """
        ...

    def forget(self, partition: str, through: int, most: int) -> int:
        """Lets go of the first entries up to a position, `most` of them at most; how many.

        The rest stays chained to them. Kept forever: the last entry's place and hash.
        """
        ...

    def require_in_place(self) -> None:
        """Raises LogUnavailable when the next start would not find what was appended here; of a
        reader, when it would no longer see what is appended."""
        ...

    def sync(self) -> None:
        """When it returns, everything appended before the call survives power loss."""
        ...

    def probe(self) -> None:
        """Makes the log usable again after LogUnavailable, or raises it again.

        Entries that no successful `sync` covered may be gone afterwards, as after power loss:
        compare `last` with what is held in memory.
        """
        ...

    def close(self) -> None:
        """Syncs, unless the log is unavailable, and lets the storage go. May be called twice."""
        ...


def check_positions(entries: Sequence[Entry], expect: int) -> None:
    """ValueError unless the entries' positions are expect + 1, expect + 2, ..."""
    for position, entry in enumerate(entries, expect + 1):
        if entry.position != position:
            raise ValueError(f"position {entry.position} was given where {position} is next")

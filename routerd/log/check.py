"""The chain of what a snapshot stands for: held before serving, although no start folds it again.

What was held to it at an earlier start or snapshot, and has not changed since, is known by its
seals: a process of its own compares them while the snapshot is read here.

Whoever reads entries in their order sees nothing of what leads to one of them alone, which is where
appends go too. SQLite looks through that at the end, or meanwhile the other process does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from routerd.log import seals
from routerd.log.base import Entry, Log

# So many entries are looked through sooner than a process is started.
FEW = 50_000

logger = logging.getLogger(__name__)


@contextmanager
def checked(log: Log, partition: str, through: int, directory: Path | None) -> Iterator[None]:
    """Hold every entry up to a position to the chain, at the latest when the block ends.

    directory: where the log is, if others may read it there. Raises LogCorrupt, LogUnavailable.
    """
    after = log.base(partition).position
    if through - after <= FEW or directory is None:
        look_through(log, partition, after, through)
        yield
        log.require_order()
        return
    stretches = whole_stretches(after, through)
    known = {n: s for n, s in seals.held(directory, partition).items() if n in stretches}
    comparison = seals.Comparison(directory, partition, known)
    try:
        yield
        known = {number: known[number] for number in comparison.whole()}
    finally:
        comparison.end()
    look_and_seal(log, partition, through, directory, known)
    if not comparison.ordered:
        log.require_order()


def seal(log: Log, partition: str, through: int, directory: Path) -> None:
    """Hold to the chain what has no seal yet, and seal it. Raises LogCorrupt, LogUnavailable, and
    LogCompacted when the log lets go of its start meanwhile."""
    if through - log.base(partition).position > FEW:
        look_and_seal(log, partition, through, directory, seals.held(directory, partition))


def look_and_seal(
    log: Log, partition: str, through: int, directory: Path, known: Mapping[int, bytes]
) -> None:
    """Look through all that none of the known seals covers, in order, and keep the seals of all."""
    after = log.base(partition).position
    made: dict[int, bytes] = {}
    for number in whole_stretches(after, through):
        begin, end = number * seals.STRETCH, (number + 1) * seals.STRETCH
        look_through(log, partition, after, begin)
        made[number] = known.get(number) or seals.seal_of(entries(log, partition, begin, end))
        after = end
    look_through(log, partition, after, through)
    try:
        seals.keep(directory, partition, made)
    except OSError as error:
        logger.warning("the next start takes longer: no seals were kept: %s", error)


def whole_stretches(after: int, through: int) -> range:
    """The numbers of the stretches of which every position is there."""
    return range(-(-after // seals.STRETCH), through // seals.STRETCH)


def look_through(log: Log, partition: str, after: int, through: int) -> None:
    """Read the entries behind a position up to another one. Raises LogCorrupt."""
    for _ in entries(log, partition, after, through):
        pass


def entries(log: Log, partition: str, after: int, through: int) -> Iterable[Entry]:
    """The entries behind a position up to another one, held to the chain."""
    return islice(log.read(partition, after), through - after) if through > after else ()

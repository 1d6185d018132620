"""Seals: a stretch of the log that was held to the chain once is known again by its bytes.

To hold an entry to the chain takes Python 3 us. That a stretch of them has not changed since shows
in a quarter of that: SQLite gives it in one piece, of which one hash is taken. The piece says of
every entry all that the chain is made of, so equal pieces are equal entries; and who seals makes it
from entries that were just held to the chain, not by SQLite. So a seal that fits proves as much as
the chain does, and one that does not fit proves nothing: then the chain is looked at.

The seals of a partition are a file that can be made anew at any time: MessagePack of Sealed, and
behind it the hash of that (16 bytes of BLAKE2b).

python -m routerd.log.seals DIR PARTITION     a process of its own: see `changed`

This room imports nothing of routerd: the process is to begin at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from urllib.parse import quote

import apsw
import msgspec

from routerd.child import PYTHON

MAGIC = "routerd seals"
FOLDER = "seals"
HASH_BYTES = 16
# So many positions stand under one seal, unless they hold more bytes than are read in one piece.
STRETCH = 8_192
MOST_BYTES = 2**26

# Texts and blobs are put together as they are, NUL bytes included. What is no blob any more is left
# out, and missed.
PIECE = """
SELECT CAST(group_concat(
    position || ' ' || length(hash) || ' ' || length(payload) || ' ' || hash || payload, ''
) AS BLOB)
FROM entry WHERE id > ? AND id <= ? AND partition = ?
AND typeof(hash) = 'blob' AND typeof(payload) = 'blob'
"""
NUMBER = "SELECT number * 1099511627776 FROM tail WHERE partition = ?"
ORDER = "PRAGMA quick_check(entry)"
DISORDER = "disorder"

Row = tuple[int, bytes, bytes]


class Sealed(msgspec.Struct, frozen=True):
    """The seals of a partition: of the stretches from the `first` on, one of `stretch` positions
    each. An empty one fits nothing."""

    magic: str
    partition: str
    stretch: int
    first: int
    seals: list[bytes]


def seal_of(entries: Iterable[Row]) -> bytes:
    """The seal of the entries of a stretch, (position, hash, payload) each; empty for too much."""
    parts: list[bytes] = []
    size = 0
    for position, entry_hash, payload in entries:
        if size < MOST_BYTES:
            parts.append(b"%d %d %d " % (position, len(entry_hash), len(payload)))
            parts += entry_hash, payload
        size += len(payload)
    return sha256(b"".join(parts)).digest() if size < MOST_BYTES else b""


def path_of(directory: Path, partition: str) -> Path:
    return directory / FOLDER / quote(partition, safe="")


def held(directory: Path, partition: str) -> dict[int, bytes]:
    """The seals in a data directory by the number of their stretch; none where none can be read."""
    with suppress(OSError, ValueError, msgspec.MsgspecError):
        raw = path_of(directory, partition).read_bytes()
        body, proof = raw[:-HASH_BYTES], raw[-HASH_BYTES:]
        if blake2b(body, digest_size=HASH_BYTES).digest() == proof:
            told = msgspec.msgpack.decode(body, type=Sealed)
            if (told.magic, told.partition, told.stretch) == (MAGIC, partition, STRETCH):
                return {told.first + i: seal for i, seal in enumerate(told.seals) if seal}
    return {}


def keep(directory: Path, partition: str, seals: Mapping[int, bytes]) -> None:
    """Write the seals of a partition in the place of those before. Raises OSError."""
    if not seals:
        return
    numbers = range(min(seals), max(seals) + 1)
    listed = [seals.get(number, b"") for number in numbers]
    body = msgspec.msgpack.encode(Sealed(MAGIC, partition, STRETCH, numbers[0], listed))
    path = path_of(directory, partition)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(body + blake2b(body, digest_size=HASH_BYTES).digest())
    partial.replace(path)


class Comparison:
    """A process of its own that compares stretches with their seals, beside what goes on here.

    ordered: whether it found the table in order, once it was asked what is whole.
    """

    def __init__(self, directory: Path, partition: str, seals: Mapping[int, bytes]) -> None:
        self._numbers = list(seals)
        self.ordered = False
        self._process = subprocess.Popen(
            [*PYTHON, "-m", "routerd.log.seals", str(directory), partition],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as asked:
            for number, seal in seals.items():
                asked.write(f"{number * STRETCH} {(number + 1) * STRETCH} {seal.hex()}\n".encode())
        self._process.stdin = None  # it begins now

    def whole(self) -> set[int]:
        """The stretches that are as they were sealed; of a process that failed, none."""
        told, _ = self._process.communicate()
        if self._process.returncode:
            return set()
        found = told.decode().split()
        self.ordered = DISORDER not in found
        return set(self._numbers) - {int(after) // STRETCH for after in found if after != DISORDER}

    def end(self) -> None:
        """Wait no longer."""
        self._process.kill()
        with self._process:  # which waits, and closes the pipes
            pass


def changed(path: str, partition: str, sealed: Iterable[Sequence[str]]) -> list[str]:
    """Of (after, through, seal) those `after` behind which something is not as it was sealed, and
    DISORDER when an entry cannot be found by its position."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    ((first,),) = db.execute(NUMBER, (partition,))
    found = []
    for after, through, seal in sealed:
        try:
            ((piece,),) = db.execute(PIECE, (first + int(after), first + int(through), partition))
        except apsw.Error:
            piece = None
        if piece is None or sha256(piece).hexdigest() != seal:
            found.append(after)
    if db.execute(ORDER).fetchall() != [("ok",)]:
        found.append(DISORDER)
    return found


def main(directory: str, partition: str) -> None:
    sealed = map(str.split, sys.stdin)
    sys.stdout.write(" ".join(changed(f"{directory}/log.db", partition, sealed)))


if __name__ == "__main__":
    main(*sys.argv[1:])

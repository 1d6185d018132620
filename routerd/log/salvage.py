"""Rows out of a damaged SQLite file, page by page, without its schema or its tree.

Every page that still parses gives its rows; what they are worth is for others to say: entries prove
themselves by their chain. So a broken page costs no more than what stood on it.
Source: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records) and
4.1 (the WAL).

The key of a table that has one integer for it stands before its row, and comes first in it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from routerd.log.wal import FRAME_HEADER, HEADER

LEAF, INTERIOR = 0x0A, 0x02  # of a table without rowid
TABLE_LEAF = 0x0D  # of one with it, whose inner pages hold no rows
NUMBERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes of an integer by its serial type
MOST_BYTES = 2**26

Value = int | str | bytes | None
Row = tuple[Value, ...]


class Pages(Protocol):
    """Some pages by their numbers, which start at 1; all of them, older copies included."""

    def all(self) -> Iterator[tuple[int, bytes]]: ...

    def page(self, number: int) -> bytes: ...


class Database:
    """The pages of the file itself."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._file = path.open("rb")

    def all(self) -> Iterator[tuple[int, bytes]]:
        for number in range(1, self._path.stat().st_size // self._size + 1):
            yield number, self.page(number)

    def page(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size)

    def close(self) -> None:
        self._file.close()


class Wal:
    """The pages of the WAL, with the file behind them. A frame has all that its page held before,
    and so an older copy stands for most of what a broken one held.

    Behind the frames that were written since the WAL began anew stand those from before, which the
    file behind it has outlived: only the salts tell them apart, and the first ones are of now.
    """

    def __init__(self, path: Path, size: int, behind: Database) -> None:
        self._size, self._behind = size, behind
        self._file = path.open("rb")
        step = FRAME_HEADER + size
        self._frames = range(HEADER, path.stat().st_size - step + 1, step)
        now = {self._salts(16), self._salts(HEADER + 8)}  # two, since one may be broken
        self._latest = {self._number(at): at for at in self._frames if self._salts(at + 8) in now}

    def all(self) -> Iterator[tuple[int, bytes]]:
        for at in self._frames:
            yield self._number(at), self._page(at)

    def page(self, number: int) -> bytes:
        at = self._latest.get(number)
        return self._behind.page(number) if at is None else self._page(at)

    def _number(self, at: int) -> int:
        self._file.seek(at)
        return int.from_bytes(self._file.read(4), "big")

    def _salts(self, at: int) -> bytes:
        self._file.seek(at)
        return self._file.read(8)

    def _page(self, at: int) -> bytes:
        self._file.seek(at + FRAME_HEADER)
        return self._file.read(self._size)

    def close(self) -> None:
        self._file.close()


def rows(pages: Pages, size: int) -> Iterator[Row]:
    """Every row of every page that can be read, in no order, old copies included."""
    for number, page in pages.all():
        start = 100 if number == 1 else 0
        if len(page) != size or page[start] not in (LEAF, INTERIOR, TABLE_LEAF):
            continue
        kind = page[start]
        head = start + (12 if kind == INTERIOR else 8)
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        for index in range(min(cells, (size - head) // 2)):
            at = int.from_bytes(page[head + 2 * index : head + 2 * index + 2], "big")
            try:
                if kind == TABLE_LEAF:
                    yield keyed_row_at(pages, page, at, size)
                else:
                    yield row_at(pages, page, at + (4 if kind == INTERIOR else 0), size)
            except (IndexError, ValueError):
                continue


def row_at(pages: Pages, page: bytes, at: int, size: int) -> Row:
    """The row of one cell. Raises IndexError, ValueError where it is none."""
    length, at = varint(page, at)
    return record_at(pages, page, at, size, length, (size - 12) * 64 // 255 - 23)


def keyed_row_at(pages: Pages, page: bytes, at: int, size: int) -> Row:
    """The row of one cell that has its key before it, which the row says nothing of itself."""
    length, at = varint(page, at)
    key, at = varint(page, at)
    return key, *record_at(pages, page, at, size, length, size - 35)[1:]


def record_at(pages: Pages, page: bytes, at: int, size: int, length: int, most: int) -> Row:
    """The columns of a row of so many bytes, of which a page itself holds `most`."""
    if length > MOST_BYTES:
        raise ValueError("too long")
    if length <= most:
        return values(page[at : at + length], length)
    least = (size - 12) * 32 // 255 - 23
    local = least + (length - least) % (size - 4)
    local = local if local <= most else least
    body = bytearray(page[at : at + local])
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    while len(body) < length:
        overflow = pages.page(following) if following else b""
        if len(overflow) != size:
            raise ValueError("its rest is missing")
        following = int.from_bytes(overflow[:4], "big")
        body += overflow[4 : 4 + length - len(body)]
    return values(bytes(body), length)


def values(record: bytes, length: int) -> Row:
    """The columns of a record. Raises IndexError, ValueError."""
    if len(record) != length:
        raise ValueError("cut short")
    end, at = varint(record, 0)
    kinds = []
    while at < end:
        kind, at = varint(record, at)
        kinds.append(kind)
    found: list[Value] = []
    for kind in kinds:
        value, at = value_at(record, at, kind)
        found.append(value)
    return tuple(found)


def value_at(record: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in NUMBERS:
        end = at + NUMBERS[kind]
        value: Value = int.from_bytes(record[at:end], "big", signed=True)
    elif kind >= 12:
        end = at + (kind - 12) // 2
        value = record[at:end] if kind % 2 == 0 else record[at:end].decode()
    else:
        raise ValueError("a kind of value that no row of a log has")
    if end > len(record):
        raise ValueError("cut short")
    return value, end


def varint(page: bytes, at: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, and where it ends."""
    value = 0
    for index in range(9):
        byte = page[at + index]
        if index == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    raise AssertionError("nine bytes end every number")

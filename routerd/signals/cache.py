"""What classifiers answered, remembered: bounded in number, and in age."""

from __future__ import annotations

import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar

V = TypeVar("V")

SPACES = ("  ", *"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f")


def normalised(text: str) -> str:
    """A text without what makes no difference to a reader: composition, and kinds of white space.

    >>> normalised("  fix \\n\\tthe\\u00a0bug ")
    'fix the bug'
    """
    if not text.isascii():
        return " ".join(unicodedata.normalize("NFC", text).split())
    # Most texts have single spaces already, and to see that is quicker than to split them.
    plain = not any(space in text for space in SPACES) and text[:1] != " " != text[-1:]
    return text if plain else " ".join(text.split())


def key_of(text: str, version: str) -> bytes:
    """32 bytes that stand for a whole normalised text and the classifier that reads it."""
    return blake2b(
        text.encode(errors="surrogatepass"), key=version.encode(), digest_size=32
    ).digest()


class Cache(Generic[V]):
    """The latest `entries` values, each for ttl_s. Values are shared: they must be immutable.

    >>> now_s = [0.0]
    >>> cache = Cache(2, ttl_s=10.0, clock=lambda: now_s[0])
    >>> for name in (b"a", b"b", b"c"): cache.put(name, name.decode())
    >>> cache.get(b"a"), cache.get(b"c")
    (None, 'c')
    >>> now_s[0] = 10.0
    >>> cache.get(b"c"), len(cache)
    (None, 1)
    """

    def __init__(
        self, entries: int, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = entries
        self._ttl_s = ttl_s
        self._clock = clock
        self._held: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def get(self, key: bytes) -> V | None:
        """The value, unless it is too old."""
        held = self._held.get(key)
        if held is None:
            return None
        until_s, value = held
        if until_s <= self._clock():
            del self._held[key]
            return None
        self._held.move_to_end(key)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Remember a value; the one that was not asked for longest makes room."""
        if not self._most:
            return
        self._held[key] = (self._clock() + self._ttl_s, value)
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def __len__(self) -> int:
        return len(self._held)

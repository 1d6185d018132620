"""Events as bytes, the hash chain over them, and decision ids made from both.

The encoding is MessagePack of named fields with sorted map keys: the same event always gives the
same bytes, and an event of an older release still decodes when fields were added with a default.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec

from routerd.core.events import AnyEvent, ConfigApplied, Record
from routerd.log.base import Base, Entry, EventUnfit, Log, LogCompacted, LogCorrupt

HASH_BYTES = 16
ID_POSITION_BYTES = 5
ID_HASH_BYTES = 5
ID_LENGTH = 16

# Two characters of base32hex at once: base64.b32hexencode takes ten times as long.
DIGITS = "0123456789abcdefghijklmnopqrstuv"
PAIRS = [first + second for first in DIGITS for second in DIGITS]

# The tag comes first: a map's head, the key "event", and its value.
CONFIG_TAG = b"ConfigApplied"
CONFIG_TAG_WITHIN = 3 + len("event") + 1 + len(CONFIG_TAG)

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


def encode(event: AnyEvent) -> bytes:
    """The event's bytes, equal for equal events."""
    return _encoder.encode(event)


def decode(payload: bytes) -> AnyEvent:
    """The event in the bytes; msgspec.DecodeError when they hold none that is known here."""
    return _decoder.decode(payload)


def chain_hash(previous_hash: bytes, position: int, payload: bytes) -> bytes:
    """The hash of an entry: 16 bytes of BLAKE2b over the hash before it, its position (8 bytes,
    little-endian) and its payload."""
    link = previous_hash + position.to_bytes(8, "little") + payload
    return blake2b(link, digest_size=HASH_BYTES).digest()


def verified(
    partition: str, after: int, previous_hash: bytes, rows: Iterable[Sequence[object]]
) -> Iterator[Entry]:
    """Stored (position, hash, payload) as entries, as long as they continue the chain.

    The first row should be position after + 1. Raises LogCorrupt at the first that does not fit;
    rows may hold values of any type, as damage makes them.
    """
    for position, stored_hash, payload in rows:
        after += 1
        if position != after:
            raise LogCorrupt(partition, after, f"position {position!r} stands in its place")
        if not isinstance(payload, bytes) or stored_hash != chain_hash(
            previous_hash, after, payload
        ):
            raise LogCorrupt(partition, after, "its hash does not continue the chain")
        previous_hash = stored_hash
        yield Entry(after, previous_hash, payload)


def records(log: Log, partition: str, after: int | None = None) -> Iterator[Record]:
    """`log.read` with the events decoded; LogCorrupt too where a payload holds no known event.

    Without `after`, of a log that was compacted, the configuration in force at its start comes
    first, with the position that it had.
    """
    config = log.base(partition).config if after is None else None
    if config is not None:
        yield record_of(partition, config)
    for entry in log.read(partition, after):
        yield record_of(partition, entry)


def record_of(partition: str, entry: Entry) -> Record:
    """A stored entry with its event decoded. Raises EventUnfit."""
    try:
        return Record(entry.position, entry.hash, decode(entry.payload))
    except msgspec.DecodeError as error:
        what = f"its event is unknown to this version of routerd ({error})"
        raise EventUnfit(partition, entry.position, what) from error


def hash_at(log: Log, partition: str, position: int) -> bytes | None:
    """The hash of the chain at a position; None when the log does not reach it.

    Raises LogCompacted.
    """
    base = log.base(partition)
    if position == base.position:
        return base.hash
    entry = log.get(partition, position)
    return None if entry is None else entry.hash


def goes_on_from(log: Log, partition: str, position: int, entry_hash: bytes) -> bool:
    """Whether the log has this hash at a position; no where it was compacted behind that."""
    try:
        return hash_at(log, partition, position) == entry_hash
    except LogCompacted:
        return False


def is_config(entry: Entry) -> bool:
    """Whether an entry holds a configuration, seen without decoding it whole."""
    return CONFIG_TAG in entry.payload[:CONFIG_TAG_WITHIN] and isinstance(
        decode(entry.payload), ConfigApplied
    )


def base_behind(base: Base, gone: Sequence[Entry]) -> Base:
    """Where a log starts that lets go of these entries, which are its first."""
    configs = [entry for entry in gone if is_config(entry)]
    return Base(gone[-1].position, gone[-1].hash, configs[-1] if configs else base.config)


def decision_id(position: int, entry_hash: bytes) -> str:
    """16 characters that sort by position and cannot be guessed: base32hex, in lower case, of the
    position (5 bytes, big-endian) and the first 5 bytes of the entry's hash.

    >>> decision_id(1, bytes(range(16)))
    '00000001000g40o4'
    """
    return eight(position) + eight(int.from_bytes(entry_hash[:ID_HASH_BYTES], "big"))


def eight(number: int) -> str:
    """Five bytes, big-endian, in base32hex."""
    high, low = PAIRS[number >> 30] + PAIRS[number >> 20 & 1023], number & 0xFFFFF
    return high + PAIRS[low >> 10] + PAIRS[low & 1023]


def parse_decision_id(text: str) -> tuple[int, bytes] | None:
    """Position and the first 5 bytes of the hash; None for what decision_id never returns.

    >>> parse_decision_id("00000001000g40o4")
    (1, b'\\x00\\x01\\x02\\x03\\x04')
    """
    if len(text) != ID_LENGTH or not text.isascii() or text != text.lower():
        return None
    try:
        raw = base64.b32hexdecode(text.upper())
    except binascii.Error:
        return None
    if len(raw) != ID_POSITION_BYTES + ID_HASH_BYTES:  # it was padded
        return None
    return int.from_bytes(raw[:ID_POSITION_BYTES], "big"), raw[ID_POSITION_BYTES:]

"""Bytes to messages, but for lists and maps with far more entries than any may have.

A map of some hundred thousand entries takes protobuf a second to read, and a list of two million
messages a quarter of one, in which no other call is answered. So a message that is large is first
read by a type that takes each of their entries as mere bytes, and they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from routerd.core.errors import Violation, invalid

M = TypeVar("M", bound=Message)

LARGE_BYTES = 64 * 1024
"""What is smaller has no room for entries that take long."""

MAP_ENTRIES, LIST_ENTRIES = 256, 4_096
"""As many as any configuration admits."""


class Many(NamedTuple):
    """A field that has entries, or whose message has such fields.

    most: how many; None where it is one message. inside: such fields of that message, or of each
    entry, which `read` makes of its bytes.
    """

    name: str
    most: int | None
    inside: tuple[Many, ...] = ()
    read: Callable[[bytes], Message] | None = None


def parser(kind: type[M]) -> Callable[[bytes], M]:
    """The way from bytes to a message. It raises DecodeError, and FIELD_VIOLATIONS."""
    parse, descriptor = kind.FromString, kind.DESCRIPTOR
    pool = DescriptorPool()
    add(descriptor.file, pool, set())
    count, fields = reader(descriptor, pool), tuple(fields_of(descriptor, pool))
    if not fields:
        return parse

    def parsed(data: bytes) -> M:
        if len(data) > LARGE_BYTES and (wrong := [*too_long(count(data), fields, "")]):
            raise invalid(wrong)
        return parse(data)

    return parsed


def too_long(message: Any, fields: tuple[Many, ...], path: str) -> Iterator[Violation]:
    """A violation for each field with too many entries. path: of the message, with a dot."""
    for name, most, inside, read in fields:
        found = getattr(message, name)
        if most is None:
            yield from too_long(found, inside, f"{path}{name}.")
        elif len(found) > most:
            yield Violation(f"{path}{name}", f"has {len(found)} entries; the most is {most}")
        elif read is not None:
            for index, each in enumerate(found):
                yield from too_long(read(each), inside, f"{path}{name}[{index}].")


def fields_of(kind: Any, pool: DescriptorPool) -> Iterator[Many]:
    """The fields of a message that are to be looked at. kind: its descriptor."""
    for field in kind.fields:
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry:
            if field.is_repeated:
                yield Many(field.name, LIST_ENTRIES if inner is None else MAP_ENTRIES)
            continue
        inside, most = tuple(fields_of(inner, pool)), LIST_ENTRIES if field.is_repeated else None
        if inside or most:
            yield Many(field.name, most, inside, reader(inner, pool) if most and inside else None)


def reader(kind: Any, pool: DescriptorPool) -> Callable[[bytes], Message]:
    """The way from bytes to what has bytes for entries. kind: the descriptor of a message."""
    return GetMessageClass(pool.FindMessageTypeByName(kind.full_name)).FromString


def add(file: Any, pool: DescriptorPool, added: set[str]) -> None:
    """Add a file, and those that it imports, to a pool: with bytes for the entries of lists."""
    if file.name in added:
        return
    added.add(file.name)
    for other in file.dependencies:
        add(other, pool, added)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    for message in proto.message_type:
        del message.nested_type[:]  # entries of maps
        for field in message.field:
            if field.label == field.LABEL_REPEATED and field.type == field.TYPE_MESSAGE:
                field.type = field.TYPE_BYTES
                field.ClearField("type_name")
    pool.Add(proto)

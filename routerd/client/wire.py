"""Messages of what callers give, and of what they gave wrong: which field, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr  # an embedding may be long
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

TAKES = {
    FieldDescriptor.CPPTYPE_BOOL: "True or False",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_INT32: "a whole number",
    FieldDescriptor.CPPTYPE_INT64: "a whole number",
    FieldDescriptor.CPPTYPE_STRING: "text",
}


def message(kind: type[M], fields: Mapping[str, Any]) -> M:
    """The message with these fields; None leaves one unset.

    Raises ValueError for a name that is no field, TypeError for a value that its field cannot hold,
    each with the path of the field. protobuf itself says "bad argument type for built-in
    operation".
    """
    try:
        return kind(**fields)
    except (TypeError, ValueError):
        complain(kind, fields, "")
        raise


def complain(kind: type[Message], fields: Mapping[str, Any], at: str) -> None:
    """Raise for the first of the fields that is wrong by itself."""
    known = kind.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        path = f"{at}{name}"
        if name not in known:
            there = ", ".join(sorted(known))
            raise ValueError(f"{path}: is no field; the fields here are {there}") from None
        try:
            kind(**{name: value})
        except (TypeError, ValueError):
            inside(kind, known[name], value, path)
            raise TypeError(f"{path}: takes {takes(known[name])}, not {repr(value)}") from None


def inside(kind: type[Message], field: Any, value: Any, path: str) -> None:
    """Raise for the part of a mapping that is wrong, where that can be told."""
    if not isinstance(value, Mapping) or field.message_type is None:
        return
    if not is_map(field):
        if not field.is_repeated:
            complain(type(getattr(kind(), field.name)), value, f"{path}.")
        return
    for key, item in value.items():
        try:
            kind(**{field.name: {key: item}})
        except (TypeError, ValueError):
            raise TypeError(f"{path}[{key!r}]: takes {takes(field)}, not {repr(item)}") from None


def takes(field: Any) -> str:
    """What a field holds, in words. Any: protobuf has a descriptor of its own for each backend."""
    one = TAKES.get(field.cpp_type, "a value of its enum")
    if field.message_type is not None:
        held = field.message_type.fields_by_name
        if is_map(field):
            return f"{takes(held['value'])} under {takes(held['key'])}"
        one = f"a mapping or a {field.message_type.name}"
    return f"a list, each {one}" if field.is_repeated else one


def is_map(field: Any) -> bool:
    """Whether a field maps keys to values."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)

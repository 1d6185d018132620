"""Text to plain data: YAML 1.2's core types, and every repeated key told with its lines.

PyYAML reads YAML 1.1, where `no` is false, 12:30 is 750 and 1e-3 is a text. A configuration that
may also be written as JSON must not hold such surprises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import yaml

Problem = tuple[str, str]
"""(path in the file, or "" for the file as a whole; a sentence)"""


MOST_VALUES = 200_000
"""In a file: a few aliases of aliases are more than any memory holds."""


class _Loader(yaml.SafeLoader):
    """Builds plain data only, and keeps a sentence for every key that a mapping repeats."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[Problem] = []

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        node.value = paired(node.value)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                told = f"line {line}: the key `{name}` is already given on line {lines[name]}"
                self.repeated.append(("", told))
            lines.setdefault(name, line)
        return node


_CORE_TYPES = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", "<<", "<"),
)
for _tag, _pattern, _starts in _CORE_TYPES:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_starts)
    )


def read(text: bytes, needed: str = "`agents`") -> tuple[object, list[Problem]]:
    """The one document in `text` as plain data, and all that is wrong with it.

    needed: what every such file has, for those who give an empty one.
    Never raises on bad input: data is None when the text cannot be read at all.
    """
    try:
        loader = _Loader(text.decode("utf-8-sig"))
        node = loader.get_single_node()
        if node is not None and written_out(node, {}) > MOST_VALUES:
            told = f"holds more than {MOST_VALUES:,} values with its aliases written out"
            return None, [("", told)]
        data: object = None if node is None else loader.construct_document(node)
        if data is None:
            return None, [("", f"the file is empty; it needs at least {needed}")]
        return data, [*loader.repeated, *oddities(data)]
    except UnicodeDecodeError as error:
        return None, [("", f"not UTF-8 text: byte {error.start + 1} is 0x{text[error.start]:02x}")]
    except yaml.MarkedYAMLError as error:
        return None, [("", _syntax(error))]
    except yaml.YAMLError as error:
        return None, [("", f"not YAML: {' '.join(str(error).split())}")]
    except RecursionError:
        return None, [("", "nested too deeply, or an alias that contains itself")]
    except ValueError as error:
        return None, [("", f"a value cannot be read: {error}")]


def paired(text: str) -> str:
    """The text, with halves of characters put together: JSON writes an emoji as two escapes, and
    YAML takes each of those for a character.

    >>> paired("\\ud83d\\ude00") == "\\U0001f600"
    True
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has where each alias counts as what it stands for."""
    if id(node) not in known:
        parts = [node.value] if isinstance(node, yaml.SequenceNode) else node.value
        below = () if isinstance(node, yaml.ScalarNode) else chain.from_iterable(parts)
        known[id(node)] = 1 + sum(written_out(each, known) for each in below)
    return known[id(node)]


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    told = ", ".join(part for part in (error.context, error.problem) if part)
    hint = "; indent with spaces, not tabs" if r"'\t'" in told else ""
    return f"{place}not YAML: {told}{hint}"


def member(path: str, key: object) -> str:
    """The path of a member: `utility.cost`, `agents[2]`, `when["a b"]`."""
    if not isinstance(key, str):
        return f"{path}[{key}]"
    if not re.fullmatch(r"[A-Za-z_][\w-]*", key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def oddities(data: object, path: str = "") -> Iterator[Problem]:
    """What YAML and Python can say and a configuration cannot: NaN, infinities, keys of numbers,
    texts that cannot be stored."""
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str):
                if wrong := unstorable(key):
                    yield path, f"the key {key[:64]!r} {wrong}"
                yield from oddities(value, member(path, key))
            else:
                yield path, f"the key {key!r} must be text: put it in quotes"
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from oddities(value, member(path, index))
    elif isinstance(data, str):
        if wrong := unstorable(data):
            yield path, wrong
    elif isinstance(data, float):
        if not math.isfinite(data):
            yield path, f"must be a finite number, not {data}"
    elif not (data is None or isinstance(data, int)):
        yield path, f"must be plain data, not a {type(data).__name__}"


def unstorable(text: str) -> str:
    """Why no log holds a text; empty for one that it can hold."""
    if "\0" in text:
        return "contains a NUL character; remove it"
    return (
        "" if writable(text) == text else "contains half a character, as of a cut emoji; remove it"
    )


def writable(text: str) -> str:
    """The text with halves of characters, which no UTF-8 has, as their escapes."""
    return text.encode(errors="backslashreplace").decode()

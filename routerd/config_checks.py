"""What is wrong with a configuration: all of it at once, in words, each finding with its path.

The shape is held to the JSON Schema of the settings. What a schema cannot say, one section against
another, is checked beside it on the same plain data, so that neither hides the other's findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from routerd.config_addresses import address_problem
from routerd.config_text import Problem, member
from routerd.core.encode import width
from routerd.core.settings import Feature, ThompsonPolicy
from routerd.signals.checks import signal_problems

MAX_COLUMNS = 64

Schema = Mapping[str, Any]
Found = Iterator[ValidationError]


def problems(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    """Everything that is wrong with plain data, by the schema and between its sections."""
    yield from _by_schema(data, schema)
    for check in CHECKS:
        yield from check(data)


def agent_problems(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    """Everything that is wrong with one agent, by the part of the schema that is for agents."""
    yield from _by_schema(data, {"$ref": "#/$defs/Agent", "$defs": schema["$defs"]})


def override_problems(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    """Everything that is wrong with one override, by its part of the schema, and whom it means."""
    yield from _by_schema(data, {"$ref": "#/$defs/Override", "$defs": schema["$defs"]})
    yield from _meant(data)


def experiment_problems(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    """Everything that is wrong with an experiment, by its schema and between its arms."""
    yield from _by_schema(data, schema)
    arms = _entries(data, "arms")
    yield from _repeats((f"arms[{i}].id", arm.get("id")) for i, arm in arms)
    if data.get("shadow") and len(arms) > 2:
        yield "arms", f"are {len(arms)}; in shadow there are two: the baseline, and what it shadows"


def _by_schema(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    for error in _Validator(schema).iter_errors(data):
        path = ""
        for key in error.absolute_path:
            path = member(path, key)
        words = _WORDS.get(str(error.validator))
        yield path, words(error.validator_value, error.instance) if words else error.message


def told(value: object) -> str:
    """A wrong value as the file's author knows it, cut to a length that fits a line."""
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) <= 60 else f'the text "{value[:57]}..."'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return "nothing" if value is None else "a mapping" if isinstance(value, dict) else "a list"


def hint(word: object, known: Iterable[str]) -> str:
    """`; did you mean x?` or nothing."""
    close = get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


# The schema's findings. These keywords replace jsonschema's own, whose findings name no path of a
# missing or unknown key, or list every branch of a union.


def _any_of(validator: Any, branches: Sequence[Schema], value: Any, schema: Schema) -> Found:
    """The findings of the one branch that is meant: the one that is not null, or the tag's."""
    if "discriminator" not in schema:
        meant = [branch for branch in branches if branch.get("type") != "null"]
        if value is not None:
            yield from validator.descend(value, meant[0])
        return
    tag, kinds = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    kind = value.get(tag) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        yield ValidationError(f"must be a mapping with a `{tag}`, not {told(value)}")
    elif kind is None:
        yield ValidationError(f"is missing; {_one_of(kinds)}", path=[tag])
    elif not isinstance(kind, str) or kind not in kinds:
        yield ValidationError(f"must be {_choice(kinds, kind)}", path=[tag])
    else:
        yield from validator.descend(value, {"$ref": kinds[kind]})


def _required(validator: Any, names: Sequence[str], value: Any, schema: Schema) -> Found:
    if isinstance(value, dict):
        for name in names:
            if name not in value:
                yield ValidationError("is missing", path=[name])


def _additional(validator: Any, extra: Any, value: Any, schema: Schema) -> Found:
    if not isinstance(value, dict):
        return
    known = sorted(schema.get("properties", ()))
    for key, item in value.items():
        if extra is not False:
            yield from validator.descend(item, extra, path=key)
        elif isinstance(key, str) and key not in known:
            way_out = hint(key, known) or f"; the keys here are {', '.join(known)}"
            yield ValidationError(f"unknown key{way_out}", path=[key])


def _property_names(validator: Any, rule: Schema, value: Any, schema: Schema) -> Found:
    if isinstance(value, dict):
        for key in value:
            yield from validator.descend(key, rule, path=key)


def _pattern(validator: Any, pattern: str, value: Any, schema: Schema) -> Found:
    # `$` alone would let a trailing line break pass. An empty text is too short, which says more.
    if isinstance(value, str) and value and not re.fullmatch(pattern, value):
        yield ValidationError("does not match")


def _is_whole(checker: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(checker: Any, value: object) -> bool:
    return isinstance(value, (list, tuple))


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "anyOf": _any_of,
        "required": _required,
        "additionalProperties": _additional,
        "pattern": _pattern,
        "propertyNames": _property_names,
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_whole, "array": _is_list}
    ),
)

_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _type(wanted: Any, value: object) -> str:
    quotes = ": put it in quotes" if wanted == "string" and not isinstance(value, list) else ""
    return f"must be {_TYPES[wanted]}, not {told(value)}{quotes if value is not None else ''}"


def _one_of(words: Iterable[str]) -> str:
    return f"one of {', '.join(words)}"


def _choice(words: Iterable[str], value: object) -> str:
    known = list(words)
    wanted = _one_of(known) if len(known) > 1 else f'"{known[0]}"'
    return f"{wanted}, not {told(value)}{hint(value, known)}"


def _too_few(limit: Any, value: Any) -> str:
    if limit == 1:
        return "must not be empty"
    things = "characters" if isinstance(value, str) else "entries"
    return f"must have at least {limit} {things}, not {len(value)}"


_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "type": _type,
    "enum": lambda words, value: f"must be {_choice(words, value)}",
    "minimum": lambda limit, value: f"must be at least {limit}, not {value}",
    "maximum": lambda limit, value: f"must be at most {limit}, not {value}",
    "exclusiveMinimum": lambda limit, value: f"must be above {limit}, not {value}",
    "minLength": _too_few,
    "minItems": _too_few,
    "maxLength": lambda limit, value: f"must have at most {limit} characters, not {len(value)}",
    "maxItems": lambda limit, value: f"must have at most {limit} entries, not {len(value)}",
    "maxProperties": lambda limit, value: f"must have at most {limit} entries, not {len(value)}",
    "pattern": lambda _, value: (
        f"must start with an ASCII letter or digit and hold only those and . _ : / @ + -, "
        f"not {told(value)}"
    ),
}

# What the schema cannot say. These read plain data whose shape may be wrong elsewhere.


def _entries(data: Mapping[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    found = data.get(key)
    entries = found if isinstance(found, (list, tuple)) else ()
    return [(i, entry) for i, entry in enumerate(entries) if isinstance(entry, dict)]


def _repeats(words: Iterable[tuple[str, object]]) -> Iterator[Problem]:
    """A finding for each (path, word) whose word an earlier one has."""
    first: dict[str, str] = {}
    for path, word in words:
        if isinstance(word, str) and first.setdefault(word, path) != path:
            yield path, f"`{word}` is already the one of {first[word]}"


def _listen(data: Mapping[str, Any]) -> Iterator[Problem]:
    address = data.get("listen")
    # The schema tells of an empty one.
    if isinstance(address, str) and address and (problem := address_problem(address)):
        yield "listen", problem


def _agents(data: Mapping[str, Any]) -> Iterator[Problem]:
    entries, limits = _entries(data, "agents"), data.get("limits")
    yield from _repeats((f"agents[{i}].id", a.get("id")) for i, a in entries)
    most = limits.get("agents") if isinstance(limits, dict) else None
    if isinstance(most, int) and 0 < most < len(entries):
        yield "agents", f"are {len(entries)}; limits.agents is {most}: raise it, or list fewer"


def _ids(data: Mapping[str, Any]) -> list[str]:
    return [a["id"] for _, a in _entries(data, "agents") if isinstance(a.get("id"), str)]


def _static_routes(data: Mapping[str, Any]) -> Iterator[Problem]:
    ids = _ids(data)
    earlier: list[tuple[str, Mapping[str, Any]]] = []
    for i, route in _entries(data, "static_routes"):
        path, agent, when = f"static_routes[{i}]", route.get("agent"), route.get("when", {})
        if isinstance(agent, str) and agent not in ids:
            yield f"{path}.agent", f"no agent has the id `{agent}`{hint(agent, ids)}"
        if not isinstance(when, dict):
            continue
        covers = next((e for e in earlier if e[1].items() <= when.items()), None)
        if covers is not None:
            what = "matches all of its tasks" if covers[1] else "is a catch-all"
            yield path, f"is never reached: {covers[0]} comes before it and {what}"
        earlier.append((path, when))


def _features(data: Mapping[str, Any]) -> Iterator[Problem]:
    entries = _entries(data, "features")
    fixed = {"text": "description", "embedding": "embedding"}
    yield from _repeats(
        (f"features[{i}].name", f.get("name", fixed.get(str(f.get("kind"))))) for i, f in entries
    )
    columns = 1
    for i, entry in entries:
        values = entry.get("values")
        if isinstance(values, (list, tuple)):
            yield from _repeats((f"features[{i}].values[{j}]", v) for j, v in enumerate(values))
        try:
            columns += width(msgspec.convert(entry, Feature))
        except msgspec.ValidationError:
            continue
    if columns > MAX_COLUMNS:
        yield (
            "features",
            f"make {columns} columns with the intercept; {MAX_COLUMNS} is the most: lower size, "
            "slots or values",
        )


def _policy(data: Mapping[str, Any]) -> Iterator[Problem]:
    policy = data.get("policy")
    if not isinstance(policy, dict) or policy.get("kind") != "thompson":
        return
    default = ThompsonPolicy()
    floor, least = policy.get("floor", default.floor), policy.get("floor_min", default.floor_min)
    if isinstance(floor, (int, float)) and isinstance(least, (int, float)) and least > floor:
        yield "policy.floor_min", f"must be at most floor ({floor}), not {least}"


def _outcomes(data: Mapping[str, Any]) -> Iterator[Problem]:
    outcomes = data.get("outcomes")
    sources = outcomes.get("sources") if isinstance(outcomes, dict) else None
    if isinstance(sources, (list, tuple)):
        yield from _repeats((f"outcomes.sources[{i}]", source) for i, source in enumerate(sources))


def _overrides(data: Mapping[str, Any]) -> Iterator[Problem]:
    entries = _entries(data, "overrides")
    yield from _repeats((f"overrides[{i}].id", entry.get("id")) for i, entry in entries)
    ids = _ids(data)
    for i, entry in entries:
        agent = entry.get("agent")
        if isinstance(agent, str) and agent and agent not in ids:
            yield f"overrides[{i}].agent", f"no agent has the id `{agent}`{hint(agent, ids)}"
        for path, text in _meant(entry):
            yield member(f"overrides[{i}]", path), text


def _meant(override: Mapping[str, Any]) -> Iterator[Problem]:
    if not any(override.get(key) for key in ("agent", "pool", "type")):
        yield "agent", "is missing, and so are pool and type; say which agents are meant"


def _budgets(data: Mapping[str, Any]) -> Iterator[Problem]:
    entries = _entries(data, "budgets")
    yield from _repeats((f"budgets[{i}].id", entry.get("id")) for i, entry in entries)
    for i, entry in entries:
        if entry.get("usd") is None and entry.get("usd_per_decision") is None:
            yield f"budgets[{i}].usd", "is missing, and so is usd_per_decision; give one of them"


def _cascade(data: Mapping[str, Any]) -> Iterator[Problem]:
    ids = _ids(data)
    cascade = data.get("cascade")
    for i, ladder in _entries(cascade, "ladders") if isinstance(cascade, dict) else ():
        agents = ladder.get("agents")
        if isinstance(agents, (list, tuple)):
            path = f"cascade.ladders[{i}].agents"
            named = [(f"{path}[{j}]", agent) for j, agent in enumerate(agents)]
            yield from _repeats(named)
            for rung, agent in named:
                if isinstance(agent, str) and agent and agent not in ids:
                    yield rung, f"no agent has the id `{agent}`{hint(agent, ids)}"


CHECKS = (
    _listen,
    _agents,
    _static_routes,
    _features,
    _policy,
    _outcomes,
    _overrides,
    _budgets,
    _cascade,
    signal_problems,
)

"""Every field of every request message, fed with what nobody should send.

The cases are made from the descriptors, so a new field or method is covered when it is declared.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.server.harness import Refusal, Running
from tests.server.rpcs import ROWS, ask, make, method, request

# What a refusal of bad input may be. Anything else, INTERNAL and UNKNOWN above all, is a bug.
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
}

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "minus_inf": -math.inf}
HUGE_TEXT = "x" * 10**6
MANY = 10**5
INT32 = {"most": 2**31 - 1, "least": -(2**31), "minus_one": -1}
INT64 = {"most": 2**63 - 1, "least": -(2**63), "minus_one": -1}

ROUTE = "routerd.v1.RouterService.Route"
EXPERIMENT = "routerd.v1.PolicyService.CreateExperiment"

Change = Callable[[Message], None]


class Case(NamedTuple):
    """A change to a good request; must_refuse: with INVALID_ARGUMENT that names the field."""

    path: str
    what: str
    change: Change
    must_refuse: bool

    @property
    def heavy(self) -> bool:
        return self.what.endswith(("huge", "huge_key", "many"))


def cases(message: Message, path: str = "") -> Iterator[Case]:
    """Cases of every field of a message and of the messages inside it."""
    fields: Any = message.DESCRIPTOR.fields
    for field in fields:
        here = path + field.name
        for what, value, must_refuse in bad_values(field):
            yield Case(here, what, setter(path, field, value), must_refuse)
        if field.message_type is not None and not field.is_repeated:
            inner = GetMessageClass(field.message_type)()
            yield from cases(inner, f"{here}.")


def bad_values(field: FieldDescriptor) -> Iterator[tuple[str, Any, bool]]:
    """Names and values that a field's type admits and its meaning does not, or perhaps not."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        for what, value, must_refuse in single_values(entry.fields_by_name["value"]):
            yield f"value_{what}", {"key": value}, must_refuse
        some = [value for _, value, _ in single_values(entry.fields_by_name["value"])][-1]
        yield "many", {f"key-{i}": some for i in range(MANY)}, True
        yield "huge_key", {HUGE_TEXT: some}, True
        yield "empty_key", {"": some}, True
        yield "nul_key", {"\0": some}, True
    elif entry is not None and field.is_repeated:
        yield "many", [GetMessageClass(entry)()] * MANY, True
    elif entry is not None:
        yield "absent", None, False
    elif field.is_repeated:
        singles = list(single_values(field))
        for what, value, must_refuse in singles:
            yield f"item_{what}", [value], must_refuse
        yield "many", [singles[-1][1]] * MANY, True
    else:
        yield from single_values(field)


def single_values(field: FieldDescriptor) -> Iterator[tuple[str, Any, bool]]:
    """Bad single values of a scalar type, the last one harmless by itself."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            yield from ((what, value, True) for what, value in NOT_FINITE.items())
            largest = 1.7e308 if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else 3.4e38
            yield "largest", largest, True
            yield "large", 1e12, False
            yield "tiny", 1e-45, False
            yield "minus_zero", -0.0, False
        case FieldDescriptor.CPPTYPE_STRING:
            yield "huge", HUGE_TEXT, True
            yield "nul", "a\0b", True
            yield "control", "\x01\x7f\u202e\ufeff", False
            yield "empty", "", False
            yield "unknown", "nobody", False
        case FieldDescriptor.CPPTYPE_ENUM:
            yield from (("unknown_number", number, True) for number in (99, -1, 2**31 - 1))
            yield "unspecified", 0, False
        case FieldDescriptor.CPPTYPE_INT64 | FieldDescriptor.CPPTYPE_INT32:
            wide = field.cpp_type == FieldDescriptor.CPPTYPE_INT64
            yield from ((what, value, True) for what, value in (INT64 if wide else INT32).items())
            yield "zero", 0, False
        case FieldDescriptor.CPPTYPE_BOOL:
            yield "true", True, False
        case kind:
            pytest.fail(f"{field.full_name}: nothing here is bad for a field of type {kind}")


def setter(path: str, field: FieldDescriptor, value: Any) -> Change:
    """A function that puts the value at the path of a message."""

    def change(message: Message) -> None:
        for name in path.split(".")[:-1]:
            message = getattr(message, name)
        message.ClearField(field.name)
        if isinstance(value, dict):
            getattr(message, field.name).update(value)
        elif isinstance(value, list):
            getattr(message, field.name).extend(value)
        elif value is not None:
            setattr(message, field.name, value)

    return change


async def fault(running: Running, name: str, good: Message, case: Case) -> str:
    """What is wrong with the answer to a case; empty when nothing is."""
    message = copy.deepcopy(good)
    case.change(message)
    before = running.state()
    refusal = await ask(running.client, name, message)
    if refusal is None:
        return "was accepted" if case.must_refuse else ""
    if refusal.reason == "CLAIM_REFUSED":
        return "" if not case.must_refuse else "was judged"  # good input, and in the log as such
    if running.state() != before:
        return "was refused and changed the state"
    if refusal.code not in REFUSALS:
        return f"ended in {refusal.code}: {refusal.message}"
    if refusal.code is grpc.StatusCode.NOT_FOUND or not case.must_refuse:
        return ""
    return (
        ""
        if is_named(case, refusal)
        else f"was refused because of {refusal.fields or refusal.message}"
    )


@pytest.mark.parametrize("name", ROWS)
async def test_bad_input_is_refused_by_name_and_changes_nothing(
    running: Running, name: str
) -> None:
    """NaN, infinities, huge, empty, many, unknown: a refusal that names the field, no change."""
    good = request(name, ROWS[name].good(await make(running)))
    assert await ask(running.client, name, good) is None
    told = {
        f"{case.path} {case.what}": await fault(running, name, good, case)
        for case in cases(GetMessageClass(method(name).input_type)())
    }
    assert told
    assert not [f"{case} {wrong}" for case, wrong in told.items() if wrong]


@pytest.mark.parametrize("name", ROWS)
async def test_no_mixture_of_bad_input_is_our_fault(running: Running, name: str) -> None:
    """Several bad fields at once are refused, or taken, but never INTERNAL or half applied."""
    good = request(name, ROWS[name].good(await make(running)))
    chance = random.Random(1)
    light = [c for c in cases(GetMessageClass(method(name).input_type)()) if not c.heavy]
    for _ in range(150):
        mixture = chance.sample(light, min(len(light), chance.randint(2, 5)))

        def change(message: Message, mixture: list[Case] = mixture) -> None:
            for case in mixture:
                case.change(message)

        wrong = await fault(running, name, good, Case("", "mixture", change, must_refuse=False))
        assert not wrong, [(case.path, case.what) for case in mixture]


@pytest.mark.parametrize("name", ROWS)
async def test_two_mistakes_are_told_at_once(running: Running, name: str) -> None:
    """Whichever two fields are wrong, the one refusal names both, numbers of enums included."""
    good = request(name, ROWS[name].good(await make(running)))
    wrong: dict[str, Case] = {}
    for case in cases(GetMessageClass(method(name).input_type)()):
        if case.must_refuse and not case.heavy and case.path not in wrong:
            message = copy.deepcopy(good)
            case.change(message)
            refusal = await ask(running.client, name, message)
            if refusal is not None and is_named(case, refusal):  # not so what is no id of anything
                wrong[case.path] = case
    untold = []
    for pair in combinations(wrong.values(), 2):
        if pair[1].path.startswith(f"{pair[0].path}."):
            continue
        message = copy.deepcopy(good)
        for case in pair:
            case.change(message)
        refusal = await ask(running.client, name, message)
        assert refusal is not None
        untold += [f"{case.path} of {pair}" for case in pair if not is_named(case, refusal)]
    assert not untold


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("AgentService.UpdateAgent", {}, ["agent_id", "definition"]),
        ("AgentService.UpdateAgent", {"agent_id": "\0", "status": 99}, ["agent_id", "status"]),
        (
            "PolicyService.UpdateOverride",
            {"definition": {"action": 2, "agent_id": "a", "expires_time_ms": 1}},
            ["definition.expires_time_ms", "override_id"],
        ),
        (
            "PolicyService.CreateExperiment",
            {"definition": {"arms": [{"arm_id": "a", "policy_json": "{"}] * 2}},
            [
                *("definition.arms[0].policy_json", "definition.arms[1].arm_id"),
                *("definition.arms[1].policy_json", "experiment_id"),
            ],
        ),
    ],
)
async def test_what_is_looked_at_apart_is_told_together(
    running: Running, name: str, fields: dict[str, Any], told: list[str]
) -> None:
    """An id beside a definition that is not there, an end that has come beside what is no id."""
    whole = f"routerd.v1.{name}"
    refusal = await ask(running.client, whole, request(whole, fields))
    assert refusal
    assert sorted(refusal.fields) == told


def is_named(case: Case, refusal: Refusal) -> bool:
    """Whether a refusal says that this field is wrong."""
    return any(field.startswith(case.path) for field in refusal.fields)


@pytest.mark.parametrize("length", [1, 3, 5, 4096])
async def test_an_embedding_of_the_wrong_dimension_is_refused(
    running: Running, length: int
) -> None:
    """The refusal names task.embedding and says both lengths."""
    before = running.state()
    message = request(ROUTE, {"task": {"embedding": [0.5] * length}})
    refusal = await ask(running.client, ROUTE, message)
    assert refusal
    assert refusal.fields == ["task.embedding"]
    assert f"has {length} numbers" in refusal.message
    assert "declares 4" in refusal.message
    assert running.state() == before


@pytest.mark.parametrize(
    "policy", ['{"kind": "value", "id": "\\ud83d"}', '{"kind": "\\ud83d"}', '"\\ud83d"']
)
async def test_half_a_character_in_json_is_refused(running: Running, policy: str) -> None:
    """JSON can say what no text of a message can, as its author cut it within an emoji."""
    before = running.state()
    arms = [{"arm_id": "a"}, {"arm_id": "b", "policy_json": policy}]
    message = request(EXPERIMENT, {"experiment_id": "new", "definition": {"arms": arms}})
    refusal = await ask(running.client, EXPERIMENT, message)
    assert refusal
    assert refusal.fields == ["definition.arms[1].policy_json"]
    assert "half a character" in refusal.message
    assert running.state() == before

"""Nothing is lost or invented between the wire and the values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from routerd.core.base import Value
from routerd.core.errors import RouterError
from routerd.core.values import Follows, Outcome, OutcomeKind, Preference, Reason, Request, Task
from routerd.server import convert, convert_agents, convert_rules, convert_trials
from routerd.v1 import agents_pb2, policy_pb2, router_pb2, types_pb2

EDGE_ONLY = {"explain"}  # not a field of the value: it changes no decision

PAIRS: list[tuple[Any, Any, Any]] = [
    (types_pb2.Task, Task, convert.task_of),
    (types_pb2.Preference, Preference, convert.preference_of),
    (types_pb2.Follows, Follows, convert.follows_of),
    (router_pb2.RouteRequest, Request, convert.request_of),
    (
        types_pb2.Outcome,
        Outcome,
        lambda wire: convert.outcome_of(router_pb2.ReportOutcomeRequest(outcome=wire)),
    ),
]
FIELDS = [
    pytest.param(wire, value, to_value, name, id=f"{wire.DESCRIPTOR.name}.{name}")
    for wire, value, to_value in PAIRS
    for name in wire.DESCRIPTOR.fields_by_name
    if name not in EDGE_ONLY
]


def something(field: Any) -> Any:
    """A value of the field's type that is not its default."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"key": something(value)}
    if field.message_type is not None:
        first = field.message_type.fields[0]
        return {first.name: something(first)}
    single: Any = {
        FieldDescriptor.CPPTYPE_STRING: "text",
        FieldDescriptor.CPPTYPE_DOUBLE: 0.5,
        FieldDescriptor.CPPTYPE_FLOAT: 0.5,
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_ENUM: 2,
        FieldDescriptor.CPPTYPE_INT64: 7,
    }[field.cpp_type]
    return [single] if field.is_repeated else single


@pytest.mark.parametrize(("wire", "value", "to_value", "name"), FIELDS)
def test_every_field_reaches_its_namesake(
    wire: type[Message], value: type[Value], to_value: Any, name: str
) -> None:
    """A field that is set on the wire is set in the value, and no other is."""
    told = something(wire.DESCRIPTOR.fields_by_name[name])
    expected = {"kind": "REVISE", "cause": "REFUSED"}.get(name, told)
    converted = to_value(wire(**{name: told}))
    assert msgspec.json.decode(msgspec.json.encode(converted)) == {name: expected}


@pytest.mark.parametrize(("wire", "value", "to_value"), PAIRS)
def test_an_empty_message_is_the_default_value(
    wire: type[Message], value: type[Value], to_value: Any
) -> None:
    """What is absent on the wire is what the value has by default."""
    assert to_value(wire()) == value()


@pytest.mark.parametrize(
    ("value", "wire", "name"),
    [
        (value, wire, name)
        for wire, value, _ in PAIRS
        for name in value.__struct_fields__
        if (value, name) != (Request, "signal")  # is made here, of the description
    ],
)
def test_every_field_of_a_value_can_be_sent(
    value: type[Value], wire: type[Message], name: str
) -> None:
    """The engine knows nothing that a remote caller cannot say."""
    assert name in wire.DESCRIPTOR.fields_by_name


def test_zero_differs_from_unset() -> None:
    """An optional number that is 0 on the wire is 0, not None."""
    outcome = types_pb2.Outcome(success=False, quality=0, cost_usd=0, latency_ms=0)
    value = convert.outcome_of(router_pb2.ReportOutcomeRequest(outcome=outcome))
    assert (value.success, value.quality, value.cost_usd, value.latency_ms) == (False, 0, 0, 0)


def test_every_kind_of_outcome_can_be_sent() -> None:
    """Each kind has a number, unset is a report, and an unknown number names its field."""
    assert set(convert.OUTCOME_KINDS.values()) == set(OutcomeKind)
    assert set(convert.OUTCOME_KINDS) == set(types_pb2.OutcomeKind.values())
    unknown = types_pb2.Outcome(kind=99)  # type: ignore[arg-type]
    with pytest.raises(RouterError) as refusal:
        convert.outcome_of(router_pb2.ReportOutcomeRequest(outcome=unknown))
    assert [violation.field for violation in refusal.value.violations] == ["outcome.kind"]


def test_every_reason_has_a_code_of_its_own() -> None:
    """No reason of a decision is told as another's, or as unspecified."""
    assert set(convert.REASON_CODES) == set(Reason)
    codes = set(convert.REASON_CODES.values())
    assert len(codes) == len(Reason)
    assert types_pb2.REASON_CODE_UNSPECIFIED not in codes


TEXTS = {f"k{i}": "x" * 2_000 for i in range(5_000)}
REGISTER = (convert_agents.registered, agents_pb2.RegisterAgentRequest)
FORCE = (convert_rules.override_of, policy_pb2.CreateOverrideRequest)
EXPERIMENT = (convert_trials.experiment_of, policy_pb2.CreateExperimentRequest)


@pytest.mark.parametrize(
    ("read", "request_type", "definition"),
    [
        (*REGISTER, {"capabilities": [""] * 5_000}),
        (*REGISTER, {"specializations": [""] * 5_000}),
        (*REGISTER, {"metadata": TEXTS}),
        (*FORCE, {"when": TEXTS}),
        (*EXPERIMENT, {"when": TEXTS}),
        (*EXPERIMENT, {"arms": [{}] * 5_000}),
        (*EXPERIMENT, {"arms": [{"static_routes": [{}] * 5_000}]}),
        (*EXPERIMENT, {"arms": [{"static_routes": [{"when": dict.fromkeys(TEXTS, "")}]}]}),
    ],
)
def test_of_what_is_too_long_not_each_entry_is_looked_at(
    read: Any, request_type: Any, definition: Any
) -> None:
    """A message of a million entries that are all wrong would keep every other call waiting."""
    with pytest.raises(RouterError) as refusal:
        read(request_type(definition=definition))
    found = refusal.value.violations
    assert any("must have at most" in violation.description for violation in found)
    assert len(found) < 1_100

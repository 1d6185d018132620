"""Whatever a client sends, it is answered or it is the client's fault; a refusal changes nothing.

The messages are made from the descriptors, so an RPC is fuzzed as soon as it has its row in
tests/server/rpcs.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.harness import PATIENCE_S, Running
from tests.server.rpcs import ROWS, Made, ask, make, method, request
from tests.server.test_bad_input import REFUSALS

# With words that mean something to the server a message gets past the first checks.
WORDS = ("large", "small", "new", "paid", "code", "vision", "complexity", "reviewer", "r-1")
ODD = ("", "nobody", "@1", "a\0b", "\N{SNOWMAN}", "x" * 200, "0000000000000000", "1" * 13)
INTEGERS = (0, 1, 2, 256, 1_000, -1, 2**31 - 1, -(2**31))
SILENCE_S = 0.1
LONG = (10**12, 2**53, 2**63 - 1, -(2**63))
FLOATS = (0.0, 0.5, 1.0, -0.0, -1.0, 1e12, float("inf"), float("nan"))

Strategy = st.SearchStrategy[Any]

TEXT: Strategy = st.sampled_from(WORDS) | st.sampled_from(ODD) | st.text(max_size=12)
SCALARS: dict[int, Strategy] = {
    FieldDescriptor.CPPTYPE_STRING: TEXT,
    FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from(FLOATS) | st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.sampled_from(FLOATS) | st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from((0, 1, 2, 3, 99, -1)),
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from(INTEGERS),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from(INTEGERS + LONG),
}


def value(field: FieldDescriptor) -> Strategy:
    """One value that the field's type admits, whatever it means."""
    if field.message_type is not None:
        return fields(field.message_type)
    if field.name.endswith("_ms"):  # not one that ends, and changes the state, during the test
        return st.sampled_from((0, 10**6, -1, *LONG))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=9)
    return SCALARS[field.cpp_type]


@cache
def fields(message: Descriptor) -> Strategy:
    """Any of a message's fields, as keywords; several requests in one are refused one by one."""
    made: dict[str, Strategy] = {}
    for field in message.fields:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            values = value(inner.fields_by_name["value"])
            made[field.name] = st.dictionaries(TEXT, values, max_size=3)
        elif field.is_repeated:
            most = 1 if inner is not None else 4
            made[field.name] = st.lists(value(field), max_size=most)
        else:
            made[field.name] = value(field)
    return st.fixed_dictionaries({}, optional=made)


@pytest.fixture
async def made(running: Running) -> Made:
    """What the messages may speak of; those that are taken change it."""
    return await make(running)


@pytest.mark.parametrize("name", ROWS)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_message_is_our_fault(
    running: Running, made: Made, name: str, data: st.DataObject
) -> None:
    """Alone, or written over a good request: never UNKNOWN or INTERNAL, never half applied."""
    good = ROWS[name].good(made) if data.draw(st.booleans(), "over a good request") else {}
    drawn = request(name, data.draw(fields(method(name).input_type), "fields"))
    message = request(name, good)
    for field, _ in drawn.ListFields():
        if field.is_repeated:  # else they would be joined
            message.ClearField(field.name)
    message.MergeFrom(drawn)
    before = running.state()
    endless = ROWS[name].endless
    refusal = await ask(running.client, name, message, timeout=SILENCE_S if endless else PATIENCE_S)
    if endless and refusal is not None and refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return  # it was taken, and waits for what is to be told
    if refusal is not None:
        assert refusal.code in REFUSALS, refusal.message
        assert refusal.reason
        assert running.state() == before

"""Arguments of the clients that can be none: told at once, by name, and not in the first outage."""

from __future__ import annotations

import math
from typing import Any

import pytest

from routerd.client import AsyncClient, Client
from routerd.client.routing import request_of
from routerd.client.wire import message
from routerd.v1 import types_pb2

WRONG = [
    ({"timeout_s": -1}, ValueError, "timeout_s"),
    ({"timeout_s": 0}, ValueError, "timeout_s"),
    ({"timeout_s": math.nan}, ValueError, "timeout_s"),
    ({"timeout_s": math.inf}, ValueError, "timeout_s"),
    ({"timeout_s": "1"}, TypeError, "timeout_s"),
    ({"timeout_s": None}, TypeError, "timeout_s"),
    ({"address": ""}, ValueError, "address"),
    ({"address": "http://127.0.0.1:7450"}, ValueError, "address"),
    ({"address": 7450}, TypeError, "address"),
    ({"fallback": {"code": 7}}, TypeError, "fallback"),
    ({"fallback": {7: "large"}}, TypeError, "fallback"),
    ({"fallback": {"code": None}}, TypeError, "fallback"),
    ({"fallback": ["large"]}, TypeError, "fallback"),
    ({"fallback": "large"}, TypeError, "fallback"),
    ({"outbox": 0}, ValueError, "outbox"),
]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(("given", "error", "name"), WRONG, ids=str)
def test_an_argument_that_can_be_none_is_named(
    kind: Any, given: dict[str, Any], error: type[Exception], name: str
) -> None:
    """A client with it would decide by its table for ever, or by nobody when it matters."""
    with pytest.raises(error, match=f"^{name}: "):
        kind(**given)


@pytest.mark.parametrize("timeout_s", [0, -1.0, math.nan])
async def test_so_is_that_of_a_call(timeout_s: float) -> None:
    """With fail-open, a deadline that is over at once would look like an outage."""
    with (
        Client("127.0.0.1:1", fallback={"": "large"}) as client,
        pytest.raises(ValueError, match="timeout_s: "),
    ):
        client.route(timeout_s=timeout_s)
    async with AsyncClient("127.0.0.1:1", fallback={"": "large"}) as other:
        with pytest.raises(ValueError, match="timeout_s: "):
            await other.route(timeout_s=timeout_s)


ASKED: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    ({"work_typ": "code"}, {}, ValueError, "task.work_typ: is no field; the fields here are "),
    ({"work_type": 3}, {}, TypeError, "task.work_type: takes text, not 3"),
    ({"labels": {"a": "b", "n": 1}}, {}, TypeError, "task.labels['n']: takes text under text, not"),
    ({"features": {"x": "1"}}, {}, TypeError, "task.features['x']: takes a number under text, not"),
    ({"embedding": "no"}, {}, TypeError, "task.embedding: takes a list, each a number, not 'no'"),
    (
        {"embedding": ["1"] * 999},
        {},
        TypeError,
        "task.embedding: takes a list, each a number, not ['1', '1', '1', '1', '1', '1', ...]",
    ),
    ("code", {}, TypeError, "task: takes a mapping or a Task, not 'code'"),
    ({}, {"max_cost_usd": "1"}, TypeError, "max_cost_usd: takes a number, not '1'"),
    ({}, {"event_time_ms": 1.5}, TypeError, "event_time_ms: takes a whole number, not 1.5"),
    ({}, {"explain": "yes"}, TypeError, "explain: takes True or False, not 'yes'"),
    ({}, {"preference": {"speed": 1}}, ValueError, "preference.speed: is no field; the fields"),
    ({}, {"agent": "small"}, ValueError, "agent: is no field; the fields here are agent_id, "),
    (
        {},
        {"follows": {"cause": "gone"}},
        TypeError,
        "follows.cause: takes a value of its enum, not",
    ),
]


@pytest.mark.parametrize(("task", "given", "error", "told"), ASKED, ids=str)
def test_a_field_that_can_be_none_is_named(
    task: Any, given: Any, error: type[Exception], told: str
) -> None:
    """protobuf says `bad argument type for built-in operation`, of whatever field."""
    with pytest.raises(error) as raised:
        request_of(task, given)
    assert str(raised.value).startswith(told)


def test_so_is_that_of_an_outcome() -> None:
    """Leaving the block of a decision makes one."""
    with pytest.raises(TypeError, match=r"^quality: takes a number, not 'good'$"):
        message(types_pb2.Outcome, {"decision_id": "1", "quality": "good"})
    with pytest.raises(ValueError, match=r"^sucess: is no field; the fields here are "):
        message(types_pb2.Outcome, {"sucess": True})

"""Arguments of the clients that can be none: told at once, by name, and not in the first outage."""

from __future__ import annotations

import math
from typing import Any

import pytest

from routerd.client import AsyncClient, Client

WRONG = [
    ({"timeout_s": -1}, ValueError, "timeout_s"),
    ({"timeout_s": 0}, ValueError, "timeout_s"),
    ({"timeout_s": math.nan}, ValueError, "timeout_s"),
    ({"timeout_s": math.inf}, ValueError, "timeout_s"),
    ({"timeout_s": "1"}, TypeError, "timeout_s"),
    ({"timeout_s": None}, TypeError, "timeout_s"),
    ({"address": ""}, ValueError, "address"),
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

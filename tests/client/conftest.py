"""Fixtures of the client's tests; what they hand out is in tests/client/harness.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from tests.client.harness import KINDS, AnyClient, serving
from tests.server.harness import Running

# Daemons come and go within a test: look for them more often than one would.
QUICK = (("grpc.max_reconnect_backoff_ms", 200),)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Callable[..., AnyClient]:
    """Either client's class, with the same methods."""
    return partial(KINDS[request.param], options=QUICK)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A server in this process."""
    async with serving() as running:
        yield running

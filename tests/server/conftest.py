"""Fixtures of the server's tests; what they hand out is in tests/server/harness.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import grpc
import pytest

from tests.server.harness import Client, Daemon, Running, in_process


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A server in this process."""
    async with in_process() as running:
        yield running


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests: they share its state and must not mind."""
    with Daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


@pytest.fixture(params=["in-process", "daemon"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of either harness."""
    async with AsyncExitStack() as stack:
        if request.param == "in-process":
            yield (await stack.enter_async_context(in_process())).client
        else:
            daemon: Daemon = request.getfixturevalue("daemon")
            channel = grpc.aio.insecure_channel(daemon.address)
            yield Client(await stack.enter_async_context(channel))

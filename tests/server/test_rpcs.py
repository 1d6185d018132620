"""Every RPC that reflection lists: taken, wrong, unknown and late; see tests/server/rpcs.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server.harness import Client, Running
from tests.server.rpcs import ROWS, ask, make, request


async def reflected(client: Client) -> set[str]:
    """The full name of every method of routerd's services, as a client without stubs finds them."""
    channel: Any = client.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)

    async def told(**question: str) -> Any:
        asked: Any = reflection_pb2.ServerReflectionRequest
        async for answer in stub.ServerReflectionInfo(iter([asked(**question)])):
            return answer

    listed = (await told(list_services="")).list_services_response.service
    names: set[str] = set()
    for service in (s.name for s in listed if s.name.startswith("routerd.")):
        files = (await told(file_containing_symbol=service)).file_descriptor_response
        names |= set(methods(service, files.file_descriptor_proto))
    return names


def methods(service: str, files: list[bytes]) -> Iterator[str]:
    for file in map(FileDescriptorProto.FromString, files):
        for found in file.service:
            if f"{file.package}.{found.name}" == service:
                yield from (f"{service}.{method.name}" for method in found.method)


async def test_every_rpc_of_a_running_server_has_a_row(client: Client) -> None:
    """An RPC without its cases in tests/server/rpcs.py is not finished, nor a row without one."""
    assert await reflected(client) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
async def test_a_good_request_is_taken(running: Running, name: str) -> None:
    """And a second time as well."""
    row, made = ROWS[name], await make(running)
    for _ in range(2):
        refusal = await ask(running.client, name, request(name, row.good(made)))
        assert refusal is None, refusal.message


@pytest.mark.parametrize("name", ROWS)
async def test_a_wrong_request_is_refused_by_the_name_of_its_field(
    running: Running, name: str
) -> None:
    """INVALID_ARGUMENT with FIELD_VIOLATIONS; the state is as before."""
    await make(running)
    before = running.state()
    refusal = await ask(running.client, name, request(name, ROWS[name].bad))
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "FIELD_VIOLATIONS"
    assert ROWS[name].field in refusal.fields
    assert running.state() == before


@pytest.mark.parametrize("name", ROWS)
async def test_bytes_that_are_no_request_are_refused(running: Running, name: str) -> None:
    """INVALID_ARGUMENT that names the type of message."""
    before = running.state()
    refusal = await ask(running.client, name, b"\xff")
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert request(name, {}).DESCRIPTOR.name in refusal.message
    assert running.state() == before


@pytest.mark.parametrize("name", ROWS)
async def test_what_does_not_exist_is_refused_for_its_reason(running: Running, name: str) -> None:
    """NOT_FOUND, and the state is as before; a row without such a case says why."""
    row = ROWS[name]
    if isinstance(row.unknown, str):
        assert row.unknown
        return
    await make(running)
    before = running.state()
    refusal = await ask(running.client, name, request(name, row.unknown))
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert refusal.reason == row.reason
    assert running.state() == before


@pytest.mark.parametrize("name", ROWS)
async def test_a_call_whose_deadline_passed_changes_nothing(
    running: Running, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DEADLINE_EXCEEDED, however good the request: the server was busy for too long."""
    row, made = ROWS[name], await make(running)
    before = running.state()
    identify = running.app.gate.identify
    calls, timeout_s = 0, 0.05

    def busy(context: Any) -> Any:
        nonlocal calls
        calls += 1
        time.sleep(1.5 * timeout_s)
        return identify(context)

    monkeypatch.setattr(running.app.gate, "identify", busy)
    message = request(name, row.good(made))
    while not calls and timeout_s < 5.0:  # on a busy machine the call may not get there in time
        timeout_s *= 2
        refusal = await ask(running.client, name, message, timeout=timeout_s)
        assert refusal is not None
        assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
        # Its answer comes when whatever the server began has ended.
        await running.client.health.Check(health_pb2.HealthCheckRequest())
    assert calls == 1
    assert running.state() == before

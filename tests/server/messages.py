"""Messages of batches and streams as tests send and read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routerd.v1 import router_pb2
from tests.server.harness import (
    PATIENCE_S,
    Client,
    Refusal,
    Running,
)

TASK = {"work_type": "code", "embedding": [0.1, 0.2, 0.3, 0.4]}

Result = router_pb2.RouteResult
Ack = router_pb2.StreamOutcomesResponse


def asked(*requests: dict[str, Any], **more: Any) -> list[router_pb2.RouteStreamRequest]:
    return [router_pb2.RouteStreamRequest(request=fields, **more) for fields in requests]


def reported(decision_id: str, *outcome_ids: str, **more: Any) -> list[Any]:
    """Outcomes of one decision as messages of a stream."""
    return [
        router_pb2.StreamOutcomesRequest(
            outcome={"decision_id": decision_id, "outcome_id": name, "quality": 0.5}, **more
        )
        for name in outcome_ids
    ]


async def batch(client: Client, *requests: dict[str, Any]) -> list[Result]:
    wire = router_pb2.RouteBatchRequest(requests=[router_pb2.RouteRequest(**r) for r in requests])
    response = await client.router.RouteBatch(wire, timeout=PATIENCE_S)
    return list(response.results)


def said(results: Sequence[Result]) -> list[str]:
    """What became of each request: its id and the agent, or the reason of its refusal."""
    return [
        r.answer.agent_id if r.HasField("answer") else f"!{Refusal.of(r.status).reason}"
        for r in results
    ]


def appends(running: Running) -> list[int]:
    """How many entries each append has that is yet to come."""
    counted: list[int] = []
    append = running.disk.append

    def counting(partition: str, entries: Any, expect: int) -> None:
        counted.append(len(entries))
        append(partition, entries, expect)

    running.disk.append = counting  # type: ignore[method-assign]
    return counted

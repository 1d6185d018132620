"""RouteBatch: a result for each request, in order, in one commit."""

from __future__ import annotations

import grpc

from tests.server.harness import (
    Client,
    Refusal,
    Running,
    in_process,
    refused,
    until,
)
from tests.server.messages import TASK, appends, batch, said


async def test_a_batch_has_a_result_for_each_request(client: Client) -> None:
    """Answers and refusals stand in the order of the requests, each as Route would give it."""
    results = await batch(
        client, {"task": TASK, "pool": "free"}, {"pool": "nowhere"}, {"agent_id": "large"}
    )
    assert said(results) == ["small", "!EMPTY_POOL", "large"]
    first, _, last = (r.answer for r in results)
    assert last.position == first.position + 1
    assert results[0].request_id == first.request_id != ""
    assert (await client.decision(last.decision_id)).agent_id == "large"


async def test_a_request_of_a_batch_sees_those_before_it(running: Running) -> None:
    """A repeated key gets the first answer, and with another body the refusal that Route gives."""
    key = {"request_id": "b-1", "task": TASK}
    first, again, other = await batch(running.client, key, key, {"request_id": "b-1"})
    assert again.answer == first.answer
    refusal = Refusal.of(other.status)
    assert (refusal.reason, other.request_id) == ("REQUEST_ID_REUSED", "b-1")
    assert refusal.facts["decision_id"] == first.answer.decision_id
    assert running.state()[0] == first.answer.position


async def test_a_batch_is_explained_when_asked(client: Client) -> None:
    """Request by request."""
    plain, explained = await batch(client, {"task": TASK}, {"task": TASK, "explain": True})
    assert not plain.answer.candidates
    assert [c.agent_id for c in explained.answer.candidates] == ["large", "medium", "small"]


async def test_a_batch_beyond_its_bound_is_refused_whole() -> None:
    """The refusal names the setting; nothing was decided. An empty batch is answered emptily."""
    async with in_process() as running:
        before = running.state()
        refusal = await refused(batch(running.client, *[{"task": TASK}] * 257))
        assert refusal.fields == ["requests"]
        assert "limits.batch is 256" in refusal.message
        assert running.state() == before
        assert await batch(running.client) == []


async def test_a_batch_does_not_explain_more_than_a_client_can_take() -> None:
    """Too many candidates in one response are refused before anything is decided."""
    agents = [{"id": f"agent-{i}"} for i in range(100)]
    async with in_process(config={"agents": agents}) as running:
        before = running.state()
        many = [{"explain": True}] * 164
        refusal = await refused(batch(running.client, *many))
        assert refusal.fields == ["requests"]
        assert running.state() == before
        assert len(await batch(running.client, *many[:163])) == 163


async def test_a_batch_is_one_commit(running: Running) -> None:
    """All of its decisions reach the log in one append."""
    counted = appends(running)
    await batch(running.client, *[{"task": TASK}] * 50)
    assert counted == [50]


async def test_a_batch_on_a_failing_disk_is_not_answered(running: Running) -> None:
    """READ_ONLY for all of it, and no trace: with room, the same keys are decided anew."""
    requests = [{"request_id": f"b-{i}", "task": TASK} for i in range(3)]
    before = running.state()
    running.disk.full = True
    for _ in range(2):
        refusal = await refused(batch(running.client, *requests))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_ONLY")
        assert running.state() == before
    running.disk.full = False
    await until(lambda: not running.app.sequencer.read_only)
    results = await batch(running.client, *requests)
    assert [r.answer.position for r in results] == [before[0] + 1 + i for i in range(3)]

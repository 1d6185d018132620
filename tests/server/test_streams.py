"""RouteStream and StreamOutcomes: one result for each message, in order, always."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from routerd.server import pipeline
from routerd.v1 import router_pb2
from tests.server.harness import (
    PATIENCE_S,
    Client,
    Refusal,
    Running,
    in_process,
    pump,
    read,
    refused,
    told,
    until,
)
from tests.server.messages import TASK, Ack, appends, asked, reported, said


async def test_a_stream_of_tasks_is_answered_in_order(client: Client) -> None:
    """A refusal is the result of its own message, with Route's details, and ends nothing."""
    messages = asked(
        {"task": TASK, "pool": "free"},
        {"request_id": "s-1", "max_cost_usd": -1.0, "task": {"complexity": 2.0}},
        {"agent_id": "nobody"},
        {"agent_id": "large"},
    )
    call = client.router.RouteStream(timeout=PATIENCE_S)
    results = [response.result for response in await told(call, messages)]
    assert said(results) == ["small", "!FIELD_VIOLATIONS", "!AGENT_NOT_FOUND", "large"]
    refusal = Refusal.of(results[1].status)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(refusal.fields) == ["request.max_cost_usd", "request.task.complexity"]
    assert [r.request_id for r in results[1:3]] == ["s-1", ""]
    assert results[0].request_id == results[0].answer.request_id != ""
    assert await call.code() is grpc.StatusCode.OK


async def test_an_outcome_of_a_stream_is_acknowledged_with_its_position(client: Client) -> None:
    """One response a message, in order; what cannot be taken has its own status."""
    decision = await client.route(task=TASK)
    messages = [
        *reported(decision.decision_id, f"{decision.decision_id}-a", f"{decision.decision_id}-b"),
        *reported("nobody", "c"),
        *reported(decision.decision_id, f"{decision.decision_id}-a", ""),
        router_pb2.StreamOutcomesRequest(),
    ]
    answers: list[Ack] = await told(client.router.StreamOutcomes(timeout=PATIENCE_S), messages)
    first, second, unknown, again, unnamed, absent = answers
    assert [a.outcome_id for a in answers] == [m.outcome.outcome_id for m in messages]
    assert second.ack.position == first.ack.position + 1 > decision.position + 1
    assert (again.ack.position, again.ack.duplicate) == (first.ack.position, True)
    assert Refusal.of(unknown.status).reason == "DECISION_NOT_FOUND"
    assert Refusal.of(unnamed.status).fields == ["outcome.outcome_id"]
    assert Refusal.of(absent.status).fields == ["outcome.outcome_id", "outcome"]
    assert (await client.decision(decision.decision_id)).outcome.reports == 2


async def test_all_that_is_wrong_with_a_message_is_told_at_once(running: Running) -> None:
    """Its own fields and those of the message in it."""
    before = running.state()
    call = running.client.router.RouteStream(timeout=PATIENCE_S)
    messages = [
        *asked({"max_cost_usd": -1.0}, timeout_ms=-1),
        router_pb2.RouteStreamRequest(timeout_ms=3_600_001),
    ]
    fields = [Refusal.of(a.result.status).fields for a in await told(call, messages)]
    assert fields == [["timeout_ms", "request.max_cost_usd"], ["timeout_ms", "request"]]
    outcomes = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
    wrong = router_pb2.StreamOutcomesRequest(outcome={"quality": 2.0}, timeout_ms=-1)
    (answer,) = await told(outcomes, [wrong])
    assert Refusal.of(answer.status).fields == [
        "timeout_ms",
        "outcome.outcome_id",
        "outcome.decision_id",
        "outcome.quality",
    ]
    assert running.state() == before


async def test_bytes_that_are_no_message_have_a_status_too(client: Client) -> None:
    """The stream goes on behind them."""
    method: Any = client.channel.stream_stream("/routerd.v1.RouterService/RouteStream")
    call = method(timeout=PATIENCE_S)
    good = asked({"agent_id": "large"})[0].SerializeToString()
    for data in (good, b"\xff", good):
        await call.write(data)
    answers = [router_pb2.RouteStreamResponse.FromString(data) for data in await read(call, 3)]
    assert said([a.result for a in answers]) == ["large", "!FIELD_VIOLATIONS", "large"]
    call.cancel()


async def test_a_message_beyond_the_bound_ends_its_stream(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """gRPC refuses more than 4 MiB before anybody sees it, and there is no going on behind that."""
    call = running.client.router.RouteStream(timeout=PATIENCE_S)
    good, huge = asked({"agent_id": "large"}, {"pool": "x" * 5 * 2**20})
    await call.write(good)
    assert (await read(call, 1))[0].result.answer.agent_id == "large"
    await call.write(huge)
    refusal = await refused(call.read())
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await until(lambda: running.app.gate.streams == 0)
    assert not caplog.records


async def sent_on_a_stalled_disk(running: Running, *messages: Message) -> Any:
    """A stream of outcomes that the disk keeps waiting for until it flows."""
    running.disk.flowing.clear()
    call = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
    await pump(call, [*messages])
    return call


async def test_later_messages_are_worked_on_while_the_disk_works(running: Running) -> None:
    """One fsync that takes long holds up acknowledgements, not the reading; they come in order."""
    decision = await running.client.route(task=TASK)
    names = [f"o-{i}" for i in range(100)]
    call = await sent_on_a_stalled_disk(running, *reported(decision.decision_id, *names))
    await until(lambda: running.state()[0] == decision.position + 100)
    answers = asyncio.create_task(read(call, 100))
    assert (await running.client.route(task=TASK)).position == decision.position + 101
    assert not answers.done()
    running.disk.flowing.set()
    acks = [answer.ack for answer in await answers]
    assert [ack.outcome_id for ack in acks] == names
    assert [ack.position for ack in acks] == [decision.position + 1 + i for i in range(100)]
    call.cancel()


async def test_messages_that_come_meanwhile_share_a_commit(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that comes alone is worked on at once; behind an unanswered one they gather."""
    monkeypatch.setattr(pipeline, "PATIENCE_S", PATIENCE_S)
    decision = await running.client.route(task=TASK)
    counted = appends(running)
    call = await sent_on_a_stalled_disk(
        running, *reported(decision.decision_id, *(f"o-{i}" for i in range(1 + pipeline.MOST)))
    )
    await until(lambda: running.state()[0] == decision.position + 1 + pipeline.MOST)
    assert counted == [1, pipeline.MOST]
    running.disk.flowing.set()
    assert len(await read(call, 1 + pipeline.MOST)) == 1 + pipeline.MOST
    call.cancel()


async def test_who_waits_for_the_only_answer_is_not_made_to_wait_for_company(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gathered behind the last unanswered message is worked on when that is answered."""
    monkeypatch.setattr(pipeline, "PATIENCE_S", PATIENCE_S)
    decision = await running.client.route(task=TASK)
    call = await sent_on_a_stalled_disk(running, *reported(decision.decision_id, "a", "b", "c"))
    await until(lambda: running.state()[0] == decision.position + 1)
    running.disk.flowing.set()
    async with asyncio.timeout(PATIENCE_S / 2):
        assert [a.ack.outcome_id for a in await read(call, 3)] == ["a", "b", "c"]
    call.cancel()


async def test_a_large_message_is_not_gathered(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stream holds unread is bounded in bytes as well; a long name is cut in its answer."""
    monkeypatch.setattr(pipeline, "PATIENCE_S", PATIENCE_S)
    decision = await running.client.route(task=TASK)
    huge = "x" * pipeline.MOST_BYTES
    call = await sent_on_a_stalled_disk(running, *reported(decision.decision_id, "a", "b", huge))
    await until(lambda: running.state()[0] == decision.position + 2)
    running.disk.flowing.set()
    *_, refused_one = await read(call, 3)
    assert Refusal.of(refused_one.status).fields == ["outcome.outcome_id"]
    assert refused_one.outcome_id == huge[: pipeline.KEY_CHARS]
    call.cancel()


async def test_a_message_that_is_late_when_its_turn_comes_is_not_worked_on(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DEADLINE_PASSED for it alone, and nothing has changed."""
    monkeypatch.setattr(pipeline, "PATIENCE_S", 0.1)
    decision = await running.client.route(task=TASK)
    call = await sent_on_a_stalled_disk(
        running,
        *reported(decision.decision_id, "a"),
        *reported(decision.decision_id, "late", timeout_ms=10),
        *reported(decision.decision_id, "b"),
    )
    await until(lambda: running.state()[0] == decision.position + 2)
    running.disk.flowing.set()
    first, late, last = await read(call, 3)
    assert last.ack.position == first.ack.position + 1
    assert Refusal.of(late.status).reason == "DEADLINE_PASSED"
    (again,) = await told(call, reported(decision.decision_id, "late"))
    assert not again.ack.duplicate


async def test_a_stream_is_ahead_of_its_answers_by_a_bounded_number() -> None:
    """While the disk stands still no more than max_unanswered messages are worked on."""
    async with in_process(max_unanswered=10) as running:
        decision = await running.client.route(task=TASK)
        running.disk.flowing.clear()
        call = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
        messages = reported(decision.decision_id, *(f"o-{i}" for i in range(50)))
        answers = asyncio.create_task(told(call, messages))
        await until(lambda: running.state()[0] == decision.position + 10)
        for _ in range(20):  # others go on, and the stream does not
            await running.client.route(task=TASK)
        assert running.state()[0] == decision.position + 30
        running.disk.flowing.set()
        assert len(await answers) == 50


async def test_who_reads_no_answers_is_read_no_further() -> None:
    """A client that only sends holds up itself: the work done for it is bounded, others go on."""
    # It takes 64 KiB that it was not asked to take; without the option gRPC would raise that.
    small = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with in_process(max_unanswered=10) as running:
        before = running.state()[0]
        async with grpc.aio.insecure_channel(running.address, options=small) as channel:
            call = Client(channel).router.RouteStream()
            messages = asked({"explain": True, "task": TASK}) * 100_000
            pumping = asyncio.create_task(pump(call, messages))
            worked = -1
            async with asyncio.timeout(PATIENCE_S):
                while worked != running.state()[0]:  # until it stands still
                    worked = running.state()[0]
                    await asyncio.sleep(0.3)
            assert 10 < worked - before < 1_000
            assert not pumping.done()
            assert (await running.client.route(task=TASK)).position == worked + 1
            pumping.cancel()
            call.cancel()


async def test_what_clients_send_ahead_takes_bounded_memory() -> None:
    """Of each of ten streams whose answers nobody reads gRPC takes some 600 KiB, and no more."""
    small = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    (message,) = asked({"explain": True, "task": {**TASK, "description": "x" * 1_000}})
    taken = 0

    async def send(call: Any) -> None:
        nonlocal taken
        while True:
            await call.write(message)
            taken += message.ByteSize()

    async with (
        in_process(max_unanswered=10) as running,
        grpc.aio.insecure_channel(running.address, options=small) as channel,
    ):
        calls = [Client(channel).router.RouteStream() for _ in range(10)]
        sending = [asyncio.create_task(send(call)) for call in calls]
        before = -1
        async with asyncio.timeout(PATIENCE_S):
            while taken != before:  # until it stands still
                before = taken
                await asyncio.sleep(0.5)
        assert 10 * 2**18 < taken < 10 * 2**20
        for task, call in zip(sending, calls, strict=True):
            task.cancel()
            call.cancel()


async def test_a_message_has_its_own_deadline(running: Running) -> None:
    """On a stalled disk its status is DEADLINE_EXCEEDED; sent again, it was learnt once."""
    decision = await running.client.route(task=TASK)
    call = await sent_on_a_stalled_disk(
        running, *reported(decision.decision_id, "o-1", timeout_ms=20)
    )
    refusal = Refusal.of((await read(call, 1))[0].status)
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refusal.reason == "DEADLINE_PASSED"
    running.disk.flowing.set()
    (again,) = await told(call, reported(decision.decision_id, "o-1"))
    assert again.ack.duplicate


async def test_what_nobody_waits_for_any_more_fails_in_silence(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """A message whose deadline passed, on a disk that fails later, is no event for the log."""
    decision = await running.client.route(task=TASK)
    running.disk.flowing.clear()
    call = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
    (late,) = await told(call, reported(decision.decision_id, "o-1", timeout_ms=20))
    assert Refusal.of(late.status).reason == "DEADLINE_PASSED"
    running.disk.full = True
    assert (await refused(running.client.route(task=TASK))).reason == "READ_ONLY"
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_message_that_waits_has_the_servers_deadline_by_default() -> None:
    """default_timeout_ms holds for the messages of a stream that has no deadline itself."""
    async with in_process(default_timeout_ms=50) as running:
        decision = await running.client.route(task=TASK)
        running.disk.flowing.clear()
        call = running.client.router.StreamOutcomes()
        await call.write(reported(decision.decision_id, "o-1")[0])
        assert Refusal.of((await read(call, 1))[0].status).reason == "DEADLINE_PASSED"
        call.cancel()


async def test_a_stream_is_told_of_overload_message_by_message() -> None:
    """Beyond max_in_flight a message is OVERLOADED, with the time to wait; then it can be sent."""
    async with in_process(max_in_flight=2) as running:
        decision = await running.client.route(task=TASK)
        running.disk.flowing.clear()
        call = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
        for message in reported(decision.decision_id, "a", "b", "c"):
            await call.write(message)
        await until(lambda: running.state()[0] == decision.position + 2)
        assert (await running.client.route(task=TASK)).decision_id  # waits for no platter
        running.disk.flowing.set()
        first, second, third = await read(call, 3)
        assert first.ack.position < second.ack.position
        refusal = Refusal.of(third.status)
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (refusal.reason, third.outcome_id) == ("OVERLOADED", "c")
        assert refusal.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0
        (again,) = await told(call, reported(decision.decision_id, "c"))
        assert not again.ack.duplicate


async def test_a_failing_disk_refuses_each_message_and_not_the_stream(running: Running) -> None:
    """READ_ONLY for what was not acknowledged; with room the same stream takes it."""
    decision = await running.client.route(task=TASK)
    call = running.client.router.StreamOutcomes(timeout=PATIENCE_S)
    messages = reported(decision.decision_id, *(f"o-{i}" for i in range(5)))
    await call.write(messages[0])
    assert (await read(call, 1))[0].ack.position == decision.position + 1
    running.disk.full = True
    for message in messages:
        await call.write(message)
    answers = await read(call, 5)
    assert answers[0].ack.duplicate
    assert {Refusal.of(a.status).reason for a in answers[1:]} == {"READ_ONLY"}
    assert running.state()[0] == decision.position + 1
    running.disk.full = False
    await until(lambda: not running.app.sequencer.read_only)
    acks = [a.ack for a in await told(call, messages)]
    assert [ack.duplicate for ack in acks] == [True, False, False, False, False]


async def test_a_stream_that_broke_is_resumed_by_sending_again(running: Running) -> None:
    """What was not acknowledged is sent on a new stream, and learnt once."""
    decision = await running.client.route(task=TASK)
    messages = reported(decision.decision_id, *(f"o-{i}" for i in range(40)))
    running.disk.flowing.clear()
    broken = running.client.router.StreamOutcomes()
    for message in messages[:25]:
        await broken.write(message)
    await until(lambda: running.state()[0] == decision.position + 25)
    broken.cancel()
    running.disk.flowing.set()
    again = await told(running.client.router.StreamOutcomes(timeout=PATIENCE_S), messages)
    assert [a.ack.duplicate for a in again] == [True] * 25 + [False] * 15
    assert [a.ack.position for a in again] == [decision.position + 1 + i for i in range(40)]
    assert (await running.client.decision(decision.decision_id)).outcome.reports == 40


async def test_a_bug_in_one_message_is_told_and_the_stream_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An exception that nobody foresaw is INTERNAL for its message alone; no words are quoted."""
    bugs: list[Exception] = []

    def clock() -> int:
        if bugs:
            raise bugs.pop()
        return 10**12

    async with in_process(clock) as running:
        call = running.client.router.RouteStream(timeout=PATIENCE_S)
        bugs.append(ValueError("a secret"))
        first, second = await told(call, asked({"agent_id": "large"}, {"agent_id": "large"}))
        assert first.result.status.code == grpc.StatusCode.INTERNAL.value[0]
        assert not first.result.status.details
        assert second.result.answer.agent_id == "large"
    assert "in clock" in caplog.text
    assert "a secret" not in f"{first} {caplog.text}"

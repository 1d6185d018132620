"""A description without a work type is classified before the decision, however it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from routerd.core.errors import ErrorReason
from routerd.engine.verify import verify
from routerd.v1 import router_pb2, types_pb2
from tests.server.harness import (
    CONFIG,
    PATIENCE_S,
    Refusal,
    Running,
    in_process,
    read,
    refused,
    until,
)
from tests.server.harness import told as answers
from tests.signals.models import Models, serving

LABELS = {
    "code": {
        "agent": "medium",
        "model": "tiny-2",
        "spawn": True,
        "metadata": {"team": "core"},
        "inject": "As {agent}: {label} of type {work_type}, {confidence} sure; {other}",
        "work_type": "programming",
    },
    "secrets": {"block": "secrets are not for agents"},
    "other": {},
}
RULES = [{"label": "ops", "any": ["deploy"]}, {"label": "secrets", "any": ["password"]}]


@pytest.fixture
def models() -> Iterator[Models]:
    with serving() as server:
        yield server


@asynccontextmanager
async def running(models: Models, **endpoint: Any) -> AsyncIterator[Running]:
    """A server with rules and an endpoint, whose log verifies when it is done."""
    asked = {"url": f"{models.url}/v1", "timeout_ms": 20_000, **endpoint}
    signals = {"rules": RULES, "labels": LABELS, "endpoint": asked}
    async with in_process(config={**CONFIG, "signals": signals}) as server:
        yield server
    assert verify(server.disk).mismatches == ()


def task(text: str, **more: Any) -> dict[str, Any]:
    return {"task": types_pb2.Task(description=text, embedding=[0.1] * 4, **more)}


async def test_rules_find_the_work_type_and_the_answer_says_so(models: Models) -> None:
    async with running(models) as server:
        answer = await server.client.route(**task("please deploy it"), request_id="r")
        signal = answer.classification
        assert signal.source == types_pb2.SIGNAL_SOURCE_RULES
        assert (signal.label, signal.work_type, signal.failure) == ("ops", "ops", "")
        assert (signal.signal_confidence, signal.cache_hit) == (0.9, False)
        assert signal.HasField("latency_ms")
        assert not answer.HasField("directives")
        record = await server.client.decision(answer.decision_id)
        assert record.work_type == "ops"
        assert record.classification.classifier_version == signal.classifier_version
        assert record.description == ""
        assert models.asked == []


async def test_a_label_goes_to_its_agent_with_its_directives(models: Models) -> None:
    """Inject, route and metadata; the law is the agent's alone, and the reason says why."""
    async with running(models) as server:
        answer = await server.client.route(**task("fix the bug"))
        told = answer.directives
        assert (answer.agent_id, told.agent_id, answer.propensity) == ("medium", "medium", 1.0)
        assert (told.model, told.spawn, dict(told.metadata)) == ("tiny-2", True, {"team": "core"})
        assert told.inject == "As medium: code of type programming, 0.75 sure; {other}"
        assert answer.reason_code == types_pb2.REASON_CODE_SIGNAL_ROUTE
        assert answer.classification.work_type == "programming"
        record = await server.client.decision(answer.decision_id)
        assert record.stages[-1] == "signal"
        assert record.work_type == "programming"


async def test_what_the_caller_asks_for_comes_before_the_label(models: Models) -> None:
    """An agent that may not be chosen leaves the law; the request's own agent wins."""
    async with running(models) as server:
        out = await server.client.route(**task("fix the bug"), pool="free")
        assert (out.agent_id, out.directives.agent_id) == ("small", "medium")
        mine = await server.client.route(**task("fix the bug"), agent_id="large")
        assert mine.reason_code == types_pb2.REASON_CODE_EXPLICIT
        assert mine.directives.inject.startswith("As large")


async def test_only_a_description_without_a_work_type_is_classified(models: Models) -> None:
    async with running(models) as server:
        for given in (task("fix the bug", work_type="code"), {}, {"task": {"work_type": "code"}}):
            answer = await server.client.route(**given)
            assert not answer.HasField("classification")
        assert models.asked == []


async def test_a_request_that_would_be_refused_is_not_classified(models: Models) -> None:
    async with running(models) as server:
        refusal = await refused(server.client.route(**task("a bug"), max_cost_usd=-1.0))
        assert refusal.fields == ["max_cost_usd"]
        assert models.asked == []


async def test_a_repeated_request_gets_the_first_answer_and_nobody_is_asked(
    models: Models,
) -> None:
    """Even when the classifier would say something else by now; another body is refused."""
    async with running(models) as server:
        first = await server.client.route(**task("fix the bug"), request_id="r")
        models.reply = lambda prompt: '{"label": "other"}'
        again = await server.client.route(**task("fix the bug"), request_id="r")
        assert not again.classification.HasField("latency_ms")
        for answer in (first, again):
            answer.classification.ClearField("latency_ms")
        assert again == first
        refusal = await refused(server.client.route(**task("mend the bug"), request_id="r"))
        assert refusal.reason == "REQUEST_ID_REUSED"
        assert len(models.asked) == 1


async def test_one_key_in_flight_twice_is_one_decision(models: Models) -> None:
    models.answering.clear()
    async with running(models) as server:
        calls = [
            asyncio.create_task(server.client.route(**task("fix the bug"), request_id="r"))
            for _ in range(5)
        ]
        await until(lambda: len(models.asked) == 1)
        models.answering.set()
        assert len({answer.decision_id for answer in await asyncio.gather(*calls)}) == 1
        assert len(models.asked) == 1


async def test_a_blocked_label_is_refused_and_changes_nothing(models: Models) -> None:
    """On every way to send; a request that was answered before stays answered."""
    async with running(models) as server:
        before = server.state()
        requests = [router_pb2.RouteRequest(**task(t)) for t in ("my password", "forbidden")]
        for request in requests:
            refusal = await refused(server.client.router.Route(request, timeout=PATIENCE_S))
            check_blocked(refusal)
            ask = router_pb2.PreviewRequest(request=request)
            check_blocked(await refused(server.client.router.Preview(ask, timeout=PATIENCE_S)))
        batch = router_pb2.RouteBatchRequest(requests=requests)
        told = await server.client.router.RouteBatch(batch, timeout=PATIENCE_S)
        messages = [router_pb2.RouteStreamRequest(request=request) for request in requests]
        streamed = await answers(server.client.router.RouteStream(), messages)
        for result in (*told.results, *(each.result for each in streamed)):
            check_blocked(Refusal.of(result.status))
        assert server.state() == before


def check_blocked(refusal: Refusal) -> None:
    assert refusal.reason == ErrorReason.BLOCKED_BY_POLICY
    assert refusal.message == "secrets are not for agents"
    assert refusal.facts["label"] == "secrets"


async def test_a_failing_endpoint_costs_the_work_type_and_nothing_else(models: Models) -> None:
    models.status = 500
    async with running(models) as server:
        answer = await server.client.route(**task("fix the bug"))
        signal = answer.classification
        assert signal.source == types_pb2.SIGNAL_SOURCE_NONE
        assert (signal.label, signal.failure) == ("", "HTTP_ERROR")
        assert not signal.HasField("signal_confidence")
        assert (await server.client.decision(answer.decision_id)).work_type == ""


async def test_a_preview_shows_what_route_would_do(models: Models) -> None:
    async with running(models) as server:
        before = server.state()
        expected = await server.client.preview(**task("fix the bug"), request_id="r")
        assert server.state() == before
        answer = await server.client.route(**task("fix the bug"), request_id="r")
        assert answer.classification.cache_hit is True
        assert answer.agent_id == expected.agent_id
        assert answer.directives == expected.directives


async def test_a_batch_asks_for_all_its_texts_at_once(models: Models) -> None:
    """In the order of its requests, equal texts once; the others of the batch are as they were."""
    models.answering.clear()
    texts = ["bug one", "deploy", "bug two", "", "bug one"]
    batch = router_pb2.RouteBatchRequest(
        requests=[router_pb2.RouteRequest(**task(text)) for text in texts]
    )
    async with running(models) as server:
        call = asyncio.create_task(
            asyncio.wait_for(server.client.router.RouteBatch(batch), PATIENCE_S)
        )
        await until(lambda: len(models.asked) == 2)
        alone = await server.client.route(**task("deploy"))
        models.answering.set()
        results = (await call).results
        assert [r.answer.classification.label for r in results] == [
            "code",
            "ops",
            "code",
            "",
            "code",
        ]
        positions = [r.answer.position for r in results]
        assert positions == [alone.position + i + 1 for i in range(5)]


async def test_on_a_stream_nothing_behind_a_slow_text_waits_for_it(models: Models) -> None:
    """What stands behind it is decided meanwhile; only the answers keep their order."""
    models.answering.clear()
    async with running(models) as server:
        call: Any = server.client.router.RouteStream()
        await call.write(stream("deploy one"))
        (first,) = await read(call, 1)
        behind = server.app.sequencer.position + 40
        await call.write(stream("a slow bug"))
        for i in range(40):
            await call.write(stream(f"deploy {i}"))
        await until(lambda: server.app.sequencer.position == behind)
        models.answering.set()
        await call.done_writing()
        rest = await read(call)
        labels = [each.result.answer.classification.label for each in (first, *rest)]
        assert labels == ["ops", "code"] + ["ops"] * 40
        assert rest[0].result.answer.position == behind + 1


async def test_on_a_stream_a_message_s_own_time_is_kept(models: Models) -> None:
    """It gets an answer without a work type in time; a stream that goes away leaves no trace."""
    models.answering.clear()
    async with running(models) as server:
        messages = [stream("a slow bug", timeout_ms=300), stream("deploy")]
        told = await answers(server.client.router.RouteStream(timeout=PATIENCE_S), messages)
        failures = [each.result.answer.classification.failure for each in told]
        assert failures == ["NO_TIME", ""]
        call: Any = server.client.router.RouteStream()
        await call.write(stream("another slow bug"))
        await until(lambda: len(models.asked) == 2)
        before = server.state()
        call.cancel()
        await until(lambda: server.app.gate.streams == 0)
        models.answering.set()
        assert (await server.client.route(**task("another slow bug"))).position == before[0] + 1


def stream(text: str, timeout_ms: int = 0) -> router_pb2.RouteStreamRequest:
    request = router_pb2.RouteRequest(**task(text))
    return router_pb2.RouteStreamRequest(request=request, timeout_ms=timeout_ms)


async def test_a_call_s_deadline_is_kept(models: Models) -> None:
    """With an endpoint that hangs, the answer comes in time and says what is missing."""
    models.answering.clear()
    async with running(models) as server:
        request = router_pb2.RouteRequest(**task("a slow bug"))
        answer = await server.client.router.Route(request, timeout=0.4)
        assert answer.classification.failure == "NO_TIME"


async def test_texts_are_kept_only_if_asked_for_and_then_masked(models: Models) -> None:
    """In the decision and in the outcome; an equal outcome sent again is a duplicate."""
    text = "deploy for ann@example.org"
    for kept, wanted in (("never", ""), ("masked", "deploy for ***")):
        config = {**CONFIG, "texts": {"descriptions": kept, "chars": 40}}
        async with in_process(config=config) as server:
            answer = await server.client.route(**task(text))
            record = await server.client.decision(answer.decision_id)
            assert record.description == wanted
            told = {"outcome_id": "o", "decision_id": answer.decision_id, "success": False}
            told["explanation"] = f"ann@example.org said: {'no ' * 50}"
            assert not (await server.client.report(**told)).duplicate
            assert (await server.client.report(**told)).duplicate
            entries = b"".join(entry.payload for entry in server.disk.read("default"))
            assert b"ann@" not in entries
            assert b"*** said: no" in entries
        assert verify(server.disk).mismatches == ()

"""The services' promises, held by a server in this process and by the daemon alike."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import Default
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from routerd.v1 import types_pb2
from tests.server.harness import Client, refused

PROTO = Path(__file__).resolve().parents[2] / "proto"
TASK = {"work_type": "code", "labels": {"customer": "acme"}, "embedding": [0.1, 0.2, 0.3, 0.4]}


def fresh_id() -> str:
    return uuid.uuid4().hex


async def test_route_names_an_agent_and_how_likely_it_was(client: Client) -> None:
    """A route is answered with an agent, its propensity, its reason and a place in the log."""
    answer = await client.route(request_id=(key := fresh_id()), task=TASK, explain=True)
    law = {c.agent_id: c.probability for c in answer.candidates}
    assert list(law) == ["large", "medium", "small"]
    assert sum(law.values()) == pytest.approx(1.0)
    assert answer.propensity == law[answer.agent_id] > 0
    assert answer.request_id == key
    assert answer.reason_code != types_pb2.REASON_CODE_UNSPECIFIED
    assert answer.reason
    assert answer.position > 1
    assert answer.decision_id
    assert all(c.HasField("quality") and c.quality.sd > 0 for c in answer.candidates)


async def test_candidates_are_told_only_when_asked_for(client: Client) -> None:
    """Without explain an answer lists no candidates."""
    assert not (await client.route(task=TASK)).candidates


async def test_an_explanation_names_each_exclusion(client: Client) -> None:
    """An agent without a required capability has probability 0 and a reason."""
    answer = await client.route(required_capabilities=["vision"], explain=True)
    told = {c.agent_id: (c.exclusion, c.probability) for c in answer.candidates}
    assert answer.agent_id == "large"
    assert told["small"] == told["medium"] == ("MISSING_CAPABILITY", 0.0)
    assert told["large"] == ("", 1.0)


async def test_preview_shows_what_route_then_does(client: Client) -> None:
    """With the same request_id, Route draws from the law that Preview showed, the same agent."""
    key = fresh_id()
    preview = await client.preview(request_id=key, task=TASK, explain=True)
    route = await client.route(request_id=key, task=TASK, explain=True)
    assert preview.decision_id == ""
    assert (preview.agent_id, preview.propensity) == (route.agent_id, route.propensity)
    assert list(preview.candidates) == list(route.candidates)


async def test_a_decision_is_read_with_its_outcome(client: Client) -> None:
    """GetDecision tells the request's fields, the law and the current outcome, and no text."""
    task = {**TASK, "task_id": "t-1", "description": "a secret"}
    route = await client.route(request_id=(key := fresh_id()), task=task, explain=True)
    before = await client.decision(route.decision_id)
    assert not before.HasField("outcome")
    ack = await client.report(decision_id=route.decision_id, success=True, cost_usd=0.5)
    assert ack.position > route.position
    after = await client.decision(route.decision_id)
    assert (after.request_id, after.task_id, after.work_type) == (key, "t-1", "code")
    assert dict(after.labels) == {"customer": "acme"}
    assert "secret" not in str(after)
    assert (after.agent_id, after.propensity) == (route.agent_id, route.propensity)
    assert [c.probability for c in after.candidates] == [c.probability for c in route.candidates]
    assert after.open
    assert (after.outcome.quality, after.outcome.cost_usd, after.outcome.reports) == (1.0, 0.5, 1)
    assert not after.outcome.HasField("latency_ms")


async def test_a_retracted_outcome_is_no_longer_told(client: Client) -> None:
    """A retraction leaves a decision without an outcome."""
    route = await client.route(task=TASK)
    await client.report(decision_id=route.decision_id, quality=0.5)
    kind = types_pb2.OUTCOME_KIND_RETRACT
    await client.report(decision_id=route.decision_id, kind=kind)
    assert not (await client.decision(route.decision_id)).HasField("outcome")


async def test_a_failure_differs_from_silence(client: Client) -> None:
    """success = false and quality = 0 are outcomes, not unset fields."""
    route = await client.route(task=TASK)
    await client.report(decision_id=route.decision_id, success=False, latency_ms=0.0)
    outcome = (await client.decision(route.decision_id)).outcome
    assert outcome.HasField("quality")
    assert outcome.HasField("latency_ms")
    assert not outcome.HasField("cost_usd")


async def test_the_same_request_id_decides_once(client: Client) -> None:
    """The same key and body give the first answer; the key with another body is refused."""
    key = fresh_id()
    first = await client.route(request_id=key, task=TASK)
    assert await client.route(request_id=key, task=TASK) == first
    refusal = await refused(client.route(request_id=key, task={"work_type": "translate"}))
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "REQUEST_ID_REUSED"
    assert refusal.facts["decision_id"] == first.decision_id


async def test_the_same_outcome_id_is_learnt_once(client: Client) -> None:
    """The same key and body give the first position; the key with another body is refused."""
    route = await client.route(task=TASK)
    key, decision_id = fresh_id(), route.decision_id
    first = await client.report(outcome_id=key, decision_id=decision_id, quality=0.5)
    again = await client.report(outcome_id=key, decision_id=decision_id, quality=0.5)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.position == first.position
    refusal = await refused(client.report(outcome_id=key, decision_id=decision_id, quality=0.6))
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "OUTCOME_CONFLICT"


@pytest.mark.parametrize("name", ["nobody", "0000000000000000", "\N{SNOWMAN}"])
async def test_an_unknown_decision_is_not_found(client: Client, name: str) -> None:
    """What was never decided can be neither read nor reported on."""
    for call in (client.decision(name), client.report(decision_id=name, success=True)):
        refusal = await refused(call)
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert (refusal.reason, refusal.domain) == ("DECISION_NOT_FOUND", "routerd")


async def test_a_refusal_says_which_conditions_nobody_meets(client: Client) -> None:
    """Conditions that no agent meets are FAILED_PRECONDITION with a reason of their own."""
    capability = await refused(client.route(required_capabilities=["flight"]))
    pool = await refused(client.route(pool="nowhere"))
    agent = await refused(client.route(agent_id="nobody"))
    assert (capability.code, capability.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "MISSING_CAPABILITY",
    )
    assert (pool.code, pool.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EMPTY_POOL")
    assert (agent.code, agent.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")


async def test_every_violation_is_listed_at_once(client: Client) -> None:
    """One refusal names all wrong fields, as fields of the message that was sent."""
    wrong = {"max_cost_usd": -1.0, "task": {"complexity": 7.0, "labels": {"k": "v" * 999}}}
    fields = ["max_cost_usd", "task.complexity", "task.labels['k']"]
    assert sorted((await refused(client.route(**wrong))).fields) == fields
    previewed = await refused(client.preview(**wrong))
    assert sorted(previewed.fields) == [f"request.{field}" for field in fields]
    assert previewed.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_reflection_lists_and_describes_every_service(client: Client) -> None:
    """Reflection knows each service of the package, health and itself."""
    channel: Any = client.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask: Any = reflection_pb2.ServerReflectionRequest
    calls = stub.ServerReflectionInfo(iter([ask(list_services="")]))
    listed = {s.name async for r in calls for s in r.list_services_response.service}
    protos = (path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    files: list[Any] = [Default().FindFileByName(name) for name in protos]
    services = {service.full_name for file in files for service in file.services_by_name.values()}
    assert services
    others = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert listed == services | others
    calls = stub.ServerReflectionInfo(iter([ask(file_containing_symbol=s) for s in listed]))
    async for response in calls:
        assert response.file_descriptor_response.file_descriptor_proto


async def test_a_broken_message_is_refused_like_a_wrong_one(client: Client) -> None:
    """Bytes that are no message, and text that is no UTF-8, are INVALID_ARGUMENT."""
    for service, method in (("RouterService", "Route"), ("AuditService", "GetDecision")):
        for data in (b"\xff", b"\x0a\x02\xff\xfe"):
            refusal = await refused(client.raw(f"/routerd.v1.{service}/{method}", data))
            assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
            assert refusal.message == (
                f"request: is not a message of type {method}Request, or has a text that is not "
                "UTF-8, such as one that was cut within an emoji"
            )


async def test_an_unknown_method_is_unimplemented(client: Client) -> None:
    """A newer client learns that this server is older."""
    refusal = await refused(client.raw("/routerd.v1.RouterService/Dream", b""))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_beyond_the_bound_is_refused(client: Client) -> None:
    """More than 4 MiB are refused before they are looked at."""
    refusal = await refused(client.route(task={"description": "x" * 5 * 2**20}))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED

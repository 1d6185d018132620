"""Callers get an agent whatever becomes of the daemon, and the daemon hears of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from routerd.client import AsyncClient, Decision, NoAnswer
from routerd.client.errors import RouterdError
from routerd.v1 import router_pb2, router_pb2_grpc
from routerd.v1.policy_pb2 import ListBudgetsRequest
from tests.client.harness import AnyClient, address, serving, silence
from tests.ports import free_port
from tests.server.harness import PATIENCE_S, Running, until

Kind = Callable[..., AnyClient]

TABLE = {"": "small", "code": "large"}
CODE = {"work_type": "code"}


async def credited(running: Running, client: AnyClient, decision_id: str) -> tuple[str, float]:
    """Once all is delivered: who ran, by the log, and the quality."""
    assert await client.flush()
    found = await client.decision(decision_id)
    return found.outcome.executed_agent_id or found.agent_id, found.outcome.quality


async def answered(client: AnyClient) -> Decision | None:
    """The decision, if the daemon made one."""
    with suppress(NoAnswer):
        return await client.route()
    return None


async def test_a_full_disk_is_bridged(kind: Kind, running: Running) -> None:
    """READ_ONLY: the table answers; once there is room, a decision and its outcome are logged."""
    async with kind(address(running), fallback=TABLE) as client:
        running.disk.full = True
        async with client.route(CODE, request_id="job") as decision:
            decision.quality = 0.5
        assert decision.from_fallback
        assert "READ_ONLY" in decision.reason
        assert (decision.agent_id, decision.propensity, decision.decision_id) == ("large", None, "")
        assert client.counts.waiting == 1
        running.disk.full = False
        assert await client.flush()
        found = await client.decision(decision.decision_id)
        assert found.request_id == "job"
        assert await credited(running, client, decision.decision_id) == ("large", 0.5)


async def test_overload_is_bridged(kind: Kind) -> None:
    """OVERLOADED: the table answers at once, and the daemon is left alone until it has room."""
    async with serving(max_in_flight=1) as running:
        before = await running.client.route()
        stalled = await running.stalled_report(before.decision_id)
        async with kind(address(running), fallback=TABLE) as client:
            async with client.route() as decision:
                decision.success = True
            assert decision.from_fallback
            assert "OVERLOADED" in decision.reason
            running.disk.flowing.set()
            await stalled
            assert await client.flush()
            assert await credited(running, client, decision.decision_id) == ("small", 1.0)


@pytest.mark.parametrize("exhausted", ["refuse", "cheapest"])
async def test_what_was_spent_beyond_a_budget_is_told_or_charged(
    kind: Kind, exhausted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A task of an outage whose budget is spent when the daemon hears of it: refused, it leaves a
    warning; where the cheapest agent goes on, the budget is charged what the task cost."""
    budgets = [{"id": "day", "usd": 1.0, "exhausted": exhausted}]
    charged, port = exhausted == "cheapest", free_port()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE) as client:
        decision = await client.route(CODE, request_id="outage")
        async with serving(listen=f"127.0.0.1:{port}", budgets=budgets) as running:
            dear = await running.client.route()
            told = {"decision_id": dear.decision_id, "outcome_id": "dear", "cost_usd": 1.0}
            await running.client.report(**told)
            await client.report(decision, cost_usd=0.5)
            assert await client.flush()
            (day,) = (await running.client.policy.ListBudgets(ListBudgetsRequest())).budgets
            assert day.spent_usd == (1.5 if charged else 1.0)
            assert client.counts.refused == (0 if charged else 1)
    assert ("outcome of outage is lost: nobody fits into the budget" in caplog.text) is not charged


async def test_a_decision_whose_answer_was_lost_is_found_again(
    kind: Kind, running: Running
) -> None:
    """Past the deadline the table answers; the daemon had decided, and decides no second time."""
    async with kind(address(running), fallback=TABLE) as client:
        before, _ = running.state()
        running.disk.flowing.clear()
        async with client.route(CODE, request_id="slow", timeout_s=0.2) as decision:
            decision.quality = 0.25
        assert decision.from_fallback
        assert "DEADLINE" in decision.reason
        assert running.state()[0] == before + 1
        running.disk.flowing.set()
        assert await client.flush()
        assert running.state()[0] == before + 2
        assert await credited(running, client, decision.decision_id) == ("large", 0.25)


async def test_outcomes_wait_for_a_daemon_that_is_away(kind: Kind) -> None:
    """Those of earlier decisions too, and each decision has its own."""
    port = free_port()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE) as client:
        away = []
        for number in range(50):
            async with client.route(CODE if number % 2 else {}) as decision:
                decision.quality = number / 64
            away.append(decision)
        assert client.counts == (50, 0, 0, 0)
        async with serving(listen=f"127.0.0.1:{port}") as running:
            assert await client.flush()
            assert client.counts == (0, 50, 0, 0)
            for number, decision in enumerate(away):
                ran = await credited(running, client, decision.decision_id)
                assert ran == ("large" if number % 2 else "small", number / 64)
            assert not (await client.route(CODE)).from_fallback


async def test_a_late_outcome_finds_the_decision_that_came_late(kind: Kind) -> None:
    """Whoever holds the decision may report on it before and after the daemon hears of it."""
    port = free_port()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE) as client:
        decision = await client.route()
        await client.report(decision, quality=0.25)
        await client.report(decision, quality=0.5)
        async with serving(listen=f"127.0.0.1:{port}") as running:
            assert await client.flush()
            await client.report(decision, quality=0.75, source="reviewer")
            assert await credited(running, client, decision.decision_id) == ("small", 0.5)
            assert (await client.decision(decision.decision_id)).outcome.reports == 3


async def test_a_full_outbox_drops_the_oldest(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """It never grows, and tells how many were lost."""
    port = free_port()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE, outbox=2) as client:
        decisions = [await client.route(request_id=f"job-{number}") for number in range(5)]
        for decision in decisions:
            await client.report(decision, success=True)
        await until(lambda: client.counts == (2, 0, 3, 0))
        async with serving(listen=f"127.0.0.1:{port}"):
            assert await client.flush()
        assert [bool(d.decision_id) for d in decisions] == [False, False, False, True, True]
    assert "outcomes are dropped" in caplog.text


async def test_what_is_not_delivered_at_the_end_is_told(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing does not wait for ever, and does not lose anything silently."""
    client = kind(f"127.0.0.1:{free_port()}", fallback=TABLE)
    await client.report(await client.route(), success=True)
    await client.close(timeout_s=0.1)
    assert client.counts == (0, 0, 1, 0)
    assert "closed with 1 outcomes" in caplog.text


async def asking(client: AnyClient, running: Running) -> asyncio.Task[Decision]:
    """A route that the daemon works on, and whose answer its disk holds back."""

    async def ask() -> Decision:
        return await client.route(CODE)

    running.disk.flowing.clear()
    before = running.app.sequencer.position
    task = asyncio.create_task(ask())
    await until(lambda: running.app.sequencer.position > before)
    return task


async def test_who_is_asking_when_the_client_is_closed_gets_an_agent(
    kind: Kind, running: Running
) -> None:
    """The caller was not cancelled: the table answers. Afterwards there is nothing to ask with."""
    client = kind(address(running), fallback=TABLE, timeout_s=PATIENCE_S)
    task = await asking(client, running)
    await client.close()
    decision = await task
    assert (decision.from_fallback, decision.agent_id) == (True, "large")
    with pytest.raises(ValueError, match="closed"):
        await client.route(CODE)


async def test_who_is_cancelled_while_asking_stays_cancelled(running: Running) -> None:
    """The table's answer is for outages."""
    async with AsyncClient(address(running), fallback=TABLE, timeout_s=PATIENCE_S) as client:
        task = await asking(client, running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_whole_deadline_is_waited_for_three_times_only(kind: Kind) -> None:
    """A daemon that says nothing is not asked by everybody: the breaker opens."""
    with silence() as nobody:
        async with kind(nobody, fallback=TABLE) as client:
            reasons = [(await client.route(timeout_s=0.05)).reason for _ in range(5)]
    assert ["DEADLINE" in reason for reason in reasons] == [True] * 3 + [False] * 2
    assert "the calls before" in reasons[3]


async def test_the_fallback_is_learnt_from_answers(kind: Kind) -> None:
    """Without a table of its own the client uses what the daemon named for such a request."""
    async with serving() as running:
        client = kind(address(running))
        answer = await client.route(CODE)
        vision = await client.route(CODE, required_capabilities=["vision"])
    assert (await client.route(CODE)).agent_id == answer.fallback
    assert (await client.route(CODE, required_capabilities=["vision"])).agent_id == vision.agent_id
    assert (await client.route(agent_id="small")).agent_id == "small"
    once = r"no fallback for work type 'prose': [^\[]* \[UNAVAILABLE\]$"
    with pytest.raises(NoAnswer, match=once):
        await client.route({"work_type": "prose"})
    await client.close(timeout_s=0.0)


async def test_a_function_can_be_the_table(kind: Kind) -> None:
    """What routed before, by whatever it looks at, goes on as the fallback."""
    nobody = f"127.0.0.1:{free_port()}"

    async with kind(nobody, fallback=lambda request: request.task.labels["tier"]) as client:
        assert (await client.route({"labels": {"tier": "small"}})).agent_id == "small"


async def test_without_fail_open_every_failure_is_raised(kind: Kind) -> None:
    """Some would rather wait than run the wrong agent; they are not kept from asking again."""
    port = free_port()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE, fail_open=False) as client:
        for _ in range(5):
            with pytest.raises(NoAnswer) as away:
                await client.route()
            assert away.value.code is grpc.StatusCode.UNAVAILABLE
        async with serving(listen=f"127.0.0.1:{port}"), asyncio.timeout(PATIENCE_S):
            while not (decision := await answered(client)):
                await asyncio.sleep(0.05)
        assert not decision.from_fallback


async def test_only_routerd_can_refuse(kind: Kind) -> None:
    """A server that is none of routerd's, or a proxy, says UNIMPLEMENTED: the table answers."""
    stranger = grpc.aio.server()
    port = stranger.add_insecure_port("127.0.0.1:0")
    await stranger.start()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE) as client:
        decision = await client.route(CODE)
        assert decision.from_fallback
        assert "UNIMPLEMENTED" in decision.reason
        with pytest.raises(RouterdError) as told:
            await client.preview(CODE)
        assert told.value.reason == ""
    await stranger.stop(None)


class Garbled(router_pb2_grpc.RouterServiceServicer):
    """Says INVALID_ARGUMENT with details that are none."""

    async def Route(  # noqa: N802
        self, request: router_pb2.RouteRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> router_pb2.RouteResponse:
        told = (("grpc-status-details-bin", b"\xff\xff garbage"),)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "who knows", told)


async def test_details_that_cannot_be_read_are_nobody_s_word(kind: Kind) -> None:
    """Whatever stands in the way between client and daemon: the caller gets an agent."""
    stranger = grpc.aio.server()
    router_pb2_grpc.add_RouterServiceServicer_to_server(Garbled(), stranger)
    port = stranger.add_insecure_port("127.0.0.1:0")
    await stranger.start()
    async with kind(f"127.0.0.1:{port}", fallback=TABLE) as client:
        assert (await client.route(CODE)).agent_id == "large"
    await stranger.stop(None)


async def test_an_outcome_that_nobody_can_take_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that cannot take this one at all does not hold up the others for ever."""
    stranger = grpc.aio.server()
    port = stranger.add_insecure_port("127.0.0.1:0")
    await stranger.start()
    async with AsyncClient(f"127.0.0.1:{port}", fallback=TABLE) as client:
        await client.report("0000000000000000", success=True)
        await until(lambda: client.counts.refused == 1)
    await stranger.stop(None)
    assert "UNIMPLEMENTED" in caplog.text

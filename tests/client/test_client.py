"""Both clients against a server that answers: decisions, outcomes, refusals."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable

import pytest

from routerd.client import (
    AlreadyExists,
    AsyncClient,
    Client,
    Decision,
    FailedPrecondition,
    InvalidArgument,
    NoAnswer,
    NotFound,
)
from routerd.client.channel import LARGEST
from routerd.client.decision import reason_word
from routerd.client.routing import Conditions, Told
from routerd.v1 import router_pb2, types_pb2
from tests.client.harness import AnyClient, address, serving
from tests.ports import free_port
from tests.server.harness import PATIENCE_S, Running

CODE = {"work_type": "code", "description": "fix the login bug"}

Kind = Callable[..., AnyClient]


def broken() -> None:
    raise ZeroDivisionError


def judged_and_broken(decision: Decision) -> None:
    with decision:
        decision.quality = 1.0
        broken()


async def test_a_block_gets_a_decision_and_reports_on_it(kind: Kind, running: Running) -> None:
    """What was set inside arrives with the time that the block took."""
    async with kind(address(running)) as client:
        async with client.route(CODE, request_id="job") as decision:
            decision.quality = 0.75
            decision.cost_usd = 0.02
        assert await client.flush()
        assert client.counts == (0, 1, 0, 0)
        found = await client.decision(decision.decision_id)
    assert (found.request_id, found.agent_id) == ("job", decision.agent_id)
    assert found.work_type == "code"
    assert found.propensity == decision.propensity
    assert (found.outcome.quality, found.outcome.cost_usd) == (0.75, 0.02)
    assert found.outcome.latency_ms == decision.latency_ms
    assert (decision.latency_ms or 0) > 0
    assert found.outcome.executed_agent_id == ""


async def test_a_decision_says_what_the_answer_says(kind: Kind, running: Running) -> None:
    """Awaited, the decision has the answer's fields, and the whole answer."""
    async with kind(address(running)) as client:
        decision = await client.route(CODE, agent_id="small", explain=True)
    assert decision.answer is not None
    assert [c.agent_id for c in decision.answer.candidates] == ["large", "small"]
    assert (decision.agent_id, decision.propensity) == ("small", 1.0)
    assert (decision.reason_code, decision.reason) == ("EXPLICIT", "The request named this agent.")
    assert (decision.fallback, decision.alternatives) == ("large", ("large",))
    assert decision.policy_id == "value"
    assert not decision.from_fallback


async def test_an_exception_in_the_block_is_a_failure(kind: Kind, running: Running) -> None:
    """It is raised again, and the agent is known to have failed."""
    async with kind(address(running)) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.route(CODE) as decision:
                broken()
        assert await client.flush()
        found = await client.decision(decision.decision_id)
    assert found.outcome.quality == 0.0
    assert found.outcome.HasField("latency_ms")


async def test_what_was_set_outweighs_an_exception(kind: Kind, running: Running) -> None:
    """Who judged the result before something else broke has judged it."""
    async with kind(address(running)) as client:
        decision = await client.route(CODE)
        with pytest.raises(ZeroDivisionError):
            judged_and_broken(decision)
        assert await client.flush()
        assert (await client.decision(decision.decision_id)).outcome.quality == 1.0


async def test_a_cancelled_block_says_nothing(running: Running) -> None:
    """Not the agent's fault, and not its time: nothing is reported."""
    async with AsyncClient(address(running)) as client:
        with pytest.raises(asyncio.CancelledError):
            async with client.route(CODE):
                raise asyncio.CancelledError
        assert client.counts == (0, 0, 0, 0)


async def test_a_block_may_end_in_a_thread_beside_the_loop(kind: Kind, running: Running) -> None:
    """An agent that blocks runs there: what came of it arrives, and its exception is its own."""

    def run(decision: Decision, quality: float) -> None:
        with decision:
            decision.quality = quality
            raise LookupError("the agent's own")

    async with kind(address(running)) as client:
        decision = await client.route(CODE)
        with pytest.raises(LookupError):
            await asyncio.to_thread(run, decision, 0.5)
        assert await client.flush()
        assert (await client.decision(decision.decision_id)).outcome.quality == 0.5


def test_another_event_loop_needs_another_client() -> None:
    """As with asyncio.run for each task: said by the first call, not by asyncio's own words."""
    client = AsyncClient(f"127.0.0.1:{free_port()}", fail_open=False)

    async def ask() -> None:
        await client.preview(CODE)

    with pytest.raises(NoAnswer):
        asyncio.run(ask())
    for late in (ask, client.flush, client.close):
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            asyncio.run(late())


def test_a_block_may_end_after_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """What happened in it is told; of its outcome the log says that nobody is left to send it."""
    client = AsyncClient(f"127.0.0.1:{free_port()}", fallback={"": "large"})

    async def decide() -> Decision:
        return await client.route(CODE)

    decision = asyncio.run(decide())
    with pytest.raises(ZeroDivisionError):
        judged_and_broken(decision)
    assert client.counts.waiting == 1
    assert "the event loop of its client is closed" in caplog.text


async def test_another_agent_that_ran_gets_the_credit(kind: Kind, running: Running) -> None:
    """Who did not follow the decision says so on it."""
    async with kind(address(running)) as client:
        async with client.route(CODE, agent_id="large") as decision:
            decision.executed_agent_id = "small"
            decision.success = True
        assert await client.flush()
        found = await client.decision(decision.decision_id)
    assert (found.agent_id, found.outcome.executed_agent_id) == ("large", "small")


async def test_outcomes_of_a_decision_arrive_in_order(kind: Kind, running: Running) -> None:
    """Of one source the last counts, so the last that was said must be the last to arrive."""
    async with kind(address(running)) as client:
        decision = await client.route(CODE)
        for step in range(10):
            await client.report(decision if step % 2 else decision.decision_id, quality=step / 10)
        await client.report(decision, source="reviewer", kind=types_pb2.OUTCOME_KIND_RETRACT)
        assert await client.flush()
        found = await client.decision(decision.decision_id)
        assert client.counts == (0, 11, 0, 0)
    assert (found.outcome.quality, found.outcome.reports) == (0.9, 11)


async def test_a_group_is_rated_as_a_whole(kind: Kind, running: Running) -> None:
    """What is known of a whole plan is reported without naming its decisions."""
    async with kind(address(running)) as client:
        steps = [await client.route({"group_id": "plan"}) for _ in range(3)]
        await client.report(group_id="plan", quality=0.8)
        assert await client.flush()
        found = [await client.decision(step.decision_id) for step in steps]
    assert [record.outcome.quality for record in found] == [0.8] * 3


async def test_a_preview_leaves_no_trace(kind: Kind, running: Running) -> None:
    """The same request then gets the same agent."""
    async with kind(address(running)) as client:
        before = running.state()
        previewed = await client.preview(CODE, request_id="twin")
        assert running.state() == before
        assert (await client.route(CODE, request_id="twin")).agent_id == previewed.agent_id


async def test_a_mistake_in_the_request_is_raised(kind: Kind, running: Running) -> None:
    """Fail-open does not hide it: the error has its reason and every wrong field."""
    async with kind(address(running), fallback={"": "large"}) as client:
        with pytest.raises(InvalidArgument) as wrong:
            await client.route({"complexity": 7}, max_cost_usd=-1.0)
        assert wrong.value.reason == "FIELD_VIOLATIONS"
        fields = [violation.field for violation in wrong.value.violations]
        assert fields == ["max_cost_usd", "task.complexity"]
        with pytest.raises(NotFound, match="AGENT_NOT_FOUND"):
            await client.route(agent_id="nobody")
        with pytest.raises(FailedPrecondition) as nobody:
            await client.route(required_capabilities=["fly"])
        assert nobody.value.reason == "MISSING_CAPABILITY"
        assert nobody.value.metadata["large"] == "MISSING_CAPABILITY: lacks fly"
        await client.route(CODE, request_id="once")
        with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
            await client.route(request_id="once")
        with pytest.raises(NotFound, match="DECISION_NOT_FOUND"):
            await client.decision("0000000000000000")


async def test_a_request_that_no_daemon_takes_is_a_mistake_too(
    kind: Kind, running: Running
) -> None:
    """gRPC calls it exhausted: the table answered, and after three of them for everybody."""
    async with kind(address(running), fallback={"": "large"}) as client:
        for _ in range(4):
            with pytest.raises(InvalidArgument, match="a daemon takes 4194304"):
                await client.route({"description": "x" * LARGEST})
        assert not (await client.route(CODE)).from_fallback


async def test_an_outcome_that_no_daemon_takes_is_given_up(
    kind: Kind, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """gRPC calls it exhausted: it was sent for ever, and enough of them held up all others."""
    async with kind(address(running)) as client:
        decision = await client.route(CODE)
        await client.report(decision, quality=0.1, explanation="x" * LARGEST)
        await client.report(decision, quality=0.5)
        assert await client.flush()
        assert client.counts == (0, 1, 0, 1)
    assert "larger than max" in caplog.text


async def test_an_outcome_that_is_refused_is_counted_and_logged(
    kind: Kind, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It holds up nothing: what comes after it is delivered."""
    async with kind(address(running)) as client:
        await client.report("0000000000000000", success=True)
        decision = await client.route(CODE)
        await client.report(decision, quality=2.0)
        await client.report(decision, quality=0.5)
        assert await client.flush()
        assert client.counts == (0, 1, 0, 2)
        assert (await client.decision(decision.decision_id)).outcome.quality == 0.5
    assert "DECISION_NOT_FOUND" in caplog.text
    assert "FIELD_VIOLATIONS" in caplog.text


FORGETFUL = """
import sys
from routerd.client import Client
client = Client(sys.argv[1])
decision = client.route({"work_type": "code"})
client.report(decision, quality=0.5)
print(decision.decision_id)
"""


async def test_a_program_that_forgets_to_close_loses_nothing(running: Running) -> None:
    """A script that ends right after its last report has reported it."""
    script = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORGETFUL, address(running), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(script.communicate(), PATIENCE_S)
    assert script.returncode == 0
    found = await running.client.decision(told.decode().strip())
    assert found.outcome.quality == 0.5


def test_both_clients_have_the_same_methods() -> None:
    """Names, parameters and their defaults agree."""

    def surface(client: type) -> dict[str, object]:
        return {
            name: list(inspect.signature(member).parameters.values()) if callable(member) else None
            for name, member in inspect.getmembers(client)
            if not name.startswith("_") or name == "__init__"
        }

    def plain(client: type) -> dict[str, object]:
        return {
            name: [p.replace(annotation=None) for p in found] if isinstance(found, list) else found
            for name, found in surface(client).items()
        }

    assert plain(Client) == plain(AsyncClient)


@pytest.mark.parametrize(
    ("offered", "message", "else_where"),
    [
        (Conditions, router_pb2.RouteRequest, {"task"}),
        (Told, types_pb2.Outcome, {"decision_id"}),
    ],
)
def test_every_field_of_the_contract_can_be_given(
    offered: type, message: type, else_where: set[str]
) -> None:
    """A field that is added to the contract is added to the client."""
    fields = {field.name for field in message.DESCRIPTOR.fields}  # type: ignore[attr-defined]
    assert set(offered.__annotations__) == fields - else_where


def test_a_reason_of_a_newer_daemon_is_its_number() -> None:
    """A reason that this version has no word for breaks nothing."""
    assert reason_word(types_pb2.REASON_CODE_SAMPLED) == "SAMPLED"
    assert reason_word(999) == "999"


async def test_a_refusal_says_when_it_passes(kind: Kind) -> None:
    """Where that is a new window of a budget, in hours: gRPC's pushback has no word for it."""
    budgets = [{"id": "day", "usd": 1.0, "window_hours": 24}]
    async with serving(budgets=budgets) as running, kind(address(running)) as client:
        await client.report(await client.route(CODE), cost_usd=1.0)
        assert await client.flush()
        with pytest.raises(FailedPrecondition, match="BUDGET_EXHAUSTED") as spent:
            await client.route(CODE)
        assert 0.0 < spent.value.retry_after_s <= 24 * 3_600
        with pytest.raises(FailedPrecondition, match="EMPTY_POOL") as lasting:
            await client.route(CODE, pool="nowhere")
        assert lasting.value.retry_after_s == 0.0

"""Every reason of the table of errors, met over gRPC; what was refused has changed nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from routerd.core.errors import ErrorReason
from routerd.server.errors import STATUS
from routerd.v1 import audit_pb2, policy_pb2, router_pb2
from tests.server.harness import CONFIG, Refusal, Running, in_process, refused

Provoke = Callable[[Running], Awaitable[Refusal]]


class Case(NamedTuple):
    """provoke: makes a server refuse a call. config, server: what it is configured with."""

    provoke: Provoke
    config: dict[str, Any]
    server: dict[str, Any]


CASES: dict[ErrorReason, Case] = {}


def met(
    reason: ErrorReason, config: dict[str, Any] | None = None, **server: int
) -> Callable[[Provoke], Provoke]:
    """Whoever adds a reason adds a function that meets it, decorated with this."""

    def register(provoke: Provoke) -> Provoke:
        CASES[reason] = Case(provoke, {**CONFIG, **(config or {})}, server)
        return provoke

    return register


async def unchanged(running: Running, call: Awaitable[Any]) -> Refusal:
    """The refusal of a call that must leave the state as it is."""
    before = running.state()
    refusal = await refused(call)
    assert running.state() == before
    return refusal


@pytest.mark.parametrize("reason", ErrorReason)
async def test_every_reason_is_met(reason: ErrorReason) -> None:
    """With the code of the table, a sentence, and the reason in an ErrorInfo."""
    assert reason in CASES, f"add a function that meets {reason} here"
    case = CASES[reason]
    async with in_process(config=case.config, **case.server) as running:
        refusal = await case.provoke(running)
        assert (refusal.reason, refusal.domain) == (reason, "routerd")
        assert refusal.code is STATUS[reason]
        assert refusal.message


@met(ErrorReason.FIELD_VIOLATIONS)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(max_cost_usd=-1.0))


@met(ErrorReason.DECISION_NOT_FOUND)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.decision("0000000000000000"))


@met(ErrorReason.AGENT_NOT_FOUND)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(agent_id="nobody"))


@met(ErrorReason.GROUP_NOT_FOUND)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.report(group_id="nobody's", quality=0.5))


@met(ErrorReason.REQUEST_ID_REUSED)
async def _(running: Running) -> Refusal:
    await running.client.route(request_id="r")
    return await unchanged(running, running.client.route(request_id="r", pool="paid"))


@met(ErrorReason.OUTCOME_CONFLICT)
async def _(running: Running) -> Refusal:
    told = {"outcome_id": "o", "decision_id": (await running.client.route()).decision_id}
    await running.client.report(**told, success=True)
    return await unchanged(running, running.client.report(**told, success=False))


@met(ErrorReason.AGENT_EXISTS)
async def _(running: Running) -> Refusal:
    await running.client.agent("Register", agent_id="new")
    other = running.client.agent("Register", agent_id="new", definition={"pool": "paid"})
    return await unchanged(running, other)


@met(
    ErrorReason.BLOCKED_BY_POLICY,
    {
        "signals": {
            "rules": [{"label": "secrets", "any": ["password"]}],
            "labels": {"secrets": {"block": "not for agents"}},
        }
    },
)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(task={"description": "my password"}))


@met(ErrorReason.NO_ELIGIBLE_AGENT)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(agent_id="small", pool="paid"))


@met(ErrorReason.EMPTY_POOL)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(pool="nowhere"))


@met(ErrorReason.MISSING_CAPABILITY)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route(required_capabilities=["flight"]))


@met(ErrorReason.DECISION_EXPIRED, {"limits": {"open_decisions": 1}})
async def _(running: Running) -> Refusal:
    first = (await running.client.route()).decision_id
    await running.client.route()
    return await unchanged(running, running.client.report(decision_id=first, success=True))


@met(ErrorReason.TOO_MANY_OUTCOMES, {"limits": {"decision_outcomes": 2}})
async def _(running: Running) -> Refusal:
    told = {"decision_id": (await running.client.route()).decision_id, "success": True}
    for outcome_id in ("a", "b", "a"):
        await running.client.report(**told, outcome_id=outcome_id)
    return await unchanged(running, running.client.report(**told, outcome_id="c"))


@met(ErrorReason.POSITION_COMPACTED, {"limits": {"open_decisions": 1}})
async def _(running: Running) -> Refusal:
    first = (await running.client.route()).decision_id
    await running.client.route()
    running.disk.forget("default", 2, most=2)
    refusal = await unchanged(running, running.client.decision(first))
    assert refusal.facts == {"first_position": "3"}
    late = await unchanged(running, running.client.report(decision_id=first, success=True))
    assert late.reason == ErrorReason.DECISION_EXPIRED
    events = running.client.audit.WatchEvents(audit_pb2.WatchEventsRequest(from_position=2))
    assert (await refused(events.read())).reason == refusal.reason
    return refusal


@met(ErrorReason.STEPS_EXHAUSTED, {"thresholds": {"max_steps": 1}})
async def _(running: Running) -> Refusal:
    first = (await running.client.route()).decision_id
    failed = {"decision_id": first, "cause": "FOLLOW_CAUSE_FAILED"}
    return await unchanged(running, running.client.route(follows=failed))


@met(ErrorReason.CLAIM_REFUSED)
async def _(running: Running) -> Refusal:
    # The one refusal that is logged.
    first = (await running.client.route()).decision_id
    claim = router_pb2.ClaimRequest(decision_id=first, competence=0.3)
    return await refused(running.client.router.Claim(claim))


@met(ErrorReason.CLAIM_CONFLICT)
async def _(running: Running) -> Refusal:
    first = (await running.client.route()).decision_id
    await running.client.router.Claim(router_pb2.ClaimRequest(decision_id=first, competence=0.9))
    other = router_pb2.ClaimRequest(decision_id=first, competence=0.8)
    return await unchanged(running, running.client.router.Claim(other))


@met(ErrorReason.AGENT_IS_CONFIGURED)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.agent("Register", agent_id="small"))


@met(ErrorReason.TOO_MANY_AGENTS, {"limits": {"agents": len(CONFIG["agents"])}})
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.agent("Register", agent_id="new"))


PINNED = {"agent_id": "small", "action": policy_pb2.OVERRIDE_ACTION_FORCE}
RULES = {"overrides": [{"id": "pinned", "agent": "small", "when": {"customer": "acme"}}]}


@met(ErrorReason.OVERRIDE_NOT_FOUND)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.override("Get", override_id="none"))


@met(ErrorReason.OVERRIDE_EXISTS)
async def _(running: Running) -> Refusal:
    await running.client.override("Create", override_id="a", definition=PINNED)
    again = {**PINNED, "priority": 2}
    return await unchanged(
        running, running.client.override("Create", override_id="a", definition=again)
    )


@met(ErrorReason.OVERRIDE_IS_CONFIGURED, RULES)
async def _(running: Running) -> Refusal:
    return await unchanged(
        running, running.client.override("Update", override_id="pinned", definition=PINNED)
    )


@met(ErrorReason.TOO_MANY_OVERRIDES, {"limits": {"overrides": 0}})
async def _(running: Running) -> Refusal:
    return await unchanged(
        running, running.client.override("Create", override_id="a", definition=PINNED)
    )


@met(ErrorReason.BUDGET_EXHAUSTED, {"budgets": [{"id": "all", "usd": 1e-9}]})
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.route())


ARMS = {"arms": [{"arm_id": "a"}, {"arm_id": "b"}]}


@met(ErrorReason.EXPERIMENT_NOT_FOUND)
async def _(running: Running) -> Refusal:
    return await unchanged(running, running.client.experiment("Get", experiment_id="none"))


@met(ErrorReason.EXPERIMENT_EXISTS)
async def _(running: Running) -> Refusal:
    await running.client.experiment("Create", experiment_id="x", definition=ARMS)
    again = {**ARMS, "unit": "session_id"}
    return await unchanged(
        running, running.client.experiment("Create", experiment_id="x", definition=again)
    )


@met(ErrorReason.EXPERIMENT_RUNS)
async def _(running: Running) -> Refusal:
    await running.client.experiment("Create", experiment_id="x", definition=ARMS)
    request = policy_pb2.DeleteExperimentRequest(experiment_id="x")
    return await unchanged(running, running.client.policy.DeleteExperiment(request))


@met(ErrorReason.TOO_MANY_EXPERIMENTS, {"limits": {"experiments": 0}})
async def _(running: Running) -> Refusal:
    return await unchanged(
        running, running.client.experiment("Create", experiment_id="x", definition=ARMS)
    )


@met(ErrorReason.OVERLOADED, max_in_flight=1)
async def _(running: Running) -> Refusal:
    await running.stalled_report((await running.client.route()).decision_id)
    return await unchanged(running, running.client.route())


@met(ErrorReason.DRAINING)
async def _(running: Running) -> Refusal:
    await running.stalled_report((await running.client.route()).decision_id)
    running.stop()
    return await unchanged(running, running.client.route())


@met(ErrorReason.READ_ONLY)
async def _(running: Running) -> Refusal:
    running.disk.full = True
    return await unchanged(running, running.client.route())


@met(ErrorReason.AUDIT_UNAVAILABLE)
async def _(running: Running) -> Refusal:
    listed = running.client.audit.ListDecisions(audit_pb2.ListDecisionsRequest())
    return await unchanged(running, listed)


@met(ErrorReason.DEADLINE_PASSED, default_timeout_ms=100)
async def _(running: Running) -> Refusal:
    # The one reason that may come after a change: the wait for the disk was cut off.
    decision_id = (await running.client.route()).decision_id
    running.disk.flowing.clear()
    outcome = {"decision_id": decision_id, "success": True}
    return await refused(
        running.client.router.ReportOutcome(router_pb2.ReportOutcomeRequest(outcome=outcome))
    )

"""GetPolicyState over gRPC: the policy as it stands, with its alarms."""

from __future__ import annotations

import pytest

from routerd.v1 import audit_pb2, policy_pb2
from tests.server.harness import in_process, read


@pytest.mark.asyncio
async def test_the_state_of_the_policy_is_told() -> None:
    """Shares, schedule and explanation; and how many decisions were looked at."""
    async with in_process() as running:
        for i in range(30):
            made = await running.client.route(task={"work_type": "code"})
            await running.client.report(decision_id=made.decision_id, success=i % 3 > 0)
        stub = running.client.policy
        told = await stub.GetPolicyState(policy_pb2.GetPolicyStateRequest())
        some = await stub.GetPolicyState(policy_pb2.GetPolicyStateRequest(decisions=7))
    state = told.state
    assert told.position == 61
    assert (state.decisions, state.drawn) == (30, 30)
    assert (some.state.decisions, some.state.drawn) == (7, 7)
    assert state.outcomes == pytest.approx(30)
    assert set(state.schedule) == {"horizon", "spread", "floor"}
    assert sum(agent.share for agent in state.agents) == pytest.approx(1.0)
    assert "of 30 decisions explored" in state.explanation
    assert list(state.alarms) == []


@pytest.mark.asyncio
async def test_shares_say_of_what_they_are() -> None:
    """Decisions that a request or an override made are not the policy's, and it says so."""
    async with in_process() as running:
        for i in range(12):
            await running.client.route(task={}, agent_id="small" if i < 5 else "")
        told = await running.client.policy.GetPolicyState(policy_pb2.GetPolicyStateRequest())
    assert (told.state.decisions, told.state.drawn) == (12, 7)
    assert "of 7 decisions that it made alone, of 12, explored" in told.state.explanation


@pytest.mark.asyncio
async def test_a_drift_is_an_event_and_an_alarm() -> None:
    """An agent whose outcomes turn: WatchEvents sends the finding, GetPolicyState the alarm."""
    async with in_process() as running:
        for i in range(160):
            made = await running.client.route(task={"work_type": "code"}, agent_id="small")
            await running.client.report(decision_id=made.decision_id, success=i < 130)
        told = await running.client.policy.GetPolicyState(policy_pb2.GetPolicyStateRequest())
        kinds = [audit_pb2.EVENT_TYPE_DRIFT_DETECTED]
        request = audit_pb2.WatchEventsRequest(from_position=1, types=kinds)
        (found,) = await read(running.client.audit.WatchEvents(request), 1)
    (alarm,) = told.state.alarms
    assert alarm.kind == policy_pb2.ALARM_KIND_AGENT_DRIFT
    assert (alarm.about, bool(alarm.likely_cause), bool(alarm.action)) == ("small", True, True)
    drift = found.event.drift
    assert (drift.agent_id, drift.size < -0.5, drift.outcomes < 31) == ("small", True, True)
    assert 0 < drift.kept < 1
    assert 1 < drift.since_position < found.event.position

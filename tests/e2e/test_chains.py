"""A task's way over several agents, through a real daemon; each story ends with `verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from routerd.client.decision import reason_word
from routerd.v1 import agents_pb2, agents_pb2_grpc, audit_pb2, audit_pb2_grpc, router_pb2
from routerd.v1.router_pb2_grpc import RouterServiceStub
from routerd.v1.types_pb2 import Outcome
from tests.e2e.daemon import WITHOUT_AUDIT, Daemon, verified

TIMEOUT_S = 20.0
AGENTS = [{"id": "cheap"}, {"id": "dear"}, {"id": "mid"}]


class Story:
    """A caller of a daemon whose clock is the caller's: now_ms goes into every message."""

    def __init__(self, channel: grpc.Channel, *, timed: bool) -> None:
        self.router = RouterServiceStub(channel)
        self.agents = agents_pb2_grpc.AgentServiceStub(channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(channel)
        self.now_ms = 1_700_000_000_000 if timed else 0

    def route(self, **fields: Any) -> router_pb2.RouteResponse:
        wire = router_pb2.RouteRequest(event_time_ms=self.now_ms, **fields)
        answer: router_pb2.RouteResponse = self.router.Route(wire, timeout=TIMEOUT_S)
        return answer

    def report(self, decision_id: str, **told: Any) -> None:
        outcome = Outcome(decision_id=decision_id, event_time_ms=self.now_ms, **told)
        self.router.ReportOutcome(
            router_pb2.ReportOutcomeRequest(outcome=outcome), timeout=TIMEOUT_S
        )

    def claim(self, decision_id: str, **said: float) -> router_pb2.ClaimResponse:
        wire = router_pb2.ClaimRequest(decision_id=decision_id, **said)
        told: router_pb2.ClaimResponse = self.router.Claim(wire, timeout=TIMEOUT_S)
        return told

    def agent(self, agent_id: str) -> agents_pb2.Agent:
        wire = agents_pb2.GetAgentRequest(agent_id=agent_id)
        told: agents_pb2.Agent = self.agents.GetAgent(wire, timeout=TIMEOUT_S).agent
        return told

    def cooling(self, agent_id: str) -> int:
        return self.agent(agent_id).cooling_until_time_ms

    def decision(self, decision_id: str) -> audit_pb2.DecisionRecord:
        wire = audit_pb2.GetDecisionRequest(decision_id=decision_id)
        told: audit_pb2.GetDecisionResponse = self.audit.GetDecision(wire, timeout=TIMEOUT_S)
        return told.decision


@contextmanager
def daemon(folder: Path, **config: Any) -> Iterator[Story]:
    """A daemon with a story to be told; afterwards its log must verify, every law bit for bit."""
    whole = {"agents": AGENTS, **WITHOUT_AUDIT, **config}
    with Daemon(folder, whole) as running:
        with grpc.insecure_channel(running.address) as channel:
            yield Story(channel, timed=config.get("clock") == "caller")
        assert running.end() == 0
        told = verified(running.data)
    assert not told.mismatches
    assert told.decisions == told.laws_exact > 0


def refusal(call: Callable[..., Any], *arguments: Any, **fields: Any) -> str:
    """The reason why a call is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    metadata: dict[str, Any] = dict(caught.value.trailing_metadata() or ())  # type: ignore[arg-type]
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


def reason(answer: router_pb2.RouteResponse) -> str:
    return reason_word(answer.reason_code)


def low(decision_id: str, confidence: float) -> dict[str, Any]:
    evidence = {"reported_confidence": confidence}
    cause = "FOLLOW_CAUSE_LOW_CONFIDENCE"
    return {"decision_id": decision_id, "cause": cause, "evidence": evidence}


def test_a_flapping_agent_is_cooled_down_and_trialled(tmp_path: Path) -> None:
    """It fails, is set aside, fails its trial, waits twice as long, passes, and is back."""
    cooldown = {"failures": 3, "base_seconds": 60}
    with daemon(tmp_path, clock="caller", cooldown=cooldown) as story:
        for _ in range(3):
            story.report(story.route(agent_id="cheap").decision_id, success=False)
        assert story.cooling("cheap") == story.now_ms + 60_000
        assert {story.route().agent_id for _ in range(20)} <= {"dear", "mid"}
        story.now_ms += 60_001
        story.report(story.route(agent_id="cheap").decision_id, success=False)
        assert story.cooling("cheap") == story.now_ms + 120_000
        assert not story.agent("cheap").on_trial
        story.now_ms += 120_001
        trial = story.route(agent_id="cheap").decision_id
        assert story.agent("cheap").on_trial
        waiting = story.route(explain=True)
        assert [c.exclusion for c in waiting.candidates if c.agent_id == "cheap"] == [
            "COOLING_DOWN"
        ]
        story.report(trial, success=True)
        assert story.cooling("cheap") == 0
        assert not any(c.exclusion for c in story.route(explain=True).candidates)


def test_a_cascade_escalates_on_low_confidence_alone(tmp_path: Path) -> None:
    """A reviewer's .4 goes up the ladder, its .9 does not; each step is its own agent's."""
    ladder = {"ladders": [{"agents": ["cheap", "mid", "dear"]}]}
    with daemon(tmp_path, cascade=ladder, thresholds={"cascade": 0.7}) as story:
        first = story.route(agent_id="cheap")
        assert first.escalate_below == 0.7
        story.report(first.decision_id, quality=0.3, reported_confidence=0.4)
        second = story.route(follows=low(first.decision_id, 0.4))
        assert (second.agent_id, reason(second)) == ("mid", "ESCALATION")
        story.report(second.decision_id, quality=0.9, reported_confidence=0.9)
        fields = {"follows": low(second.decision_id, 0.9)}
        assert refusal(story.route, **fields) == "FIELD_VIOLATIONS"
        assert story.decision(second.decision_id).follows.decision_id == first.decision_id
        assert story.decision(first.decision_id).outcome.quality == 0.3


def test_a_claim_is_refused_and_another_agent_named(tmp_path: Path) -> None:
    """An agent that says .3 of itself may not start; the next one says .9 and may."""
    with daemon(tmp_path) as story:
        first = story.route(agent_id="cheap")
        assert refusal(story.claim, first.decision_id, competence=0.3) == "CLAIM_REFUSED"
        refused = {"decision_id": first.decision_id, "cause": "FOLLOW_CAUSE_REFUSED"}
        second = story.route(follows={**refused, "evidence": {"competence": 0.3}})
        assert second.agent_id != "cheap"
        assert reason(second) == "RETRY"
        assert story.claim(second.decision_id, competence=0.9).expected_quality == 0.9


def test_a_session_is_kept_and_switched(tmp_path: Path) -> None:
    """It stays with its agent through small differences, and leaves it for a large one."""
    task = {"session_id": "chat"}
    with daemon(tmp_path) as story:
        story.route(task=task, agent_id="cheap")
        for quality in (0.80, 0.2):
            for _ in range(30):
                for agent_id, value in (("cheap", quality), ("dear", 0.83), ("mid", 0.82)):
                    story.report(story.route(agent_id=agent_id).decision_id, quality=value)
            answer = story.route(task=task)
            stays = quality == 0.80
            assert (answer.agent_id == "cheap", reason(answer) == "STICKY") == (stays, stays)


def test_a_complex_task_is_probed(tmp_path: Path) -> None:
    """Two agents at once; the first valid result wins, the other is told to have been stopped."""
    with daemon(tmp_path, thresholds={"probe_complexity": 0.8}) as story:
        answer = story.route(request_id="job", task={"complexity": 0.9})
        (other,) = answer.companions
        assert other.agent_id != answer.agent_id
        assert answer.inclusion_probability == pytest.approx(2 * answer.propensity)
        assert 0 < other.inclusion_probability <= 1
        again = story.route(request_id="job", task={"complexity": 0.9})
        assert again.companions[0].decision_id == other.decision_id
        story.report(other.decision_id, success=True)
        story.report(answer.decision_id, cancelled=True)
        assert story.decision(other.decision_id).companion_of == answer.decision_id

"""The state of the policy as a message."""

from __future__ import annotations

import msgspec

from routerd.core.alarms import AlarmKind, alarms
from routerd.core.errors import Violation, invalid
from routerd.core.pulse import LOOK, latest, pulse, schedule, why
from routerd.core.state import State
from routerd.v1 import policy_pb2

MOST = 10_000

KINDS: dict[AlarmKind, policy_pb2.AlarmKind] = {
    kind: getattr(policy_pb2, f"ALARM_KIND_{kind}") for kind in AlarmKind
}


def decisions(wire: policy_pb2.GetPolicyStateRequest) -> int:
    """How many decisions to look at. Raises FIELD_VIOLATIONS."""
    if not 0 <= wire.decisions <= MOST:
        text = f"is {wire.decisions}; give 1 to {MOST}, or 0 for {LOOK}"
        raise invalid([Violation("decisions", text)])
    return wire.decisions or LOOK


def policy_state(state: State, decisions: int) -> policy_pb2.PolicyState:
    """What the policy does as of now."""
    entries = latest(state, decisions)
    seen, policy = pulse(state, entries), state.config.policy
    return policy_pb2.PolicyState(
        policy_id=policy.id,
        kind=msgspec.to_builtins(policy)["kind"],
        outcomes=max(state.learner.count, 0.0),
        schedule=schedule(state),
        decisions=seen.decisions,
        drawn=seen.drawn,
        explored_share=seen.explored,
        entropy=seen.entropy,
        confidence=seen.confidence,
        explanation=why(state, seen),
        agents=[
            policy_pb2.AgentShare(
                agent_id=agent.agent_id,
                share=agent.share,
                mean_probability=agent.mean_probability,
                highest_probability=agent.highest_probability,
                outcomes=agent.outcomes,
            )
            for agent in seen.agents
        ],
        alarms=[
            policy_pb2.Alarm(
                kind=KINDS[alarm.kind],
                about=alarm.about,
                description=alarm.told,
                likely_cause=alarm.cause,
                action=alarm.action,
            )
            for alarm in alarms(state, entries, seen)
        ],
    )

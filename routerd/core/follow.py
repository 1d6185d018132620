"""Chains of decisions: a follow-up goes on where the agent of another decision did not deliver.

A chain needs no state of its own: each open decision holds the agents that were tried before it,
so its length is bounded by `thresholds.max_steps` and it lives as long as its last decision.
"""

from __future__ import annotations

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.outcomes import current
from routerd.core.state import OpenDecision, State
from routerd.core.values import Follows
from routerd.core.words import counted

CAUSES = {
    "FAILED": "failed",
    "REFUSED": "refused",
    "LOW_CONFIDENCE": "was not sure enough",
}


def ran(state: State, entry: OpenDecision) -> str:
    """The agent that a decision's task went to: the executed one, if another was told."""
    told = current(entry.reports, state.config.outcomes.sources).executed_agent_id
    return told or entry.decision.agent_id


def tried(state: State, follows: Follows) -> tuple[str, ...]:
    """The agents of the chain so far, in its order; one for each of its decisions."""
    before = state.decisions[follows.decision_id]
    return (*before.tried, ran(state, before))


def check_steps(state: State, follows: Follows) -> None:
    """Raise STEPS_EXHAUSTED when the chain is as long as it may get."""
    steps, most = len(tried(state, follows)), state.config.thresholds.max_steps
    if steps >= most:
        text = (
            f"the task had {counted(steps, 'decision')} already; thresholds.max_steps is {most}: "
            "give it to a person, or raise that"
        )
        facts = {"decision_id": follows.decision_id, "steps": str(steps)}
        raise RouterError(ErrorReason.STEPS_EXHAUSTED, text, metadata=facts)


def described(state: State, follows: Follows) -> str:
    """What went before, in a few words."""
    agents = tried(state, follows)
    sure = follows.evidence.reported_confidence
    how = CAUSES[follows.cause or "FAILED"] + (f" ({sure:.3g})" if sure is not None else "")
    return f"step {len(agents) + 1}, because {agents[-1]} {how}"

"""A decision's reason as a sentence that an operator can read."""

from __future__ import annotations

import numpy as np

from routerd.core.events import Decision
from routerd.core.values import Reason


def sentence(decision: Decision) -> str:
    """Why this agent, in one sentence made from the logged decision alone."""
    chance = f"probability {decision.propensity:.3g} among {among(len(decision.agents))}"
    match decision.reason:  # the most frequent come first: it is looked through in order
        case Reason.BEST_KNOWN:
            return f"Best expected utility, drawn with {chance}{lead(decision)}."
        case Reason.SAMPLED:
            return f"Explored, to learn more of its value: drawn with {chance}."
        case Reason.EXPLICIT:
            return "The request named this agent."
        case Reason.SIGNAL_ROUTE:
            return f"Its description was classified as {decision.detail}, which goes to this agent."
        case Reason.STATIC_ROUTE:
            return f"{decision.detail[:1].upper()}{decision.detail[1:]} ({chance})."
        case Reason.STICKY:
            return f"The session stays: {decision.detail} ({chance})."
        case Reason.PROBE:
            return f"A complex task, for several agents at once: {decision.detail} ({chance})."
        case Reason.RETRY:
            return f"Another agent: {decision.detail}; drawn with {chance}."
        case Reason.ESCALATION:
            return f"Escalated: {decision.detail}; drawn with {chance}."
        case Reason.LOW_CONFIDENCE_FALLBACK | Reason.OVERLOAD_FALLBACK:
            return f"Fell back on the static table's agent: {decision.detail} ({chance})."
        case Reason.EXPERIMENT:
            return f"By {decision.detail}: drawn with {chance}."
        case Reason.SHADOW_BASELINE:
            return f"By the baseline of {decision.detail}: drawn with {chance}."
        case Reason.OVERRIDE:
            return f"Forced by {decision.detail} ({chance})."
        case Reason.COLD_START:
            return f"No outcome is known yet: drawn with {chance}."


def among(count: int) -> str:
    return "1 eligible agent" if count == 1 else f"{count} eligible agents"


def lead(decision: Decision) -> str:
    if decision.confidence is None:
        return ""
    return f"; {decision.confidence:.0%} sure that it beats the agent to fall back on"


def law_of(decision: Decision) -> dict[str, float]:
    """The logged law as agent -> probability."""
    return dict(zip(decision.agents, np.frombuffer(decision.law).tolist(), strict=True))

"""What a logged decision says to a reader: its reason as a sentence, its law by agent."""

from __future__ import annotations

import math

import numpy as np

from routerd.core.events import Decision
from routerd.core.values import Reason
from routerd.core.words import counted


def sentence(decision: Decision) -> str:
    """Why this agent, in one sentence made from the logged decision alone."""
    among = counted(len(decision.agents), "eligible agent")
    chance = f"probability {in_digits(decision.propensity)} among {among}"
    match decision.reason:  # the most frequent come first: it is looked through in order
        case Reason.BEST_KNOWN:
            return f"Best expected utility{paced(decision)}, drawn with {chance}{lead(decision)}."
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


def in_digits(p: float) -> str:
    """Three digits, and more where these would make a certainty of what is none."""
    if not 0.9995 <= p < 1.0:  # rounding may leave a hair more than 1
        return f"{p:.3g}"
    return f"{p:.{math.ceil(-math.log10(1.0 - p))}f}"


def paced(decision: Decision) -> str:
    """What else than quality and preference made it the best."""
    return " at the price that budgets put on money" if "budget" in decision.stages else ""


def lead(decision: Decision) -> str:
    if decision.confidence is None:
        return ""
    sure = "over 99%" if decision.confidence >= 0.995 else f"{decision.confidence:.0%}"
    return f"; {sure} sure that it beats the agent to fall back on"


def law_of(decision: Decision) -> dict[str, float]:
    """The logged law as agent -> probability."""
    return dict(zip(decision.agents, np.frombuffer(decision.law).tolist(), strict=True))

"""What an agent has shown that it can do, read from the sums of its outcomes.

Sums over all outcomes since learning began, so what is revised or retracted is out of them exactly.
"""

from __future__ import annotations

from learners.base import Array
from routerd.core.answers import CapabilityRecord, Profile
from routerd.core.encode import CELL_SPACE
from routerd.core.state import State
from routerd.core.tally import COST, LATENCY, QUALITY

ENOUGH = 10
"""Outcomes below which a record has no cue."""


def profile(state: State, agent_id: str) -> Profile:
    """The profile of an agent that has an arm; its work types with the most outcomes first."""
    arm, tally = state.arm_of[agent_id], state.tally
    told, total, last_ms = tally.told[arm], tally.total[arm], tally.last_ms[arm]
    names = {0: ""} | {slot + 1: name for name, slot in state.slots.get(CELL_SPACE, {}).items()}
    records = [
        record(name, told[cell], total[cell], last_ms[cell])
        for cell, name in names.items()
        if last_ms[cell] >= 0 or told[cell].any()
    ]
    records.sort(key=lambda r: (-r.outcomes, r.work_type))
    overall = record("", told.sum(axis=0), total.sum(axis=0), last_ms.max())
    return Profile(agent_id, overall._replace(cue=cue(overall, "all work")), tuple(records))


def record(work_type: str, told: Array, total: Array, last_ms: float) -> CapabilityRecord:
    """One record. told, total (METRICS,): how many decisions have a metric, and its sum."""

    def mean(metric: int) -> float | None:
        count = round(float(told[metric]))
        return max(float(total[metric]) / count, 0.0) if count > 0 else None

    made = CapabilityRecord(
        work_type=work_type,
        outcomes=round(float(told[QUALITY])),
        mean_quality=mean(QUALITY),
        mean_cost_usd=mean(COST),
        mean_latency_ms=mean(LATENCY),
        last_ms=max(int(last_ms), 0),
        cue="",
    )
    return made._replace(cue=cue(made, work_type or "work without a type"))


def cue(of: CapabilityRecord, what: str) -> str:
    """The record in a few words; nothing below ENOUGH outcomes.

    >>> cue(CapabilityRecord("code", 50, 0.91, None, None, 0, ""), "code")
    '91% on code, 50 outcomes'
    """
    if of.mean_quality is None or of.outcomes < ENOUGH:
        return ""
    return f"{of.mean_quality:.0%} on {what}, {of.outcomes} outcomes"

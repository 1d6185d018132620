"""How several reports on one decision become one current value for each metric.

Every (source, metric) is a last-writer-wins register ordered by (time_ms, position, outcome_id),
so the result does not depend on the order of arrival (Shapiro et al. 2011, state-based registers).
The position orders outcomes that name no time of their own: they happened when they were received.
A retraction writes "nothing" into all of its source's registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routerd.core.state import Credit, OpenDecision, Register
from routerd.core.values import Outcome, OutcomeKind

DEFAULT_SOURCE = "caller"
METRICS = ("quality", "success", "cost_usd", "latency_ms", "executed_agent_id")


def write_registers(entry: OpenDecision, outcome: Outcome, time_ms: int, position: int) -> None:
    """Write what the outcome says; an older say than the one held changes nothing."""
    registers = entry.reports.setdefault(outcome.source or DEFAULT_SOURCE, {})
    timed = outcome.event_time_ms > 0
    when = (outcome.event_time_ms, 0) if timed else (time_ms, position)
    for metric in METRICS:
        said = getattr(outcome, metric)
        value: float | str | None = float(said) if isinstance(said, bool) else said
        silent = value is None or value == ""
        if outcome.kind is OutcomeKind.RETRACT:
            value = None
        elif silent:
            continue
        held = registers.get(metric)
        if held is None or held[:3] < (*when, outcome.outcome_id):
            registers[metric] = (*when, outcome.outcome_id, value)


def by_rank(entry: OpenDecision, ranked: Sequence[str]) -> list[dict[str, Register]]:
    """The registers of each source, the most trusted first; unranked ones follow by name."""
    if len(entry.reports) == 1:
        return list(entry.reports.values())
    rank = {source: i for i, source in enumerate(ranked)}
    order = sorted(entry.reports, key=lambda source: (rank.get(source, len(rank)), source))
    return [entry.reports[source] for source in order]


def current(sources: Sequence[Mapping[str, Register]], *metrics: str) -> float | str | None:
    """The first source's value that there is; within a source the first of `metrics` counts."""
    for registers in sources:
        for metric in metrics:
            held = registers.get(metric)
            if held is not None and held[3] is not None:
                return held[3]
    return None


def executed_agent(entry: OpenDecision, ranked: Sequence[str]) -> str:
    """The agent that ran: the decided one unless an outcome names another."""
    executed = current(by_rank(entry, ranked), "executed_agent_id")
    return executed if isinstance(executed, str) else entry.decision.agent_id


def credit_of(entry: OpenDecision, ranked: Sequence[str], arm_of: Mapping[str, int]) -> Credit:
    """What the learners should hold now: the executed agent, not the decided one, is credited."""
    sources = by_rank(entry, ranked)

    def number(*metrics: str) -> float | None:
        value = current(sources, *metrics)
        return value if isinstance(value, float) else None

    return Credit(
        arm=arm_of[executed_agent(entry, ranked)],
        quality=number("quality", "success"),
        cost_usd=number("cost_usd"),
        latency_ms=number("latency_ms"),
    )

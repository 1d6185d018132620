"""How several reports on one decision become one current value for each metric.

Every (source, metric) is a last-writer-wins register ordered by (time_ms, outcome_id), so the
result does not depend on the order of arrival (Shapiro et al. 2011, state-based registers). A
retraction writes "nothing" into all of its source's registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routerd.core.state import Credit, OpenDecision, Register
from routerd.core.values import Outcome, OutcomeKind

DEFAULT_SOURCE = "caller"
METRICS = ("quality", "success", "cost_usd", "latency_ms", "executed_agent_id")


def write_registers(entry: OpenDecision, outcome: Outcome, time_ms: int) -> None:
    """Write what the outcome says; an older say than the one held changes nothing."""
    registers = entry.reports.setdefault(outcome.source or DEFAULT_SOURCE, {})
    when = (outcome.event_time_ms or time_ms, outcome.outcome_id)
    for metric in METRICS:
        said = getattr(outcome, metric)
        value: float | str | None = float(said) if isinstance(said, bool) else said
        silent = value is None or value == ""
        if outcome.kind is OutcomeKind.RETRACT:
            value = None
        elif silent:
            continue
        held = registers.get(metric)
        if held is None or held[:2] < when:
            registers[metric] = (*when, value)


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
            if held is not None and held[2] is not None:
                return held[2]
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

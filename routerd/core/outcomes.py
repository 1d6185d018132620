"""How several reports on one decision become one current value for each metric.

Every (source, metric) is a last-writer-wins register ordered by (time_ms, position, outcome_id),
so the result does not depend on the order of arrival (Shapiro et al. 2011, state-based registers).
The position orders outcomes that name no time of their own: they happened when they were received.
A retraction writes "nothing" into all of its source's registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from routerd.core.settings import Signal
from routerd.core.state import OpenDecision, Register, Registers
from routerd.core.values import Outcome, OutcomeKind

# Sources that have no rank follow by name: what is said of one result outranks what is said of its
# group, and both what is only concluded from what a user did.
DEFAULT_SOURCE, GROUP_SOURCE, SIGNAL_SOURCE = "caller", "group", "signal"
METRICS = Registers.__struct_fields__

Reports = dict[str, Registers]
"""source -> registers, as routerd.core.state.OpenDecision holds them."""


class Current(msgspec.Struct, frozen=True, gc=False):
    """What counts of all that was said; executed_agent_id is empty when nobody named an agent."""

    executed_agent_id: str
    quality: float | None
    cost_usd: float | None
    latency_ms: float | None
    reported_confidence: float | None


NOTHING = Current("", None, None, None, None)
UNSAID = (None, "")


def meant(outcome: Outcome, signals: Mapping[str, Signal], since_ms: int) -> Outcome:
    """The outcome with what its signal means, so long after the decision, and with its source.

    The log then holds what was learnt, whatever a later configuration makes of the signal.
    """
    if outcome.group_id:
        return msgspec.structs.replace(outcome, source=outcome.source or GROUP_SOURCE)
    if not outcome.signal:
        return outcome
    signal = signals[outcome.signal]
    limit = signal.within_minutes
    timely = limit is None or since_ms <= limit * 60_000
    quality, source = signal.quality if timely else None, outcome.source or SIGNAL_SOURCE
    return msgspec.structs.replace(outcome, source=source, quality=quality)


def write_registers(reports: Reports, outcome: Outcome, time_ms: int, position: int) -> None:
    """Write what the outcome says; an older say than the one held changes nothing."""
    source = outcome.source or DEFAULT_SOURCE
    registers = reports.get(source)
    if registers is None:
        registers = reports[source] = Registers()
    timed = outcome.event_time_ms > 0
    when = (outcome.event_time_ms, 0) if timed else (time_ms, position)
    place = (*when, outcome.outcome_id)
    retracted = outcome.kind is OutcomeKind.RETRACT
    for metric in METRICS:
        said: bool | float | str | None = getattr(outcome, metric)
        if retracted:
            said = None
        elif said is None or said == "" or (metric == "cancelled" and not said):
            continue
        held: Register | None = getattr(registers, metric)
        if held is None or (held.time_ms, held.position, held.outcome_id) < place:
            value = float(said) if isinstance(said, bool) else said
            setattr(registers, metric, Register(*place, value))


def current(reports: Reports, ranked: Sequence[str]) -> Current:
    """The value of each metric now. ranked: the sources, the most trusted first."""
    if len(reports) == 1:
        (registers,) = reports.values()
        return said_by(registers)
    told = [said_by(registers) for registers in by_rank(reports, ranked)]
    each = zip(*map(astuple, told), astuple(NOTHING), strict=True)
    return Current(*(next((v for v in values if v not in UNSAID), values[-1]) for values in each))


def said_by(registers: Registers) -> Current:
    """What one source says now; a success is its quality where it names none."""
    quality = value_of(registers.quality)
    return Current(
        value_of(registers.executed_agent_id) or "",
        value_of(registers.success) if quality is None else quality,
        value_of(registers.cost_usd),
        value_of(registers.latency_ms),
        value_of(registers.reported_confidence),
    )


def value_of(register: Register | None) -> Any:
    """The value of a register; None where nothing was said, or it was taken back."""
    return None if register is None else register.value


def cancelled(reports: Reports) -> bool:
    """Whether any source says that the agent was stopped."""
    if not reports:
        return False
    found = (registers.cancelled for registers in reports.values())
    return any(held is not None and held.value for held in found)


def owes(entry: OpenDecision) -> bool:
    """Whether an agent was to tell a result: its claim was not refused, and nobody stopped it."""
    return not entry.refused and not cancelled(entry.reports)


def by_rank(reports: Reports, ranked: Sequence[str]) -> list[Registers]:
    """The registers of each source, the most trusted first; unranked ones follow by name."""
    rank = {source: i for i, source in enumerate(ranked)}
    order = sorted(reports, key=lambda source: (rank.get(source, len(rank)), source))
    return [reports[source] for source in order]

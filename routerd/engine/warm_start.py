"""Recorded outcomes into a log, many at once; begun again, it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from routerd.core.events import OutcomesImported, Recorded
from routerd.core.values import Task
from routerd.engine.sequencer import Sequencer

AT_ONCE = 256


class Row(NamedTuple):
    """A recorded outcome; quality None: nothing can be learnt from it."""

    agent_id: str
    task: Task
    quality: float | None
    cost_usd: float | None = None
    latency_ms: float | None = None


class Imported(NamedTuple):
    """What became of the rows: of each agent how many were learnt, and how many were not and why.

    before: rows that their agents were done with in an earlier run.
    """

    learnt: dict[str, int]
    unknown: dict[str, int]
    unrated: int
    before: int
    position: int


def warm_start(
    sequencer: Sequencer, source: str, rows: Iterable[Row], weight: float = 1.0
) -> Imported:
    """Learn from the rows of a source that were not learnt yet. Raises LogUnavailable.

    weight: in (0, 1], or ValueError. Rows of unknown agents may be learnt when they are known.
    """
    if not 0.0 < weight <= 1.0:
        raise ValueError(f"the weight of a recorded outcome must lie in (0, 1], got {weight}")
    state = sequencer.state
    earlier = dict(state.imports.get(source, {}))
    learnt: dict[str, int] = {}
    unknown: dict[str, int] = {}
    before, unrated, through, batch = 0, 0, 0, list[Recorded]()
    fresh: tuple[tuple[str, str], ...] = ()

    def write() -> None:
        event = OutcomesImported(sequencer.time_ms(), source, through, tuple(batch), weight, fresh)
        sequencer.append(event)
        sequencer.commit()
        batch.clear()

    for through, row in enumerate(rows, 1):
        if through <= earlier.get(row.agent_id, 0):
            before += 1
            continue
        if row.agent_id not in state.roster.index:
            unknown[row.agent_id] = unknown.get(row.agent_id, 0) + 1
            continue
        if row.quality is None:
            unrated += 1
            continue
        x, cell, fresh = state.encoder.encode(row.task, state.slots)
        outcome = row.quality, row.cost_usd, row.latency_ms
        batch.append(Recorded(row.agent_id, x.tobytes(), cell, *outcome))
        learnt[row.agent_id] = learnt.get(row.agent_id, 0) + 1
        if fresh or len(batch) >= AT_ONCE:  # what comes next is encoded with the new slots
            write()
            fresh = ()
    if batch:
        write()
    sequencer.log.sync()
    return Imported(learnt, unknown, unrated, before, sequencer.position)

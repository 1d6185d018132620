"""Learning from outcomes that were recorded elsewhere."""

from __future__ import annotations

import numpy as np

from routerd.core.events import OutcomesImported
from routerd.core.head_starts import take_slots
from routerd.core.state import State
from routerd.core.tally import COST, LATENCY, QUALITY


def apply_import(state: State, event: OutcomesImported) -> None:
    """Learn from each, as of now; up to where is kept by agent, who may become known later."""
    learnt = state.imports.setdefault(event.source, {})
    take_slots(state, event.new_slots)
    epoch, weight = state.epoch(event.time_ms), event.weight
    for told in event.outcomes:
        learnt[told.agent_id] = event.through
        arm, x = state.arm_of[told.agent_id], np.frombuffer(told.x)
        state.learner.observe(arm, x, told.quality, weight, epoch)
        state.contexts.push(x, told.cell)
        state.tally.observed(arm, told.cell, QUALITY, told.quality, weight)
        if told.cost_usd is not None:
            state.cost.observe(arm, told.cell, told.cost_usd, weight, epoch)
            state.tally.observed(arm, told.cell, COST, told.cost_usd, weight)
        if told.latency_ms is not None:
            state.latency.observe(arm, told.cell, told.latency_ms, weight, epoch)
            state.tally.observed(arm, told.cell, LATENCY, told.latency_ms, weight)

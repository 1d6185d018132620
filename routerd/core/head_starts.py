"""What is expected of an agent before it is tried: the means of its coefficients' priors.

A head start says by how much an agent is expected to be better than the others, all else being
equal: at everything, or at the work types that it specialises in. Its own outcomes count against it
from the first on, and it leaves the agent as unsure as any other: a wrong one is found out, at the
price of tries.
"""

from __future__ import annotations

import numpy as np

from learners.base import Array
from routerd.core.state import State
from routerd.core.values import Query

SPECIALIST = 0.1
"""Of quality, at each work type that an agent specialises in: about the sd that slopes have a
priori."""

WORK_TYPE = "work_type"


def take_head_starts(state: State) -> None:
    """Let the learner expect what the definitions of the agents on the roster say.

    One that is gone keeps its own: what its outcomes teach of the others is what is beyond that.
    """
    start = np.zeros((len(state.roster.agents), state.encoder.width))
    for own, agent in zip(start, state.roster.agents, strict=True):
        own[0] = agent.head_start
        for work_type in agent.specializations:
            column = state.encoder.column(WORK_TYPE, work_type, state.slots)
            if column is not None:
                own[column] = SPECIALIST
    state.learner.set_head_starts(start, state.roster.arms)


def take_slots(state: State, fresh: tuple[tuple[str, str], ...]) -> None:
    """Values seen for the first time get columns, and work types their specialists."""
    for space, value in fresh:
        slots = state.slots.setdefault(space, {})
        slots[value] = len(slots)
    if any(space == WORK_TYPE for space, _ in fresh):
        take_head_starts(state)


def unseen(state: State, query: Query) -> Array | None:
    """The head starts, (k,), of the roster at a work type whose column the learner has not met: by
    the query, and as the state is now."""
    work_type = query.work_type
    if (WORK_TYPE, work_type) not in query.new_slots:
        return None
    if work_type in state.slots.get(WORK_TYPE, {}):
        return None
    special = [work_type in agent.specializations for agent in state.roster.agents]
    return SPECIALIST * np.array(special, np.float64)

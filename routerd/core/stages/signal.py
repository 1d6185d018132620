"""The agent that the label of a description names."""

from __future__ import annotations

import numpy as np

from routerd.core.law import Law
from routerd.core.values import Reason
from routerd.core.view import View


def signal(law: Law, view: View) -> Law:
    """The agent that a classified label goes to; the law stays where it may not be chosen.

    A task that goes on from a decision is left alone: what came of that says more than its label.
    """
    told = view.query.signal
    if told is None or not told.directives.agent_id or view.query.follows is not None:
        return law
    index = view.state.roster.index.get(told.directives.agent_id, -1)
    if index not in law.eligible:
        return law
    p = np.zeros(len(law.eligible))
    p[law.eligible.index(index)] = 1.0
    return law._replace(
        p=p,
        reason=Reason.SIGNAL_ROUTE,
        detail=told.label,
        stages=(*law.stages, "signal"),
        moved_to=-1,
    )

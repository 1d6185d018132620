"""The agent that the label of a description names."""

from __future__ import annotations

from learners.law import point_mass
from routerd.core.law import Law
from routerd.core.values import Reason
from routerd.core.view import View


def goes_to(view: View) -> str:
    """The agent that the task's label goes to; empty for none.

    A task that goes on from a decision is left alone: what came of that says more than its label.
    """
    told = view.query.signal
    return "" if told is None or view.query.follows is not None else told.directives.agent_id


def signal(law: Law, view: View) -> Law:
    """The agent that a classified label goes to; the law stays where it may not be chosen."""
    told, agent_id = view.query.signal, goes_to(view)
    if told is None or not agent_id:
        return law
    index = view.state.roster.index.get(agent_id, -1)
    if index not in law.eligible:
        return law
    p = point_mass(len(law.eligible), law.eligible.index(index))
    return law.by("signal", p=p, reason=Reason.SIGNAL_ROUTE, detail=told.label, about=-1)

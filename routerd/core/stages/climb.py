"""An escalation goes up: to the next rung of a ladder, or to the best that may be as good."""

from __future__ import annotations

from learners.law import point_mass
from routerd.core.follow import tried
from routerd.core.law import Law
from routerd.core.paths import next_after
from routerd.core.values import FollowCause
from routerd.core.view import View


def climb(law: Law, view: View) -> Law:
    """All on the agent that the path was valued with, so that its worth is that of what is done."""
    follows = view.query.follows
    if follows is None or follows.cause is not FollowCause.LOW_CONFIDENCE:
        return law
    last = view.state.roster.index.get(tried(view.state, follows)[-1], -1)
    if view.state.config.cascade is None or last < 0:
        return law
    above = next_after(view, law.eligible, last)
    if above < 0:
        return law
    return law.by("climb", p=point_mass(len(law.eligible), above))

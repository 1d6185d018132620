"""A conversation stays with the agent that served it, as long as no other is better by a margin."""

from __future__ import annotations

from routerd.core.law import Law
from routerd.core.values import Reason
from routerd.core.view import View


def sticky(law: Law, view: View) -> Law:
    """What the law gives to agents that are not better by the margin goes to the session's agent.

    The others keep what they have, so a session switches with the law's own probability, and its
    decisions stay of use to off-policy estimates. A follow-up looks for another agent, so it is
    left alone.
    """
    session_id = view.query.session_id
    if not session_id or view.query.follows is not None:
        return law
    state = view.state
    held = state.sessions.get(session_id)
    index = state.roster.index.get(held[0], -1) if held is not None else -1
    if index not in law.eligible:
        return law
    kept, margin = law.eligible.index(index), state.config.thresholds.switch_margin
    mean, _ = view.utility_of(law.eligible)
    stays = mean <= mean[kept] + margin
    stays[kept] = False
    p = law.p.copy()
    p[kept] = min(p[kept] + p[stays].sum(), 1.0)  # the sum may round to a hair more
    p[stays] = 0.0
    why = f"no other agent is expected to be better by more than {margin:g}"
    return law.by("sticky", p=p, reason=Reason.STICKY, detail=why, about=kept)

"""The agent that a request insists on."""

from __future__ import annotations

from learners.law import point_mass
from routerd.core.errors import not_registered
from routerd.core.law import Law
from routerd.core.stages.budget import exhausted
from routerd.core.stages.eligibility import not_now
from routerd.core.values import Exclusion, Reason
from routerd.core.view import View


def explicit(law: Law, view: View) -> Law:
    """The agent that the request names wins, if it is eligible."""
    wanted = view.query.agent_id
    if not wanted:
        return law
    index = view.state.roster.index.get(wanted, -1)
    if index < 0:
        raise not_registered(wanted)
    if index not in law.eligible:
        why = next(e for e in law.excluded if e.agent_id == wanted)
        text = f"agent {wanted!r} is not eligible: it {why.detail}"
        metadata = {wanted: f"{why.reason}: {why.detail}"}
        if why.reason is Exclusion.OVER_BUDGET:
            raise exhausted(view, metadata, [why])
        raise not_now(text, metadata, {why.reason})
    p = point_mass(len(law.eligible), law.eligible.index(index))
    return law.by("explicit", p=p, reason=Reason.EXPLICIT, detail="", about=-1)

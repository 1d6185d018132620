"""What operators force or forbid: whom an override leaves, and that the decision says so.

An override leaves fewer to choose from, instead of moving probability among them: so the fallback
and the alternatives of a decision keep to it as well, the policy and the gates act among those that
are left, and an off-policy estimate asks of another policy only what it could have done there.
"""

from __future__ import annotations

from collections.abc import Sequence

from routerd.core import overrides
from routerd.core.law import Law, Why
from routerd.core.rules import Override
from routerd.core.settings import Agent
from routerd.core.values import Exclusion, Reason
from routerd.core.view import View


def ruling_overrides(view: View) -> Sequence[Override]:
    """The overrides of this task, in order; none for a request that names its agent."""
    if view.query.agent_id:
        return ()
    return view.state.overrides.holding(view.query, view.time_ms)


def overrule(why: Why, ruling: Sequence[Override], agents: Sequence[Agent]) -> str:
    """Exclude in `why` whom the overrides do not leave; returns the one that forces, as told."""
    for override in ruling:
        left = [i for i, out in why.items() if out is None]
        forces = override.action == "force"
        losing = [i for i in left if overrides.is_meant(override, agents[i]) is not forces]
        if len(losing) == len(left) and override.otherwise == "policy":
            continue
        told = overrides.described(override)
        verb = "is not what is forced by" if forces else "is forbidden by"
        why |= dict.fromkeys(losing, (Exclusion.OVERRIDDEN, f"{verb} {told}"))
        if forces:
            return told
    return ""


def override(law: Law, view: View) -> Law:
    """Say that an override forced those among whom this is drawn."""
    if not law.forced:
        return law
    return law.by("override", reason=Reason.OVERRIDE, detail=law.forced, about=-1)

"""What the configured policy makes of those who may be chosen."""

from __future__ import annotations

from routerd.core.law import Law
from routerd.core.policies import LAWS
from routerd.core.view import View


def policy(law: Law, view: View) -> Law:
    """The configured policy's law over the eligible."""
    kind = view.state.config.policy
    p, reason, detail = LAWS[type(kind)](view, law.eligible, kind)
    stages = (*law.stages, "policy")
    return Law(law.eligible, p, kind.id, reason, detail, stages, law.excluded, law.forced)

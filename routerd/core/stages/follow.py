"""What a decision says that goes on from another: the law is as for any task, without the tried."""

from __future__ import annotations

from msgspec.structs import replace

from routerd.core.follow import described
from routerd.core.law import Law
from routerd.core.values import FollowCause, Reason
from routerd.core.view import View


def follow(law: Law, view: View) -> Law:
    """Name the cause: an escalation, or a retry."""
    follows = view.query.follows
    if follows is None:
        return law
    escalates = follows.cause is FollowCause.LOW_CONFIDENCE
    reason = Reason.ESCALATION if escalates else Reason.RETRY
    return replace(law, reason=reason, detail=described(view.state, follows), about=-1)

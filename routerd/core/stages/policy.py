"""What the policy makes of those who may be chosen: the configured one, or an experiment's arm."""

from __future__ import annotations

from msgspec.structs import replace

from routerd.core.experiment import Arm, Trialled
from routerd.core.law import Law
from routerd.core.policies import LAWS, Choice
from routerd.core.stages.signal import goes_to
from routerd.core.trials import Assigned, assigned
from routerd.core.values import Reason
from routerd.core.view import View


def policy(law: Law, view: View) -> Law:
    """The configured policy's law over the eligible, or that of the arm that the task goes by."""
    if view.state.running and not (law.forced or view.query.agent_id or goes_to(view)):
        found = assigned(view.state, view.query)
        if found is not None:
            return experiment(law, view, found)
    kind = view.state.config.policy
    made = LAWS[type(kind)](view, law.eligible, kind)
    return replace(  # what law.by does, for a third of the time: every decision comes by here
        law,
        p=made.p,
        policy_id=kind.id,
        reason=made.reason,
        detail=made.detail,
        stages=(*law.stages, "policy"),
        about=made.about,
    )


def experiment(law: Law, view: View, found: Assigned) -> Law:
    """The law of an experiment's arm; in shadow, with the one that is only noted."""
    shadow = None if found.shadow is None else choice(found.shadow, law, view).p
    kind = found.arm.policy or view.state.config.policy
    return law.by("policy").by(
        "experiment",
        p=choice(found.arm, law, view).p,
        policy_id=kind.id,
        reason=Reason.EXPERIMENT if shadow is None else Reason.SHADOW_BASELINE,
        detail=f"experiment {found.experiment.id}, arm {found.arm.id}",
        trial=Trialled(found.experiment.id, found.arm.id, found.bucket),
        shadow=shadow,
    )


def choice(arm: Arm, law: Law, view: View) -> Choice:
    """What an arm's policy and table make of the eligible; the view keeps to its table then."""
    config = view.state.config
    view.routes = config.static_routes if arm.static_routes is None else arm.static_routes
    kind = arm.policy or config.policy
    return LAWS[type(kind)](view, law.eligible, kind)

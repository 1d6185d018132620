"""A complex task goes to several agents at once."""

from __future__ import annotations

from learners.law import point_mass
from routerd.core.confidence import by_mean
from routerd.core.law import Law
from routerd.core.probe import capped, together
from routerd.core.stages.budget import fitting
from routerd.core.values import Reason
from routerd.core.view import View


def probe(law: Law, view: View) -> Law:
    """Cap the law, so that its shares are those of several draws without repetition."""
    m = min(view.query.probe, len(law.eligible))
    if m > 1 and view.state.config.budgets:
        m = fitting(view, law.eligible, m)
    if m < 2:
        return law
    mean, _ = view.utility_of(law.eligible)
    p = capped(law.p, m, by_mean(mean))
    why = f"one of {m} at once"
    return law.by("probe", p=p, reason=Reason.PROBE, detail=why, about=-1, at_once=m)


def companion(view: View) -> Law:
    """All on the agent that the draw of the decision it accompanies included as well."""
    query, roster = view.query, view.state.roster
    first = view.state.decisions[query.companion_of].decision
    wanted, _ = together(first)[query.companion - 1]
    eligible = tuple([roster.index[agent_id] for agent_id in first.agents])
    p = point_mass(len(eligible), first.agents.index(wanted))
    return Law(
        eligible, p, first.policy_id, Reason.PROBE, first.detail, ("companion",), first.excluded
    )

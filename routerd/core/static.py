"""The rules that people route by today, as policies: each names one agent.

They stand on the same log as every other policy, learn nothing themselves, and let the learners
learn, so that they can be compared, shadowed and replaced.
"""

from __future__ import annotations

from routerd.core.base import HOUR_MS
from routerd.core.encode import matches
from routerd.core.tally import NEVER_MS, QUALITY
from routerd.core.view import View

WARM_MS = 4 * HOUR_MS
FEW_RUNS = 10


def table_index(view: View) -> int:
    """Roster index that static_routes name for this task, by the first match; -1 for none."""
    for route in view.routes:
        if matches(view.query, route.when):
            return view.state.roster.index.get(route.agent, -1)
    return -1


def table(view: View, eligible: tuple[int, ...]) -> tuple[int, str]:
    """The static table's agent; where it names nobody eligible, the one of highest mean utility."""
    routed = table_index(view)
    if routed in eligible:
        return eligible.index(routed), "the static table names it for this task"
    mean, _ = view.utility_of(eligible)
    return int(mean.argmax()), "the static table names nobody eligible; best known"


def last_ms(view: View, index: int) -> float:
    """When the agent at this roster index was last chosen."""
    return float(view.state.tally.recent_ms[view.state.roster.arm(index)].max())


def rotation(view: View, eligible: tuple[int, ...]) -> tuple[int, str]:
    """The agent that has waited longest, in id order where none was ever chosen."""
    waited = [last_ms(view, i) for i in eligible]
    return waited.index(min(waited)), "its turn has come"


def cheapest(view: View, eligible: tuple[int, ...]) -> tuple[int, str]:
    """The agent of lowest predicted cost, once each whose cost nobody told was tried.

    Without prices all are guessed to cost the same: the first to be tried would seem the cheapest
    for good, whatever it costs.
    """
    for at, index in enumerate(eligible):
        if not view.cost_known(index) and last_ms(view, index) == NEVER_MS:
            return at, "cheapest: tried once, since its cost is not known"
    cost, _ = view.cost
    costs = [float(cost[i]) for i in eligible]
    return costs.index(min(costs)), f"cheapest: predicted {min(costs):.6g} USD"


def weighted_score(view: View, eligible: tuple[int, ...]) -> tuple[int, str]:
    """The agent of highest score out of 100.

    40 x success rate (.5 below ten runs), 30 if it ran the work type within 4 h, 20 if it
    specialises in it, 10 less one for each decision of the last hour.
    """
    scores = [score(view, i) for i in eligible]
    best = max(range(len(scores)), key=lambda k: scores[k][0])
    return best, "Selected based on " + ", ".join(scores[best][1])


def score(view: View, index: int) -> tuple[float, list[str]]:
    """The score of one agent and what speaks for it."""
    tally, arm = view.state.tally, view.state.roster.arm(index)
    runs = float(tally.told[arm, :, QUALITY].sum())
    rate = float(tally.total[arm, :, QUALITY].sum()) / runs if runs >= FEW_RUNS else 0.5
    told = [f"{rate:.0%} success rate"]
    total = 40.0 * rate
    if view.time_ms - float(tally.last_ms[arm, view.query.cell]) <= WARM_MS:
        total += 30.0
        told.append("recent context")
    work_type = view.query.work_type
    if work_type and work_type in view.state.roster.agents[index].specializations:
        total += 20.0
        told.append("specialization match")
    lately = int((tally.recent_ms[arm] > view.time_ms - HOUR_MS).sum())
    total += 10.0 - min(lately, 10)
    return min(total, 100.0), told

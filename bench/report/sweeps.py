"""What several replays of one data set say together: over delays, and over what a USD is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.pages.page import Html, element, figure
from bench.pages.pictures import Line, Scale, lines
from bench.pages.wording import between, figures, whole
from bench.pages.wording import figure as number
from bench.report.replay import frontier
from bench.report.results import OURS, Replay


def sweeps(found: Sequence[Replay]) -> list[Html]:
    """Figures over replays of one data set that differ in delay alone, or in cost weight alone."""
    made = []
    for field in ("delay", "cost_weight"):
        groups: dict[Any, list[Replay]] = {}
        for replay in found:
            if replay.ours is not None:
                same = msgspec.structs.replace(replay.conditions, **{field: 0})
                key = (replay.ours.dataset, replay.ours.seeds, msgspec.json.encode(same))
                groups.setdefault(str(key), []).append(replay)
        for group in groups.values():
            by_value = {getattr(replay.conditions, field): replay for replay in group}
            if len(by_value) > 1:
                ordered = [by_value[value] for value in sorted(by_value)]
                made.append(delay_sweep(ordered) if field == "delay" else weight_sweep(ordered))
    return [one for one in made if one]


def delay_sweep(group: Sequence[Replay]) -> Html:
    runs = [replay.ours for replay in group if replay.ours]
    values = [run.utility for run in runs]
    delays = [replay.conditions.delay for replay in group]
    told = "; ".join(
        f"{d} late: {number(v.mean)} {between(v)}" for d, v in zip(delays, values, strict=True)
    )
    mark = Line(
        OURS,
        list(range(len(runs))),
        [v.mean for v in values],
        [v.low for v in values],
        [v.high for v in values],
        dots=True,
    )
    svg = lines(
        f"Utility per task when outcomes come late: {told}.",
        Scale("decisions made before an outcome is known", whole, names=[whole(d) for d in delays]),
        Scale("utility per task", figures),
        [mark],
    )
    caption = f"{told}. Band: 95% over seeds. {group[0].basis()}"
    return figure(f"{runs[0].dataset}: what a delay costs", caption, svg)


def weight_sweep(group: Sequence[Replay]) -> Html:
    runs = [replay.ours for replay in group if replay.ours]
    drawn = frontier(group[0], runs, [f"{replay.conditions.cost_weight:g}" for replay in group])
    return (
        element("div", element("h3", f"{runs[0].dataset}: by cost weight"), drawn)
        if drawn
        else drawn
    )

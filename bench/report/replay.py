"""What `routerd bench replay` found, for the page of `routerd bench report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.recorded import Array
from bench.pages import plane
from bench.pages.axes import BLUE, GREEN, PINK, RED
from bench.pages.page import Html, element, figure, gallery, section, table, two_lines
from bench.pages.pictures import Bar, Line, Scale, intervals, lines, shares
from bench.pages.plane import Spot
from bench.pages.wording import (
    between,
    figures,
    noted,
    of_few_seeds,
    shown_as,
    signed,
    usd,
    whole,
)
from bench.pages.wording import figure as number
from bench.replay import curves
from bench.report.results import OURS, Reference, Replay, Run
from bench.stats import Estimate, bootstrap_ci, bootstrap_ratio
from routerd.core.words import counted

BARS = 12
LINES = (BLUE, RED, GREEN, PINK)
DASHES = ("", "7 4", "12 3 2 3", "2 3")
POINTS, BINS = 60, 20
ORDERS = (
    " Intervals are over seeds: of these very tasks in other orders. What other tasks would show is"
    " not in them; `routerd prove` takes it in."
)
COLOURED = 5


def in_short(replay: Replay) -> str:
    """One sentence for the top of the page."""
    run = replay.ours
    name = replay.runs[0].dataset
    if run is None:
        return f"{name}: replayed without the default."
    told = f"{name}: the default earns {number(run.utility_mean)} {between(run.utility)} per task"
    if replay.reference is not None:
        told += f", the best single agent in hindsight {number(replay.reference.best_fixed)}"
    rivals = replay.learners()
    if rivals:
        told += (
            f"; against the best of {counted(len(rivals), 'other learner')}, {rivals[0].policy} "
            f"(picked afterwards), it is {noted(paired(run, rivals[0]))}"
        )
    return f"{told}. {replay.basis()}"


def paired(one: Run, other: Run) -> Estimate:
    """The difference of two policies on the same seeds."""
    gain = np.array(one.per_seed) - np.array(other.per_seed)
    return Estimate(float(gain.mean()), *bootstrap_ci(gain))


def section_of(replay: Replay) -> Html:
    """Everything about one data set."""
    run = replay.runs[0]
    left = (
        f" {counted(run.n_left_out, 'task')} left out, which some agent had not run."
        if (run.n_left_out)
        else ""
    )
    lead = f"{counted(run.n_tasks, 'task')}, {counted(run.n_agents, 'agent')}. "
    drawn = read_curves(replay)
    pictures = [ahead(replay), *([regret(replay, drawn), choices(drawn)] if drawn else [])]
    pictures.append(frontier(replay))
    skipped = [element("p", f"Left out: {s.policy}, {s.reason}") for s in replay.skipped]
    note = [] if drawn else [element("p", no_curves(replay), kind="lead")]
    few = of_few_seeds(len(run.per_seed))
    return section(
        f"Replay of {run.dataset}: {replay.file.name}",
        element("p", lead + replay.conditions.words() + left + ORDERS + few),
        gallery(*(picture for picture in pictures if picture)),
        *note,
        policies(replay),
        *([references(replay.reference)] if replay.reference else []),
        *skipped,
    )


def ahead(replay: Replay) -> Html:
    """The default against the others, paired by seed."""
    run = replay.ours
    rivals = [] if run is None else [r for r in replay.others() if r.seeds == run.seeds][:BARS]
    if run is None or not rivals:
        return Html()
    bars = []
    for rival in rivals:
        gap = paired(run, rival)
        bars.append(Bar(rival.policy, gap.mean, gap.low, gap.high, noted(gap)))
    told = "; ".join(f"{bar.name}: {bar.note}" for bar in bars)
    svg = intervals(
        f"Utility per task of the default above other policies. {told}.",
        "utility per task of the default above each",
        bars,
        signed,
        (0.0, "level with the default"),
    )
    caption = (
        f"The {len(bars)} best others, best first. Blue: the default is ahead; orange: behind; "
        "grey: not to be told. The best of many settings is flattered by being picked afterwards. "
        f"95% intervals over seeds, paired. {replay.basis()}"
    )
    return figure("The default against the others", caption, svg)


class Drawn(NamedTuple):
    """The curves of one data set: by policy, arrays (seeds, steps)."""

    steps: list[int]
    regret: dict[str, Array]
    picks: Array
    agents: list[str]
    basis: str


def read_curves(replay: Replay) -> Drawn | None:
    """The curves beside the results; None where there are none or they cannot be read."""
    run = replay.ours or replay.runs[0]
    if run.curve is None or no_curves(replay):
        return None
    # Only the file's name counts: results do not tell the reader where to look.
    columns = curves.read(replay.file.with_name(Path(run.curve).name))
    rows = [i for i, name in enumerate(columns["dataset"]) if name == run.dataset]
    policy = np.array(columns["policy"])[rows]
    values = np.array(columns["regret"])[rows]
    seeds = len(run.seeds)
    mine = np.flatnonzero(policy == run.policy)
    steps = np.array(columns["step"])[rows][mine].reshape(seeds, -1)[0]
    kept = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int))
    names = [run.policy, *(other.policy for other in replay.others())]
    regret = {name: values[policy == name].reshape(seeds, -1)[:, kept] for name in names}
    picks = np.array([columns["picks"][rows[i]] for i in mine]).reshape(seeds, len(steps), -1)
    return Drawn(
        steps[kept].tolist(), regret, picks[:, kept].mean(axis=0), sorted(run.share), replay.basis()
    )


def no_curves(replay: Replay) -> str:
    """Why there are no curves; empty where there are."""
    run = replay.ours or replay.runs[0]
    if run.curve is None:
        return "These results were written without curves."
    file = replay.file.with_name(Path(run.curve).name)
    if not file.is_file():
        return f"The curves are missing: {file.name} does not stand beside the results."
    if file.suffix == ".parquet" and find_spec("pyarrow") is None:
        return f'The curves in {file.name} need pyarrow: pip install "routerd[bench]".'
    return ""


def regret(replay: Replay, drawn: Drawn) -> Html:
    """What is lost against the best single agent so far."""
    shown = list(drawn.regret)[: len(LINES)]
    marks, told = [], []
    for name, colour, dash in zip(shown, LINES, DASHES, strict=False):
        by_step = drawn.regret[name].T
        ends = bootstrap_ratio(by_step, np.ones(by_step.shape))
        mean = by_step.mean(axis=1).tolist()
        low, high = ends.low.tolist(), ends.high.tolist()
        marks.append(
            Line(name, [0, *drawn.steps], [0.0, *mean], [0.0, *low], [0.0, *high], colour, dash)
        )
        told.append(f"{name} {mean[-1]:.1f} [{low[-1]:.1f}, {high[-1]:.1f}]")
    svg = lines(
        f"Regret after all tasks: {'; '.join(told)}.",
        Scale("tasks served", whole),
        Scale("regret so far, summed over tasks", figures),
        marks,
    )
    caption = (
        "Utility lost so far against the best single agent in hindsight: lower is better, and a "
        f"falling line earns more than that agent. At the end: {'; '.join(told)}. Bands: 95% over "
        f"seeds. {drawn.basis}"
    )
    return figure("Learning curves", caption, svg)


def choices(drawn: Drawn) -> Html:
    """Shares of the agents between the steps."""
    ends = np.unique(np.linspace(0, len(drawn.steps) - 1, BINS + 1).round().astype(int))[1:]
    picks = np.diff(drawn.picks[ends], axis=0, prepend=0.0)
    share = picks / np.maximum(picks.sum(axis=1, keepdims=True), 1e-9)
    order = np.argsort(-drawn.picks[-1], kind="stable").tolist()
    kept = order[: COLOURED + (len(order) == COLOURED + 1)]
    name = shown_as(drawn.agents)
    parts = [(name(drawn.agents[k]), share[:, k].tolist()) for k in kept]
    rest = order[len(kept) :]
    others = (f"{len(rest)} others", share[:, rest].sum(axis=1).tolist()) if rest else None
    told = "; ".join(f"{name} {values[-1]:.0%}" for name, values in parts)
    svg = shares(
        f"Shares of the tasks at the end: {told}.",
        Scale("tasks served", whole),
        [0, *(drawn.steps[end] for end in ends)],
        parts,
        others,
    )
    caption = f"The percentages are those of the last stretch. Means over seeds. {drawn.basis}"
    return figure("Whom the default chose", caption, svg)


def frontier(replay: Replay, trail: Sequence[Run] = (), labels: Sequence[str] = ()) -> Html:
    """Cost and quality of agents and policies, with the hull; `trail`: the default's own points."""
    reference = replay.reference
    paid = [run for run in replay.runs if run.cost_mean_usd is not None and run.policy != OURS]
    ours = trail or [run for run in replay.runs if run.policy == OURS and run.cost_mean_usd]
    if reference is None or not reference.hull or not ours:
        return Html()
    name = shown_as(list(reference.fixed))
    dots = [
        Spot(name(agent), 1000 * f.cost_mean_usd, f.quality_mean)
        for agent, f in reference.fixed.items()
        if f.cost_mean_usd is not None
    ]
    corners = [Spot("", 1000 * c.cost_mean_usd, c.quality_mean) for c in reference.hull]
    others = [] if trail else [at(run, "") for run in paid]
    mine = [at(run, label) for run, label in zip(ours, labels or [OURS], strict=True)]
    told = "; ".join(f"{s.name}: {usd(s.x)} and {number(s.y)}" for s in mine)
    svg = plane.frontier(told, dots, corners, mine, others)
    caption = (
        "Up and left is better. Crosses: single agents. Dashed: the best fixed mixtures of agents, "
        "known afterwards (hindsight). Blue: the default"
        + (", by cost weight" if trail else "; orange squares: other policies")
        + f". Means over seeds. {replay.basis()}"
    )
    return figure("Cost and quality", caption, svg)


def at(run: Run, label: str) -> Spot:
    assert run.cost_mean_usd is not None
    return Spot(label, 1000 * run.cost_mean_usd, run.quality_mean)


def policies(replay: Replay) -> Html:
    """Every policy, the best first."""
    costs = any(run.cost_mean_usd is not None for run in replay.runs)
    head = ["policy", "utility", "worst seed", "quality", *(["USD per 1,000"] if costs else [])]
    head += ["regret", "given up to explore", "most to", "decisions per s"]
    ranked = sorted(replay.runs, key=lambda run: -run.utility_mean)
    rows = [policy_row(run, costs) for run in ranked]
    caption = (
        "Means per task; beneath: 95% intervals over seeds. Regret: against the best single agent "
        "in hindsight, summed over the tasks. Given up: utility per task, by the policy's own "
        f"estimate. {replay.basis()}"
    )
    return table(head, rows, caption, [i for i, run in enumerate(ranked) if run.policy == OURS])


def policy_row(run: Run, costs: bool) -> list[str]:
    worst, spent = run.worst_seed, run.exploration_spend
    most = max(run.share, key=run.share.__getitem__)
    row: list[str] = [
        run.policy,
        two_lines(number(run.utility_mean, 4), between(run.utility)),
        two_lines(number(worst.utility_mean, 4), f"seed {worst.seed}") if worst else "",
        number(run.quality_mean, 4),
    ]
    if costs:
        row.append("" if run.cost_mean_usd is None else usd(1000 * run.cost_mean_usd))
    row += [number(run.regret_vs_best_fixed, 1), "" if spent is None else number(spent, 4)]
    name = shown_as(list(run.share))(most)
    return [*row, two_lines(f"{run.share[most]:.0%}", name), whole(run.decisions_per_s)]


def references(found: Reference) -> Html:
    """What fixed choices earn, with what each had to know."""
    told: Mapping[str, tuple[str, float | None]] = {
        "random": ("an agent drawn at random, on average", found.random),
        "best_fixed": (f"everything to {found.best_fixed_agent or 'the best'}", found.best_fixed),
        "per_domain_cv": ("table by work type, cross-validated", found.per_domain_cv),
        "per_domain_hindsight": ("table by work type", found.per_domain_hindsight),
        "oracle": ("the luckiest agent of each task: out of reach", found.oracle),
    }
    rows = [
        [two_lines(name, found.label.get(key, "")), number(value, 4)]
        for key, (name, value) in told.items()
        if value is not None
    ]
    return table(["reference", "utility"], rows, "The same tasks without learning.")

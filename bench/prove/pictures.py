"""The pictures of `routerd prove`, each with the words that explain it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.pages import plane
from bench.pages.axes import BLACK, GREEN, GREY, RED, SILVER
from bench.pages.page import Html, figure
from bench.pages.pictures import Bar, Level, Line, Scale, intervals, lines, shares
from bench.pages.plane import Spot
from bench.pages.wording import (
    between,
    figures,
    noted,
    shown_as,
    signed,
    usd,
    whole,
)
from bench.pages.wording import figure as number
from bench.prove.findings import Proof, Standing
from bench.prove.verdict import sample_size_told
from bench.stats import Estimate
from routerd.core.words import counted

COLOURED_AGENTS = 5


def who_is_ahead(proof: Proof) -> Html:
    """routerd above each rival."""
    bars = [
        Bar(brief(rival), rival.ahead.mean, rival.ahead.low, rival.ahead.high, noted(rival.ahead))
        for rival in proof.rivals
        if rival.ahead is not None
    ]
    what = measure(proof)
    told = "; ".join(f"{bar.name}: {bar.note}" for bar in bars)
    svg = intervals(
        f"routerd's {what} per task above each alternative, with 95% intervals. {told}.",
        f"routerd's {what} per task above each",
        bars,
        signed,
        (0.0, "level with routerd"),
    )
    caption = (
        "Right of the line routerd is ahead (blue), left of it behind (orange); grey intervals "
        "include zero. Which one is best afterwards or strongest is known in hindsight only; the "
        f"table below says more. Bars: 95% intervals. {basis(proof)}"
    )
    return figure("Who is ahead", caption, svg)


def brief(rival: Standing) -> str:
    """A rival's name for a picture."""
    names = {"single": "best single agent", "table": "work-type table", "random": "random agent"}
    roles = rival.key.split("+")
    if "strongest" in roles:
        return "strongest agent"
    return names.get(rival.key, "best afterwards" if "best" in roles else "most expensive")


def learning(proof: Proof) -> Html:
    curve, what = proof.curve, measure(proof)
    starts = [0, *curve.ends[:-1]]
    middles = [(a + b) / 2 for a, b in zip(starts, curve.ends, strict=True)]
    first, last = curve.utility[0], curve.utility[-1]
    mine = banded("routerd", middles, curve.utility)
    near, far = split_levels(mine, levels(proof, ("single", "table", "strongest", "random")))
    svg = lines(
        f"routerd's {what} per task goes from {number(first.mean)} {between(first)} on the first "
        f"{curve.ends[0]} tasks to {number(last.mean)} {between(last)} on the last.",
        Scale("tasks served", whole),
        Scale(f"{what} per task", figures),
        [mine],
        near,
    )
    caption = (
        f"{what.capitalize()} per task in each stretch of about {curve.ends[0]} tasks. The "
        "straight lines are what the others earn on average. Band: 95% interval. "
        f"{basis(proof)}"
    )
    if far:
        told = ", ".join(f"{level.name} ({number(level.y)})" for level in far)
        caption += f" Too far off to be shown: {told}."
    return figure("What routerd earns while it learns", caption, svg)


def split_levels(mine: Line, references: Sequence[Level]) -> tuple[list[Level], list[Level]]:
    """Those that can be shown without squeezing the curve, and those that cannot."""
    low, high = min(mine.low), max(mine.high)
    room = 1.5 * (high - low)
    near = [level for level in references if low - room <= level.y <= high + room]
    return near, [level for level in references if level not in near]


def banded(name: str, x: Sequence[float], y: Sequence[Estimate], dots: bool = False) -> Line:
    low, high = [e.low for e in y], [e.high for e in y]
    return Line(name, x, [e.mean for e in y], low, high, dots=dots)


def levels(proof: Proof, roles: Sequence[str]) -> list[Level]:
    """References as lines; an agent with two roles gets one."""
    styles = {
        "single": ("best single", BLACK, "7 4"),
        "table": ("table", RED, "2 3"),
        "strongest": ("strongest", GREEN, "12 3 2 3"),
        "random": ("random", SILVER, ""),
    }
    told = []
    for role in roles:
        rival = proof.rival(role)
        name, colour, dash = styles[role]
        if rival is not None and not (role == "strongest" and rival.agent == proof.rivals[0].agent):
            told.append(Level(name, rival.utility.mean, colour, dash))
    return told


def gains(proof: Proof) -> Html:
    """The sum of differences so far."""
    curve, what = proof.curve, measure(proof)
    styles = {"single": ("vs. best single", BLACK, "7 4"), "table": ("vs. table", RED, "2 3")}
    zero = Estimate(0.0, 0.0, 0.0)
    drawn, told = [], []
    for key, gained in curve.gained.items():
        name, colour, dash = styles[key]
        drawn.append(
            banded(name, [0, *curve.ends], [zero, *gained])._replace(colour=colour, dash=dash)
        )
        end = gained[-1]
        interval = f"[{signed(end.low, 1)}, {signed(end.high, 1)}]"
        told.append(f"{name} {signed(end.mean, 1)} {interval}")
    svg = lines(
        f"{what.capitalize()} that routerd has gained after all tasks: {'; '.join(told)}.",
        Scale("tasks served", whole),
        Scale(f"{what} gained so far, summed over tasks", round_sum),
        drawn,
        [Level("no difference", 0.0, GREY, "")],
    )
    caption = (
        "Routing pays from where a line turns upwards, and has paid back its learning where it "
        f"crosses zero. At the end: {'; '.join(told)}. Bands: 95% intervals. {basis(proof)}"
    )
    return figure("What routing has gained or cost so far", caption, svg)


def round_sum(value: float) -> str:
    return signed(value, 0 if abs(value) >= 10 or value == int(value) else 1)


def choices(proof: Proof) -> Html:
    """Shares over time."""
    curve = proof.curve
    order = sorted(curve.shares, key=lambda agent: -sum(curve.shares[agent]))
    kept = order[: COLOURED_AGENTS + (len(order) == COLOURED_AGENTS + 1)]
    rest = order[len(kept) :]
    name = shown_as(list(curve.shares))
    parts = [(name(agent), curve.shares[agent]) for agent in kept]
    others = None
    if rest:
        sums = [sum(curve.shares[a][b] for a in rest) for b in range(len(curve.ends))]
        others = (f"{len(rest)} others", sums)
    told = "; ".join(f"{a} {s[0]:.0%} at first, {s[-1]:.0%} at last" for a, s in parts)
    svg = shares(
        f"Share of the tasks that each agent got. {told}.",
        Scale("tasks served", whole),
        [0, *curve.ends],
        parts,
        others,
    )
    caption = f"The percentages are those of the last stretch. Means over seeds. {basis(proof)}"
    return figure("Whom routerd chose", caption, svg)


def frontier(proof: Proof) -> Html:
    name = shown_as([agent.name for agent in proof.agents])
    dots = [
        Spot(name(a.name), 1000 * a.cost_usd.mean, a.quality.mean)
        for a in proof.agents
        if a.cost_usd is not None
    ]
    corners = [Spot("", 1000 * c.cost_mean_usd, c.quality_mean) for c in proof.hull]
    mine = [
        Spot(
            figures(w.worth),
            1000 * w.cost_usd.mean,
            w.quality.mean,
            (1000 * w.cost_usd.low, 1000 * w.cost_usd.high),
            (w.quality.low, w.quality.high),
        )
        for w in proof.weighed
    ]
    told = "; ".join(f"routerd at {s.name}: {usd(s.x)}, {number(s.y)}" for s in mine)
    svg = plane.frontier(told, dots, corners, mine)
    caption = (
        "Up and left is better. Crosses: single agents. Dashed: the best that fixed mixtures of "
        "agents can do, known afterwards (hindsight). Blue: routerd; its numbers say what costs "
        "take off the strongest agent's quality, its bars are 95% intervals. "
        f"{basis(proof, proof.scope.side_seeds)}"
    )
    return figure("Cost and quality", caption, svg)


def sample_size(proof: Proof) -> Html:
    """The elbow."""
    found = proof.elbow
    points, what = found.points, measure(proof)
    at = list(range(len(points)))
    per = "agent and work type" if proof.scope.work_types > 1 else "agent"
    table = [p.table.mean for p in points]
    references = [Level("best single", found.single.mean, BLACK, "7 4")]
    if proof.scope.work_types > 1:
        references.append(Level("full table", found.table_of_all.mean, GREEN, "12 3 2 3"))
    svg = lines(
        f"{what.capitalize()} per task of choices learnt from so many outcomes per {per}. "
        f"{sample_size_told(proof)}",
        Scale(f"outcomes per {per}", whole, names=[whole(p.size) for p in points]),
        Scale(f"{what} per task, on other tasks", figures),
        [
            banded("routerd", at, [p.profile for p in points], dots=True),
            Line("plain table", at, table, colour=RED, dash="2 3", dots=True),
        ],
        references,
    )
    caption = (
        "Every agent is tried on so many tasks of each work type, out of four fifths of the "
        "tasks; what is learnt from that is frozen and chooses on the last fifth. Each fifth has "
        "its turn. Small work types give all they have. routerd: its profile; plain table: means "
        "of the same outcomes; full table: means of all. Band: 95% interval. "
        f"n = {counted(proof.scope.tasks, 'task')}, {counted(found.splits, 'split')} in five."
    )
    return figure("What is learnt from how many outcomes", caption, svg)


def delays(proof: Proof) -> Html:
    """The delay sweep."""
    what = measure(proof)
    at = list(range(len(proof.delays)))
    told = "; ".join(f"{whole(d.delay)} late: {noted(d.change)}" for d in proof.delays[1:])
    names = [whole(d.delay) for d in proof.delays]
    svg = lines(
        f"{what.capitalize()} per task when outcomes come late. Against no delay: {told}.",
        Scale("decisions made before an outcome is known", whole, names=names),
        Scale(f"{what} per task", figures),
        [banded("routerd", at, [d.utility for d in proof.delays], dots=True)],
        levels(proof, ("single",)),
    )
    n = basis(proof, proof.scope.side_seeds)
    return figure("What a delay costs", f"Against no delay: {told}. Band: 95% interval. {n}", svg)


def basis(proof: Proof, seeds: int | None = None) -> str:
    """n and seeds, for a caption."""
    return (
        f"n = {counted(proof.scope.tasks, 'task')}, {counted(seeds or proof.scope.seeds, 'seed')}."
    )


def measure(proof: Proof) -> str:
    return "utility" if proof.scope.cost_weight else "quality"

"""The page of `routerd prove`, for a reader who knows the tasks and nothing of routerd."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.axes import BLACK, GREEN, GREY, RED, SILVER
from bench.evidence import Estimate
from bench.findings import Proof, Standing, Weighed, WorkType
from bench.page import Html, bullets, element, figure, gallery, page, section, table, two_lines
from bench.page import verdict as verdict_box
from bench.pictures import Bar, Level, Line, Scale, Spot, Trail, intervals, lines, plane, shares
from bench.references import FOLDS
from bench.verdict import FEW_TASKS, unit, verdict
from bench.wording import between, count, difference, places, signed, usd, whole
from bench.wording import figure as number

COLOURED_AGENTS = 5


def proof_page(proof: Proof, version: str) -> str:
    """The whole page."""
    found = verdict(proof)
    return page(
        f"Would routing have paid? {proof.scope.dataset}",
        element("h1", f"Would routing have paid on {proof.scope.dataset}?"),
        element("p", lead(proof), kind="lead"),
        verdict_box(found.answer, found.sentences, found.tone),
        section("What lies behind it", bullets(found.reasons)),
        comparison(proof),
        over_time(proof),
        *money(proof),
        sample_size(proof),
        *late(proof),
        work_types(proof),
        agents(proof),
        method(proof, version),
    )


def lead(proof: Proof) -> str:
    """What was looked at."""
    scope = proof.scope
    told = f"{count(scope.tasks, 'recorded task')}, each run by {count(scope.agents, 'agent')}"
    if scope.work_types > 1:
        told += f", of {scope.work_types} work types"
    if scope.sampled_from:
        told += f" (a random sample of {whole(scope.sampled_from)})"
    if scope.left_out:
        told += f"; {count(scope.left_out, 'task')} left out, which some agent had not run"
    return (
        f"{told}. routerd serves them one after the other and learns only from the agent that it "
        f"chose, in {count(scope.seeds, 'random order')}."
    )


def basis(proof: Proof, seeds: int | None = None) -> str:
    """n and seeds, for a caption."""
    return f"n = {count(proof.scope.tasks, 'task')}, {count(seeds or proof.scope.seeds, 'seed')}."


def measure(proof: Proof) -> str:
    return "utility" if proof.scope.cost_weight else "quality"


def comparison(proof: Proof) -> Html:
    """routerd against each rival, as a picture and as a table."""
    bars = [
        Bar(brief(rival), rival.ahead.mean, rival.ahead.low, rival.ahead.high,
            f"{signed(rival.ahead.mean, places(rival.ahead))} {between(rival.ahead, sign=True)}")
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
        "level with routerd",
    )
    caption = (
        "Right of the line routerd is ahead (blue), left of it behind (orange); grey intervals "
        "include zero. Bars: 95% intervals. The table below says what each alternative is. "
        f"{basis(proof)}"
    )
    return section(
        "routerd against what else could be done",
        figure("Who is ahead", caption, svg),
        standings(proof),
    )


def brief(rival: Standing) -> str:
    """A rival's name for a picture."""
    names = {"single": "best single agent", "table": "table by work type", "random": "random agent"}
    roles = rival.key.split("+")
    if "strongest" in roles:
        return "strongest (hindsight)"
    return names.get(rival.key, "best (hindsight)" if "best" in roles else "most expensive")


def standings(proof: Proof) -> Html:
    """Quality, cost and utility of everyone."""
    weighed = bool(proof.scope.cost_weight)
    head = ["", "quality", *(["cost per 1,000"] if proof.routerd.cost_usd else [])]
    head += [*(["utility"] if weighed else []), "routerd is ahead by"]
    rows = []
    for one in (proof.routerd, *proof.rivals):
        row = [two_lines(one.name, described(one)), with_interval(one.quality)]
        if one.cost_usd is not None:
            row.append(spent(one.cost_usd))
        if weighed:
            row.append(with_interval(one.utility))
        row.append(two_lines("", "") if one.ahead is None else ahead(one.ahead))
        rows.append(row)
    caption = f"Means per task with 95% intervals. {basis(proof)}"
    if weighed:
        caption += f" Utility = quality −\u00a0{proof.scope.cost_weight:g} × cost in USD."
    return table(head, rows, caption, marked=(0,))


def described(one: Standing) -> str:
    """The second line of a name."""
    if one.label == "hindsight":
        return "hindsight: known only afterwards"
    if one.key == "single":
        return f"honest; mostly {one.agent}"
    return {"honest": "honest"}.get(one.label, "began with nothing")


def with_interval(estimate: Estimate) -> Html:
    return two_lines(number(estimate.mean, places(estimate)), between(estimate))


def spent(cost_usd: Estimate) -> Html:
    """A cost per 1,000 tasks."""
    low, high = usd(1000 * cost_usd.low), usd(1000 * cost_usd.high)
    return two_lines(usd(1000 * cost_usd.mean), f"[{low}, {high}]")


def ahead(estimate: Estimate) -> Html:
    return two_lines(signed(estimate.mean, places(estimate)), between(estimate, sign=True))


def over_time(proof: Proof) -> Html:
    """Learning curve, what is gained so far, shares."""
    return section("As the tasks came in", gallery(learning(proof), gains(proof), choices(proof)))


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
        f"{what.capitalize()} per task in each stretch of about {curve.ends[0]} tasks. The straight "
        f"lines are what the others earn on average. Band: 95% interval. {basis(proof)}"
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


def figures(value: float) -> str:
    """A tick's name: as few decimals as it needs."""
    return number(value, 3).rstrip("0").rstrip(".") or "0"


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
        drawn.append(banded(name, [0, *curve.ends], [zero, *gained])._replace(colour=colour, dash=dash))
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


def shown_as(agents: Sequence[str]) -> Callable[[str], str]:
    """Agents' names for pictures: without what stands before the last slash, if they stay apart."""
    short = {agent: agent.rpartition("/")[2] for agent in agents}
    apart = len(set(short.values())) == len(short) and all(short.values())
    return (lambda agent: short[agent]) if apart else str


def money(proof: Proof) -> list[Html]:
    """Cost and quality, where there are costs."""
    if not proof.weighed:
        return []
    told = element(
        "p",
        "How much quality a dollar is worth is yours to say (--cost-weight). Each blue point is "
        "routerd under another answer, with all that it spent on learning.",
    )
    return [section("Quality and cost", told, frontier(proof), weights(proof))]


def frontier(proof: Proof) -> Html:
    name = shown_as([agent.name for agent in proof.agents])
    dots = [
        Spot(name(a.name), 1000 * a.cost_usd.mean, a.quality.mean)
        for a in proof.agents
        if a.cost_usd is not None
    ]
    corners = [Spot("", 1000 * c.cost_mean_usd, c.quality_mean) for c in proof.hull]
    mine = [
        Spot(f"routerd at {figures(w.worth)}", 1000 * w.cost_usd.mean, w.quality.mean,
             (1000 * w.cost_usd.low, 1000 * w.cost_usd.high), (w.quality.low, w.quality.high))
        for w in proof.weighed
    ]
    costs = [spot.x for spot in (*dots, *mine)]
    log = min(costs) > 0 and min(w.cost_usd.low for w in proof.weighed) > 0
    told = "; ".join(f"{s.name}: {usd(s.x)} and {number(s.y)}" for s in mine)
    svg = plane(
        f"Mean cost per 1,000 tasks and mean quality. {told}.",
        Scale("USD per 1,000 tasks" + (" (by ratios)" if log else ""), plain_usd, log),
        Scale("quality per task", figures),
        [
            Trail("static mixtures", corners, BLACK, "", True, "6 4"),
            Trail("agents", dots, GREY, "cross"),
            Trail("routerd", mine, joined=True),
        ],
    )
    caption = (
        "Up and left is better. Crosses: single agents. Dashed: the best that fixed mixtures of "
        "agents can do, known afterwards (hindsight). Blue: routerd, where costs take 0, 0.02, ... "
        "off the strongest agent's quality; its bars are 95% intervals. "
        f"{basis(proof, proof.scope.side_seeds)}"
    )
    return figure("Cost and quality", caption, svg)


def plain_usd(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


def weights(proof: Proof) -> Html:
    """What a dollar is worth, and what follows."""
    with_table = any(w.over_table for w in proof.weighed)
    head = ["cost weight", "quality", "cost per 1,000", "over the best single agent"]
    rows = [weighed_row(w, with_table) for w in proof.weighed]
    seeds, side = proof.scope.seeds, proof.scope.side_seeds
    main = [i for i, w in enumerate(proof.weighed) if w.cost_weight == proof.scope.cost_weight]
    caption = (
        "routerd under several cost weights (quality per USD; beneath: what that takes off the "
        "strongest agent's quality). The differences in utility are against what is best under the "
        f"same weight on other tasks, with 95% intervals. {basis(proof, side)}"
    )
    if side != seeds:
        caption += f" The marked row: {seeds} seeds."
    return table([*head, *(["over the table"] if with_table else [])], rows, caption, main)


def weighed_row(row: Weighed, with_table: bool) -> list[str]:
    told = [
        two_lines(f"{row.cost_weight:.3g}", f"takes off {figures(row.worth)}"),
        with_interval(row.quality),
        spent(row.cost_usd),
        two_lines(signed(row.over_single.mean), f"{between(row.over_single, sign=True)}"),
    ]
    if with_table:
        told.append(ahead(row.over_table) if row.over_table else Html(""))
    return told


def sample_size(proof: Proof) -> Html:
    """The elbow."""
    found = proof.elbow
    points, what = found.points, measure(proof)
    at = list(range(len(points)))
    per = "agent and work type" if proof.scope.work_types > 1 else "agent"
    profile = banded("routerd", at, [p.profile for p in points], dots=True)
    plain = Line("plain table", at, [p.table.mean for p in points], colour=RED, dash="2 3", dots=True)
    references = [Level("best single", found.single.mean, BLACK, "7 4")]
    if proof.scope.work_types > 1:
        references.append(Level("full table", found.table_of_all.mean, GREEN, "12 3 2 3"))
    answer = elbow_answer(proof)
    svg = lines(
        f"{what.capitalize()} per task of choices learnt from so many outcomes per {per}. {answer}",
        Scale(f"outcomes per {per}", whole, names=[whole(p.size) for p in points]),
        Scale(f"{what} per task, on other tasks", figures),
        [profile, plain],
        references,
    )
    told = (
        f"Every agent is tried on so many tasks of each work type, out of four fifths of the tasks; "
        f"what is learnt from that is frozen and chooses on the last fifth, each fifth in turn, "
        f"{count(found.splits, 'split')}. Small work types give all they have. routerd: its profile; "
        "plain table: means of the same outcomes; full table: means of all. Band: 95% interval. "
        f"n = {count(proof.scope.tasks, 'task')}."
    )
    picture = figure("What is learnt from how many outcomes", told, svg)
    return section("How many outcomes does it take?", element("p", answer), picture)


def elbow_answer(proof: Proof) -> str:
    """The elbow in words."""
    found, last = proof.elbow, proof.elbow.points[-1]
    per = "agent and work type" if proof.scope.work_types > 1 else "agent"

    def told(whom: str, size: int | None, over: Sequence[Estimate]) -> str:
        if size is not None:
            at = over[[p.size for p in found.points].index(size)]
            return f"From {count(size, 'outcome')} per {per} on, the learnt profile beats {whom}: "\
                f"{difference(at)} there."
        return f"With up to {count(last.size, 'outcome')} per {per} the learnt profile does not "\
            f"clearly beat {whom}: {difference(over[-1])} at the last."

    sentences = [told("the best single agent", found.beats_single_from,
                      [p.over_single for p in found.points])]
    if proof.scope.work_types > 1:
        whole_table = (
            f"the table fitted on all of them (typically {count(found.typical_size, 'outcome')} each)"
        )
        sentences.append(told(whole_table, found.beats_table_from,
                              [p.over_table_of_all for p in found.points]))
    return " ".join(sentences)


def late(proof: Proof) -> list[Html]:
    """The delay sweep."""
    if len(proof.delays) < 2:
        return []
    what = measure(proof)
    at = list(range(len(proof.delays)))
    told = "; ".join(f"{whole(d.delay)} late: {signed(d.change.mean, places(d.change))} "
                     f"{between(d.change, sign=True)}" for d in proof.delays[1:])
    svg = lines(
        f"{what.capitalize()} per task when outcomes come late. Against no delay: {told}.",
        Scale("decisions made before an outcome is known", whole,
              names=[whole(d.delay) for d in proof.delays]),
        Scale(f"{what} per task", figures),
        [banded("routerd", at, [d.utility for d in proof.delays], dots=True)],
        levels(proof, ("single", "random")),
    )
    caption = (
        f"Against no delay: {told}. Band: 95% interval. {basis(proof, proof.scope.side_seeds)}"
    )
    return [section("When outcomes come late", figure("What a delay costs", caption, svg))]


def work_types(proof: Proof) -> Html:
    if proof.scope.work_types == 1:
        return Html("")
    what = measure(proof)
    head = ["work type", "tasks", f"routerd's {what}", "over the best single agent"]
    rows = [
        [
            two_lines(kind.name or "(none)", best_of(kind)),
            whole(kind.tasks),
            with_interval(kind.utility),
            ahead(kind.over_single),
        ]
        for kind in proof.work_types
    ]
    caption = f"Per task, with 95% intervals; the single agent is the honest one. {basis(proof)}"
    caption += " Of many rows a few stand out by chance."
    return section("Where it paid", table(head, rows, caption))


def best_of(kind: WorkType) -> str:
    if kind.best is None:
        return ""
    return f"best afterwards: {kind.best}, {number(kind.best_utility or 0.0)}"


def agents(proof: Proof) -> Html:
    weighed = bool(proof.scope.cost_weight)
    costs = proof.routerd.cost_usd is not None
    head = ["agent", "quality", *(["cost per 1,000"] if costs else [])]
    head += [*(["utility"] if weighed else []), "share that routerd gave it"]
    rows = []
    for agent in proof.agents:
        row: list[str] = [agent.name, with_interval(agent.quality)]
        row += [spent(agent.cost_usd)] if agent.cost_usd is not None else []
        row += [with_interval(agent.utility)] if weighed else []
        rows.append([*row, f"{agent.share:.1%}"])
    caption = f"Every agent on all tasks, with 95% intervals. n = {count(proof.scope.tasks, 'task')}."
    if proof.agents_not_shown:
        caption += f" {count(proof.agents_not_shown, 'agent')} of lower {measure(proof)} not shown."
    return section("The agents", table(head, rows, caption))


def method(proof: Proof, version: str) -> Html:
    """How it was done, and what it cannot tell."""
    scope = proof.scope
    pairs = [
        (
            "routerd",
            f"The shipped default configuration of routerd {version}, the engine that serves, with "
            "the work type as its only feature. It was not tuned to these tasks.",
        ),
        (
            measure(proof).capitalize(),
            "Quality as recorded, from 0 to 1."
            if not scope.cost_weight
            else f"Quality − {scope.cost_weight:g} × cost in USD: one number that says what an "
            "outcome is worth.",
        ),
        (
            "Honest and hindsight",
            f"Honest choices use no outcome that they are judged by: single agent and table are "
            f"chosen on {FOLDS - 1} of {FOLDS} parts of the tasks and judged on the other, each part "
            "in turn. Hindsight choices were picked knowing everything, so they look better than "
            "anyone could have done.",
        ),
        (
            "Seeds",
            f"Orders in which the tasks came: numpy's default_rng(seed) over the sorted task ids, "
            f"seeds 0 to {scope.seeds - 1}; everyone gets the same orders and splits. Frontier and "
            f"delays use seeds 0 to {scope.side_seeds - 1}.",
        ),
        (
            "Intervals",
            "95%, from 10,000 bootstrap resamples: over tasks (others might have been recorded) and "
            "over seeds (they might have come in another order), added in quadrature. Differences "
            "are paired by task and seed. Nothing is corrected for the number of comparisons.",
        ),
        (
            "What this cannot tell",
            "The replay shuffles the tasks: it knows no trend over time, no agent that changes and "
            "no caller who reacts. A recorded run is one draw of what an agent may do; picking "
            "winners by single draws flatters them, in hindsight most. Other tasks than such as "
            f"these were not looked at. Fewer than {FEW_TASKS} tasks give no answer.",
        ),
    ]
    if scope.has_replicates:
        pairs.append(("Repeated runs", "Where an agent ran a task several times, each seed draws one."))
    terms = [part for name, told in pairs for part in (element("dt", name), element("dd", told))]
    return section("How this was measured", element("dl", *terms))

"""The page of `routerd prove`, for a reader who knows the tasks and nothing of routerd."""

from __future__ import annotations

from bench.pages.page import Html, bullets, element, gallery, page, section, table, two_lines
from bench.pages.page import verdict as verdict_box
from bench.pages.wording import between, figures, places, signed, usd, whole
from bench.pages.wording import figure as number
from bench.prove import pictures as drawn
from bench.prove.findings import Proof, Standing, Weighed, WorkType
from bench.prove.plan import SEEDS
from bench.prove.verdict import FEW_TASKS, sample_size_told, verdict
from bench.replay.references import FOLDS
from bench.stats import Estimate
from routerd.core.words import counted


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
    told = f"{counted(scope.tasks, 'recorded task')}, each run by {counted(scope.agents, 'agent')}"
    if scope.work_types > 1:
        told += f", of {scope.work_types} work types"
    if scope.sampled_from:
        told += f" (a random sample of {whole(scope.sampled_from)})"
    if scope.left_out:
        told += f"; {counted(scope.left_out, 'task')} left out, which some agent had not run"
    return (
        f"{told}. routerd serves them one after the other and learns only from the agent that it "
        f"chose, in {counted(scope.seeds, 'random order')}."
    )


def comparison(proof: Proof) -> Html:
    """routerd against each rival, as a picture and as a table."""
    title = "routerd against what else could be done"
    return section(title, drawn.who_is_ahead(proof), standings(proof))


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
    caption = f"Means per task with 95% intervals. {drawn.basis(proof)}"
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
    pictures = drawn.learning(proof), drawn.gains(proof), drawn.choices(proof)
    return section("As the tasks came in", gallery(*pictures))


def money(proof: Proof) -> list[Html]:
    """Cost and quality, where there are costs."""
    if not proof.weighed:
        return []
    told = element(
        "p",
        "How much quality a dollar is worth is yours to say (--cost-weight). Each blue point is "
        "routerd under another answer, with all that it spent on learning.",
    )
    return [section("Quality and cost", told, drawn.frontier(proof), weights(proof))]


def weights(proof: Proof) -> Html:
    """What a dollar is worth, and what follows."""
    with_table = any(w.over_table for w in proof.weighed)
    head = ["cost weight", "quality", "mixture", "cost per 1,000", "over the best single agent"]
    rows = [weighed_row(w, with_table) for w in proof.weighed]
    seeds, side = proof.scope.seeds, proof.scope.side_seeds
    main = [i for i, w in enumerate(proof.weighed) if w.cost_weight == proof.scope.cost_weight]
    caption = (
        "routerd under several cost weights (quality per USD; beneath: what that takes off the "
        "strongest agent's quality). Mixture: the quality of the best fixed mixture of agents at "
        "the same cost, known afterwards. The differences in utility are against what is best "
        f"under the same weight on other tasks. 95% intervals. {drawn.basis(proof, side)}"
    )
    if side != seeds:
        caption += f" The marked row: {seeds} seeds."
    return table([*head, *(["over the table"] if with_table else [])], rows, caption, main)


def weighed_row(row: Weighed, with_table: bool) -> list[str]:
    told = [
        two_lines(f"{row.cost_weight:.3g}", f"takes off {figures(row.worth)}"),
        with_interval(row.quality),
        "" if row.mixture is None else two_lines(number(row.mixture), "hindsight"),
        spent(row.cost_usd),
        ahead(row.over_single),
    ]
    if with_table:
        told.append(ahead(row.over_table) if row.over_table else Html(""))
    return told


def sample_size(proof: Proof) -> Html:
    """The elbow."""
    told = element("p", sample_size_told(proof))
    return section("How many outcomes does it take?", told, drawn.sample_size(proof))


def late(proof: Proof) -> list[Html]:
    """The delay sweep, where there are tasks enough for one."""
    if len(proof.delays) < 2:
        return []
    return [section("When outcomes come late", drawn.delays(proof))]


def work_types(proof: Proof) -> Html:
    if proof.scope.work_types == 1:
        return Html("")
    what = drawn.measure(proof)
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
    caption = (
        f"Per task, with 95% intervals; the single agent is the honest one. {drawn.basis(proof)}"
    )
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
    caption = (
        f"Every agent on all tasks, with 95% intervals. n = {counted(proof.scope.tasks, 'task')}."
    )
    if proof.agents_not_shown:
        others = counted(proof.agents_not_shown, "agent")
        caption += f" {others} of lower {drawn.measure(proof)} not shown."
    return section("The agents", table(head, rows, caption))


def method(proof: Proof, version: str) -> Html:
    """How it was done, and what it cannot tell."""
    scope = proof.scope
    fewer = " (that few to bound the work; --seeds asks for more)" if scope.seeds < SEEDS else ""
    pairs = [
        (
            "routerd",
            f"The shipped default configuration of routerd {version}, the engine that serves, with "
            "the work type as its only feature. It was not tuned to these tasks.",
        ),
        (
            drawn.measure(proof).capitalize(),
            "Quality as recorded, from 0 to 1."
            if not scope.cost_weight
            else f"Quality − {scope.cost_weight:g} × cost in USD: one number that says what an "
            "outcome is worth.",
        ),
        (
            "Honest and hindsight",
            "Honest choices use no outcome that they are judged by: single agent and table are "
            f"chosen on {FOLDS - 1} of {FOLDS} parts of the tasks and judged on the other, each "
            "part in turn. Hindsight choices were picked knowing everything, so they look better "
            "than anyone could have done.",
        ),
        (
            "Seeds",
            f"Orders in which the tasks came: numpy's default_rng(seed) over the sorted task ids, "
            f"seeds 0 to {scope.seeds - 1}{fewer}; everyone gets the same orders and splits. A "
            f"task's part is default_rng(seed).permutation(n) % {FOLDS}, in the order of the ids. "
            f"Frontier and delays use seeds 0 to {scope.side_seeds - 1}.",
        ),
        (
            "Intervals",
            "95%, normal: over tasks (others might have been recorded) and over seeds (they might "
            "have come in another order). Other tasks would have taught other choices, in all "
            "orders alike. So the part of the tasks is what a single order shows, not the mean of "
            "all, and is widened for each side that was fitted to other parts of the same tasks. "
            "That makes intervals rather too wide: agents that are alike look apart less often "
            "than one time in twenty, and a small difference takes more tasks to show. "
            "Differences are paired by task and seed. Nothing is corrected for the number of "
            "comparisons.",
        ),
        (
            "What this cannot tell",
            "The replay shuffles the tasks: it knows no trend over time, no agent that changes and "
            "no caller who reacts. A recorded run is one draw of what an agent may do; picking "
            "winners by single draws flatters them, in hindsight most. Other tasks than such as "
            f"these were not looked at. Fewer than {FEW_TASKS} tasks give no answer. Nor do tasks "
            "that all came out alike: their interval has no width, since nothing in them shows how "
            "others would vary.",
        ),
    ]
    if scope.has_replicates:
        pairs.append(
            ("Repeated runs", "Where an agent ran a task several times, each seed draws one.")
        )
    terms = [part for name, told in pairs for part in (element("dt", name), element("dd", told))]
    return section("How this was measured", element("dl", *terms))

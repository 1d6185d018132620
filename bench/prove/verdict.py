"""The findings in words: the answer, the numbers that it rests on, and what lies behind them.

An answer is given only where an interval lies on one side of 0. All else is told as what it is:
not to be told from these tasks, and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.pages.wording import difference, figure, rough, usd, whole
from bench.prove.findings import Proof, Scope
from bench.replay.references import FOLDS
from bench.stats import Estimate
from routerd.core.words import counted

FEW_TASKS = 50  # below, an interval over tasks is too narrow
NO_HEADROOM = 0.005
FEW_PER_TYPE = 8


class Verdict(NamedTuple):
    """tone: yes, no, partly or unclear. reasons: what lies behind the numbers."""

    answer: str
    tone: str
    sentences: list[str]
    reasons: list[str]


def verdict(proof: Proof) -> Verdict:
    """Would routing have paid on these tasks?"""
    answer, tone = answered(proof)
    return Verdict(
        answer, tone, [against_single(proof), against_others(proof)], list(behind(proof))
    )


def answered(proof: Proof) -> tuple[str, str]:
    """The answer and its tone."""
    learnt = proof.ahead_of("single").sign
    table = proof.table_over_single.sign if proof.table_over_single else 0
    if proof.scope.tasks < FEW_TASKS:
        return f"It cannot be told: {counted(proof.scope.tasks, 'task')} are too few", "unclear"
    if learnt > 0 and behind_table(proof):
        return "Yes, but a table that was fitted beforehand would have paid more", "yes"
    if learnt > 0:
        return "Yes, routing would have paid", "yes"
    if learnt == 0 and proof.scope.work_types == 1:
        return "It cannot be told: the tasks name no work types", "unclear"
    if learnt == 0 and proof.ceiling < NO_HEADROOM:
        return "It cannot be told: there was next to nothing to gain", "unclear"
    if table > 0:
        return "Only with a table that was fitted beforehand", "partly"
    if learnt < 0:
        return "No, the best single agent would have earned more", "no"
    return "It cannot be told: the intervals overlap", "unclear"


def behind_table(proof: Proof) -> bool:
    """Whether the table by work type clearly earned more than routerd."""
    table = proof.rival("table")
    return table is not None and table.ahead is not None and table.ahead.sign < 0


def against_single(proof: Proof) -> str:
    """routerd and the best single agent."""
    ahead = proof.ahead_of("single")
    mine, theirs = figure(proof.routerd.utility.mean), figure(proof.rivals[0].utility.mean)
    return (
        f"On {tasks_of(proof.scope)} routerd, which began with nothing, would have "
        f"earned {mine} of {unit(proof)} per task, and the best single agent, chosen on other "
        f"tasks, {theirs}: {told(ahead)}."
    )


def tasks_of(scope: Scope) -> str:
    """How many tasks, and of how many, where not all that were recorded could serve."""
    told = counted(scope.tasks, "task")
    if scope.sampled_from:
        told += f", drawn from {whole(scope.sampled_from)},"
    if scope.left_out:
        every = (scope.sampled_from or scope.tasks) + scope.left_out
        told = f"{told.rstrip(',')}, of {whole(every)} those that every agent had run,"
    return told


def against_others(proof: Proof) -> str:
    """routerd and the table by work type, and the agent of the highest quality."""
    table, strongest = proof.rival("table"), proof.rival("strongest")
    parts = []
    if table is not None and table.ahead is not None:
        parts.append(
            f"a table by work type, fitted on other tasks, would have earned "
            f"{figure(table.utility.mean)}: {told(table.ahead)}"
        )
    same = strongest is None or strongest.agent == proof.rivals[0].agent
    if strongest is not None and strongest.ahead is not None and not (same and parts):
        parts.append(
            f"everything to the strongest agent, {strongest.agent}, would have earned "
            f"{figure(strongest.utility.mean)}: {told(strongest.ahead)}"
        )
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def told(ahead: Estimate) -> str:
    """How routerd stands to something."""
    if ahead.sign == 0:
        return f"no clear difference, {difference(ahead)}"
    if ahead.sign > 0:
        return f"routerd is ahead by {difference(ahead, sign=False)}"
    behind = Estimate(-ahead.mean, -ahead.high, -ahead.low)
    return f"routerd is behind by {difference(behind, sign=False)}"


def unit(proof: Proof) -> str:
    """What is counted."""
    if not proof.scope.cost_weight:
        return "quality"
    return f"utility (quality −\u00a0{proof.scope.cost_weight:g} × cost in USD)"


def behind(proof: Proof) -> Iterator[str]:
    """The reasons, one sentence or two each."""
    yield headroom(proof)
    yield learning(proof)
    yield from needed(proof)
    yield known_beforehand(proof)
    yield from money(proof)


def headroom(proof: Proof) -> str:
    """What choosing by work type could have gained at most."""
    if proof.scope.work_types == 1:
        return (
            "The tasks have no work types (a column `domain`), so all that there was to learn is "
            "which agent is best overall: no router that sees no more can beat that agent."
        )
    size = ""
    if proof.ceiling < NO_HEADROOM:
        size = " That is next to nothing."
    elif proof.elbow.typical_size < FEW_PER_TYPE:
        size = " But work types with so few tasks owe much of that to luck."
    return (
        f"What there was to gain: the best agent of each of the {proof.scope.work_types} work "
        f"types, picked afterwards, is {figure(proof.ceiling)} ahead of the best single agent, "
        f"picked afterwards. A choice by work type could hardly have gained more.{size}"
    )


def learning(proof: Proof) -> str:
    """What learning cost, and whether it was over."""
    single = proof.rivals[0]
    assert single.ahead_at_the_end is not None
    late = single.ahead_at_the_end
    seen = {
        1: "by then it earned more",
        -1: "it had not caught up when the tasks ended",
        0: "no clear difference on so few tasks",
    }
    return (
        "Learning costs: routerd tries agents before it knows them. On the last fifth of the tasks "
        f"the difference to the best single agent is {difference(late)}: {seen[late.sign]}."
    )


def needed(proof: Proof) -> Iterator[str]:
    """How many tasks it would take to tell."""
    ahead = proof.ahead_of("single")
    half = (ahead.high - ahead.low) / 2
    if ahead.sign or not ahead.mean or not half:
        return
    tasks = proof.scope.tasks * (half / abs(ahead.mean)) ** 2
    if tasks > 1e6:
        yield "To tell a difference as small as this would take more than a million tasks."
    else:
        yield f"If the difference is what it seems, to tell it takes about {rough(tasks)} tasks."


def known_beforehand(proof: Proof) -> str:
    """What the honest references had been given."""
    scope = proof.scope
    runs = scope.tasks * (FOLDS - 1) // FOLDS * scope.agents
    paid = ""
    if scope.outcomes_cost_usd:
        paid = f" for {usd(scope.outcomes_cost_usd * (FOLDS - 1) / FOLDS)}"
    whose = "The best single agent was" if scope.work_types == 1 else "Single agent and table were"
    return (
        f"{whose} chosen with {whole(runs)} outcomes in hand: every agent had been run on "
        f"four tasks out of five{paid}. routerd saw {whole(scope.tasks)}, one a task, as it went."
    )


def money(proof: Proof) -> Iterator[str]:
    """What was spent, and what a cost weight would change."""
    mine, strongest = proof.routerd, proof.rival("strongest")
    if mine.cost_usd is None or strongest is None or strongest.cost_usd is None:
        return
    yield (
        f"routerd spends {usd(1000 * mine.cost_usd.mean)} per 1,000 tasks at a quality of "
        f"{figure(mine.quality.mean)}, the strongest agent {usd(1000 * strongest.cost_usd.mean)} "
        f"at {figure(strongest.quality.mean)}."
    )
    if not proof.scope.cost_weight:
        yield (
            "Costs count for nothing in this answer. What a dollar is worth to you changes it: see "
            "below, and give --cost-weight."
        )


def sample_size_told(proof: Proof) -> str:
    """From how many outcomes on the learnt profile beats the references."""
    found, last = proof.elbow, proof.elbow.points[-1]
    per = "agent and work type" if proof.scope.work_types > 1 else "agent"

    def told(whom: str, size: int | None, over: Sequence[Estimate]) -> str:
        if size is not None:
            at = over[[p.size for p in found.points].index(size)]
            return (
                f"From {counted(size, 'outcome')} per {per} on, the learnt profile beats {whom}: "
                f"{difference(at)} there."
            )
        if over[-1].low == over[-1].high == 0.0:
            return (
                f"With {counted(last.size, 'outcome')} per {per} the learnt profile chooses as "
                f"{whom} does."
            )
        how = "is still behind" if over[-1].sign < 0 else "does not clearly beat"
        return (
            f"With {counted(last.size, 'outcome')} per {per} the learnt profile {how} {whom}: "
            f"{difference(over[-1])}."
        )

    sentences = [
        told(
            "the best single agent", found.beats_single_from, [p.over_single for p in found.points]
        )
    ]
    if proof.scope.work_types > 1:
        typical = counted(found.typical_size, "outcome")
        whole_table = f"the table fitted on all of them (typically {typical} each)"
        sentences.append(
            told(whole_table, found.beats_table_from, [p.over_table_of_all for p in found.points])
        )
    return " ".join(sentences)

"""What the demo shows: progress while it runs, and a table that claims nothing unmeasured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import click

from routerd.cli.demo_score import Lift, Score, short
from routerd.cli.output import console
from routerd.cli.tables import Rows, table

REFRESH_PER_S = 8
LINES = 10

Progress = Callable[[int, Score, Score], None]
"""Told how many tasks are done, and routerd's score and the static table's on these."""


class Report(NamedTuple):
    """What a run of the demo found. seconds and decisions_per_s vary, the seed fixes the rest."""

    seed: int
    agents: tuple[str, ...]
    tasks: int
    fit_tasks: int
    fit_cost_usd: float
    cost_weight_per_usd: float
    strongest_cost_worth: float
    scores: tuple[Score, ...]
    lift_over_table: Lift
    outcomes: int
    verified: str
    holds: bool
    seconds: float
    decisions_per_s: float


@contextmanager
def progress(agents: Sequence[str], total: int) -> Iterator[Progress]:
    """A live table on a terminal, plain lines in a pipe; always on stderr."""
    if not sys.stderr.isatty():
        shown = 0

        def line(done: int, router: Score, static: Score) -> None:
            nonlocal shown
            if done * LINES // total > shown:
                shown = done * LINES // total
                click.echo(
                    f"{done:>5}/{total} tasks  quality {router.quality:.4f}  "
                    f"USD {1000 * router.cost_usd:.2f} per 1,000  utility {router.utility:.4f}  "
                    f"(static table {static.utility:.4f})",
                    err=True,
                )

        yield line
        return
    from rich.console import Group
    from rich.live import Live

    with Live(
        console=console(stderr=True), refresh_per_second=REFRESH_PER_S, transient=True
    ) as live:

        def row(done: int, router: Score, static: Score) -> None:
            told = f"{done:,} of {total:,} real prompts, one Route and one outcome each"
            both = [router, static]
            live.update(Group(told, "", scores(both), "", shares(both, agents)))

        yield row


def scores(found: Sequence[Score]) -> Rows:
    """Scores below each other; the first is routerd's, the others say how it stands to them."""
    router = found[0]
    head = ("", "quality", "USD/1,000", "utility", "routerd is")
    rows = [
        (
            score.name,
            f"{score.quality:.4f}",
            f"{1000 * score.cost_usd:.3f}",
            f"{score.utility:.4f}",
            "" if score is router else standing(router.utility - score.utility),
        )
        for score in found
    ]
    return table(head, rows)


def shares(found: Sequence[Score], agents: Sequence[str]) -> Rows:
    """Which share of the tasks each agent got."""
    head = ("share of the tasks", *map(short, agents))
    return table(head, [(s.name, *(f"{share:.1%}" for share in s.shares)) for s in found])


def standing(ahead: float) -> str:
    """Where routerd stands, at the precision that the table shows."""
    if abs(ahead) < 0.00005:
        return "level"
    return f"ahead by {ahead:.4f}" if ahead > 0 else f"behind by {-ahead:.4f}"


def verdict(lift: Lift) -> str:
    """What the interval lets one say, and no more."""
    if lift.low > 0:
        return "routerd beats the static table on this stream"
    if lift.high < 0:
        return "the static table beats routerd on this stream"
    return "this stream cannot tell routerd and the static table apart"


def show(report: Report) -> None:
    """The report for people. All of it but the last line depends on the seed alone."""
    out = console()
    out.print(scores(report.scores))
    out.print()
    out.print(shares(report.scores, report.agents))
    lift = report.lift_over_table
    click.echo(
        f"""
utility = quality - {report.cost_weight_per_usd:.4g} x cost in USD: the strongest agent's mean cost
  on the validation prompts is worth {report.strongest_cost_worth:.2f} of quality.
Lift over the static table: {lift.mean:+.4f} utility a task, 95% interval \
[{lift.low:+.4f}, {lift.high:+.4f}]:
  {verdict(lift)}.
  The interval is a paired bootstrap over the tasks of this one stream (seed {report.seed});
  another order of the tasks may come out otherwise.
  The table was fitted on {report.fit_tasks:,} other prompts, each answered by every agent for
  USD {report.fit_cost_usd:.2f} in all. routerd began with nothing and saw only its own choices.
{report.tasks:,} decisions and {report.outcomes:,} outcomes over gRPC. Its log, checked by `verify`:
  {report.verified}
{report.decisions_per_s:,.0f} decisions/s by one caller who waits for each answer and for each \
outcome to be on disk; {report.seconds:.1f} s in all"""
    )


def in_json(report: Report) -> dict[str, Any]:
    """The report for programs."""
    return {
        **report._asdict(),
        "scores": [
            {**score._asdict(), "shares": dict(zip(report.agents, score.shares, strict=True))}
            for score in report.scores
        ],
        "lift_over_table": report.lift_over_table._asdict(),
    }

"""What `routerd bench ope` found, for the page of `routerd bench report`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.pages.page import Html, bullets, figure, section, table, two_lines
from bench.pages.pictures import Bar, intervals
from bench.pages.wording import whole
from routerd.core.words import counted

INTERVALS = {
    "anytime": "confidence sequences, valid however often one looks",
    "bootstrap": "bootstraps over rows",
}

Range = tuple[float, float]


class Ope(msgspec.Struct, frozen=True):
    """One estimator on one log."""

    estimator: str
    value: float | None
    ci95: Range | None
    ess: float | None
    refused: str | None
    interval: str | None = None
    logged_value: float | None = None
    policy: str = ""
    reward: str = "reward"
    lift95: Range | None = None
    n: int | None = None
    left_out: dict[str, int] = {}


def in_short(rows: Sequence[Ope]) -> str:
    values = [row.value for row in rows if row.value is not None]
    if not values:
        return f"{evaluation(rows)}: no answer. {rows[0].refused or ''}"
    logged = rows[0].logged_value
    return (
        f"{evaluation(rows)}: {len(values)} of {len(rows)} estimators answer, from "
        f"{min(values):.4g} to {max(values):.4g} of {rows[0].reward} per decision; as logged "
        + ("unknown." if logged is None else f"{logged:.4g}.")
    )


def evaluation(rows: Sequence[Ope]) -> str:
    """What was evaluated, where the results say so."""
    return f"Off-policy evaluation{f' of {rows[0].policy}' if rows[0].policy else ''}"


def section_of(rows: Sequence[Ope], file: str) -> Html:
    """Estimates with their intervals, and every refusal."""
    refused = [f"{row.estimator} refuses. {row.refused}" for row in rows if row.refused]
    title = f"{evaluation(rows)}: {file}"
    return section(title, *picture(rows), figures(rows), bullets(refused))


def picture(rows: Sequence[Ope]) -> list[Html]:
    """The estimates that have an interval, held against what was logged; nothing without any."""
    bars = [
        Bar(r.estimator, r.value, *r.ci95, f"{r.value:.3g} [{r.ci95[0]:.3g}, {r.ci95[1]:.3g}]")
        for r in rows
        if r.value is not None and r.ci95 is not None
    ]
    if not bars:
        return []
    logged, reward, n = rows[0].logged_value, rows[0].reward, rows[0].n
    told = "; ".join(f"{bar.name}: {bar.note}" for bar in bars)
    svg = intervals(
        f"Estimated {reward} per decision. {told}.",
        f"{reward} per decision",
        bars,
        lambda value: f"{value:.3g}",
        None if logged is None else (logged, "as logged"),
    )
    kinds = sorted({row.interval for row in rows if row.interval} & INTERVALS.keys())
    caption = (
        "What the policy would have earned on the log's traffic. Blue: above what was logged; "
        "orange: below; grey: the interval includes it. The table compares both on the same "
        "rows, which can tell more. 95% intervals"
        + "".join(f" ({INTERVALS[kind]})" for kind in kinds)
        + f". n = {'unknown' if n is None else counted(n, 'decision')}."
    )
    return [figure("What the estimators say", caption, svg)]


def figures(rows: Sequence[Ope]) -> Html:
    head = ["estimator", "value", "above the log", "effective rows"]
    cells = [
        [
            row.estimator,
            "refused" if row.value is None else two_lines(f"{row.value:.4g}", pair(row.ci95)),
            pair(row.lift95),
            "" if row.ess is None else whole(row.ess),
        ]
        for row in rows
    ]
    caption = (
        f"Values are {rows[0].reward} per decision; in brackets 95% intervals, but none for what "
        "rests on a model alone."
    )
    left = ", ".join(f"{whole(n)} {why.replace('_', ' ')}" for why, n in rows[0].left_out.items())
    caption += f" Left out: {left}." if left else ""
    return table(head, cells, caption)


def pair(ends: Range | None) -> str:
    return "" if ends is None else f"[{ends[0]:.4g}, {ends[1]:.4g}]"

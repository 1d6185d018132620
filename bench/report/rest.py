"""What `routerd bench load`, `decide` and `ope` found, for the page of `routerd bench report`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.pages.axes import BLUE, GREY
from bench.pages.page import Html, bullets, element, figure, gallery, section, table, two_lines
from bench.pages.pictures import Bar, Line, Scale, intervals, lines
from bench.pages.wording import whole
from routerd.core.words import counted

FLOOR, OURS = "echo", "routerd"

Range = tuple[float, float]


class Load(msgspec.Struct, frozen=True):
    """One target at one point. A closed loop has callers, an open one a rate of calls a second."""

    target: str
    mode: str
    per_s: float
    p50_us: float
    p99_us: float
    concurrency: int | None = None
    rate: float | None = None
    loop: str = "closed"
    rounds: int = 1
    calls: int | None = None
    failed: int = 0
    per_s_range: Range | None = None
    p50_us_range: Range | None = None
    p99_us_range: Range | None = None


class Decide(msgspec.Struct, frozen=True):
    """Times of one system on one point of the grid."""

    system: str
    agents: int
    features: int
    decide_us_p50: float
    decide_us_p99: float
    learn_us_p50: float
    steps: int | None = None


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


def load_in_short(rows: Sequence[Load]) -> str:
    told = []
    for callers, what, field in (
        (1, "median answer takes", "p50_us"),
        (32, "calls/s are", "per_s"),
    ):
        pair = {
            row.target: getattr(row, field)
            for row in rows
            if (row.concurrency, row.mode, row.loop) == (callers, "unary", "closed")
        }
        if pair.get(FLOOR) and OURS in pair:
            ratio = pair[OURS] / pair[FLOOR]
            told.append(
                f"with {counted(callers, 'caller')} its {what} {ratio:.2f} times the echo's"
            )
    return f"Over gRPC, against a bare echo server: {', '.join(told) or 'see below'}."


def load_section(rows: Sequence[Load], file: str) -> Html:
    """Load curves for each mode, then all figures."""
    drawn = []
    for mode in dict.fromkeys(row.mode for row in rows):
        closed = [r for r in rows if r.mode == mode and r.loop == "closed" and r.concurrency]
        opened = [r for r in rows if r.mode == mode and r.loop == "open" and r.rate]
        if closed:
            one, many = UNITS.get(mode, ("a call", "calls"))
            drawn.append(load_picture(closed, "p50_us", f"{mode}: how long {one} takes"))
            drawn.append(load_picture(closed, "per_s", f"{mode}: how many {many} a second"))
        if opened:
            drawn.append(load_picture(opened, "p99_us", f"{mode}, at a given rate: the slowest 1%"))
    lead = (
        "routerd's daemon beside a bare echo server on the same machine in the same run: what is "
        "above the echo is routerd's own. Medians over rounds."
    )
    return section(f"Load: {file}", element("p", lead), gallery(*drawn), load_table(rows))


UNITS = {
    "stream": ("a message", "messages"),
    "outcomes": ("an acknowledgement", "outcomes"),
    "batch": ("a batch", "decisions"),
}
LOAD_AXES = {
    "p50_us": "median time, µs",
    "p99_us": "99th percentile of the time, µs",
    "per_s": "a second",
}


def load_picture(rows: Sequence[Load], field: str, title: str) -> Html:
    """One figure over the concurrency or the rate, a line for each target."""
    at = sorted({point(row) for row in rows})
    marks, told = [], []
    for target in dict.fromkeys(row.target for row in rows):
        mine = sorted((r for r in rows if r.target == target), key=point)
        values = [getattr(row, field) for row in mine]
        ranges = [getattr(row, f"{field}_range") for row in mine]
        low, high = zip(*ranges, strict=True) if all(ranges) else ((), ())
        colour, dash = (BLUE, "") if target == OURS else (GREY, "7 4")
        x = [float(at.index(point(row))) for row in mine]
        marks.append(Line(target, x, values, low, high, colour, dash, dots=True))
        told.append(f"{target} from {whole(values[0])} to {whole(values[-1])}")
    log = field != "per_s" and min(v for mark in marks for v in (*mark.y, *mark.low)) > 0
    across = "calls offered per second" if rows[0].loop == "open" else "callers, or messages ahead"
    svg = lines(
        f"{LOAD_AXES[field].capitalize()}: {'; '.join(told)}.",
        Scale(across, whole, names=[f"{value:g}" for value in at]),
        Scale(LOAD_AXES[field], whole, log=log, zero=True),
        marks,
    )
    rounds = min(row.rounds for row in rows)
    caption = f"Medians of {counted(rounds, 'round')}; bands: least and largest round."
    return figure(title, caption + (" Log scale." if log else ""), svg)


def point(row: Load) -> float:
    return float(row.concurrency or row.rate or 0)


def load_table(rows: Sequence[Load]) -> Html:
    head = [
        "target",
        "mode",
        "loop",
        "callers or rate",
        "calls per s",
        "p50 µs",
        "p99 µs",
        "calls",
        "failed",
    ]
    told = []
    for row in sorted(rows, key=lambda r: (r.mode, r.loop, point(r), r.target)):
        rate = f"{row.rate:g}/s" if row.rate else whole(row.concurrency or 0)
        told.append(
            [
                row.target,
                row.mode,
                row.loop,
                rate,
                ranged(row.per_s, row.per_s_range),
                ranged(row.p50_us, row.p50_us_range),
                ranged(row.p99_us, row.p99_us_range),
                "" if row.calls is None else whole(row.calls),
                whole(row.failed),
            ]
        )
    return table(head, told, "Medians over rounds; beneath: least and largest round.")


def ranged(value: float, over: Range | None) -> Html:
    return two_lines(whole(value), f"{whole(over[0])} to {whole(over[1])}" if over else "")


def decide_in_short(rows: Sequence[Decide]) -> str:
    mine = [row for row in rows if row.system == OURS]
    if not mine:
        return f"In-process times of {counted(len({row.system for row in rows}), 'system')}."
    told = "; ".join(
        f"{whole(r.decide_us_p50)} µs with {r.agents} agents and {r.features} features"
        for r in mine
    )
    return f"In-process, a decision of routerd takes (median): {told}."


def decide_section(rows: Sequence[Decide], file: str) -> Html:
    head = [
        "system",
        "agents",
        "features",
        "decide p50 µs",
        "decide p99 µs",
        "learn p50 µs",
        "steps",
    ]
    told = [
        [
            row.system,
            whole(row.agents),
            whole(row.features),
            *(f"{v:,.1f}" for v in (row.decide_us_p50, row.decide_us_p99, row.learn_us_p50)),
            "" if row.steps is None else whole(row.steps),
        ]
        for row in sorted(rows, key=lambda r: (r.agents, r.features, r.decide_us_p50))
    ]
    mine = [i for i, row in enumerate(told) if row[0] == OURS]
    caption = "In-process times in µs, without log and wire, the fastest decision first."
    return section(f"Deciding and learning in-process: {file}", table(head, told, caption, mine))


def ope_in_short(rows: Sequence[Ope]) -> str:
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


def ope_section(rows: Sequence[Ope], file: str) -> Html:
    """Estimates with their intervals, and every refusal."""
    logged = rows[0].logged_value
    bars = [
        Bar(r.estimator, r.value, *r.ci95, f"{r.value:.3g} [{r.ci95[0]:.3g}, {r.ci95[1]:.3g}]")
        for r in rows
        if r.value is not None and r.ci95 is not None
    ]
    parts = []
    if bars:
        told = "; ".join(f"{bar.name}: {bar.note}" for bar in bars)
        svg = intervals(
            f"Estimated {rows[0].reward} per decision. {told}.",
            f"{rows[0].reward} per decision",
            bars,
            lambda value: f"{value:.3g}",
            None if logged is None else (logged, "as logged"),
        )
        kinds = {row.interval for row in rows if row.interval}
        how = {
            "anytime": "confidence sequences, valid however often one looks",
            "bootstrap": "bootstraps over rows",
        }
        caption = (
            "What the policy would have earned on the log's traffic. Blue: above what was logged; "
            "orange: below; grey: the interval includes it. The table compares both on the same "
            "rows, which can tell more. 95% intervals"
            + "".join(f" ({how[kind]})" for kind in sorted(kinds) if kind in how)
            + f". n = {'unknown' if rows[0].n is None else counted(rows[0].n, 'decision')}."
        )
        parts.append(figure("What the estimators say", caption, svg))
    left = ", ".join(f"{whole(n)} {why.replace('_', ' ')}" for why, n in rows[0].left_out.items())
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
    caption += f" Left out: {left}." if left else ""
    refused = [f"{row.estimator} refuses. {row.refused}" for row in rows if row.refused]
    title = f"{evaluation(rows)}: {file}"
    return section(title, *parts, table(head, cells, caption), bullets(refused))


def pair(ends: Range | None) -> str:
    return "" if ends is None else f"[{ends[0]:.4g}, {ends[1]:.4g}]"

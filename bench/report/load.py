"""What `routerd bench load` found, for the page of `routerd bench report`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.pages.axes import BLUE, GREY
from bench.pages.page import Html, element, figure, gallery, section, table, two_lines
from bench.pages.pictures import Line, Scale, lines
from bench.pages.wording import whole
from routerd.core.words import counted

FLOOR, OURS = "echo", "routerd"
UNITS = {
    "stream": ("a message", "messages"),
    "outcomes": ("an acknowledgement", "outcomes"),
    "batch": ("a batch", "decisions"),
}
AXES = {
    "p50_us": "median time, µs",
    "p99_us": "99th percentile of the time, µs",
    "per_s": "a second",
}

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


def in_short(rows: Sequence[Load]) -> str:
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


def section_of(rows: Sequence[Load], file: str) -> Html:
    """Load curves for each mode, then all figures."""
    drawn = []
    for mode in dict.fromkeys(row.mode for row in rows):
        closed = [r for r in rows if r.mode == mode and r.loop == "closed" and r.concurrency]
        opened = [r for r in rows if r.mode == mode and r.loop == "open" and r.rate]
        if closed:
            one, many = UNITS.get(mode, ("a call", "calls"))
            drawn.append(picture(closed, "p50_us", f"{mode}: how long {one} takes"))
            drawn.append(picture(closed, "per_s", f"{mode}: how many {many} a second"))
        if opened:
            drawn.append(picture(opened, "p99_us", f"{mode}, at a given rate: the slowest 1%"))
    lead = (
        "routerd's daemon beside a bare echo server on the same machine in the same run: what is "
        "above the echo is routerd's own. Medians over rounds."
    )
    return section(f"Load: {file}", element("p", lead), gallery(*drawn), figures(rows))


def picture(rows: Sequence[Load], field: str, title: str) -> Html:
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
        f"{AXES[field].capitalize()}: {'; '.join(told)}.",
        Scale(across, whole, names=[f"{value:g}" for value in at]),
        Scale(AXES[field], whole, log=log, zero=True),
        marks,
    )
    rounds = min(row.rounds for row in rows)
    caption = f"Medians of {counted(rounds, 'round')}; bands: least and largest round."
    return figure(title, caption + (" Log scale." if log else ""), svg)


def point(row: Load) -> float:
    return float(row.concurrency or row.rate or 0)


def figures(rows: Sequence[Load]) -> Html:
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

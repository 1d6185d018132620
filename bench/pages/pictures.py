"""Pictures of results as SVG: lines with bands, intervals, shares of a whole.

Each takes numbers and names and gives the text of an <svg>; nothing here computes a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.pages.axes import (
    BLACK,
    BLUE,
    GREY,
    GRID,
    LETTER,
    LINE,
    PALETTE,
    RED,
    SILVER,
    WIDTH,
    Axis,
    Box,
    Format,
    apart,
    by_ratio,
    evenly,
    frame,
    line,
    linear,
    path,
    picture,
    shortened,
    text,
    width_of,
)

HEIGHT = 300.0
TOP, FOOT, GAP = 36.0, 48.0, 10.0


class Line(NamedTuple):
    """A line through (x, y), with a band from low to high where it has one. dash: as in SVG."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    colour: str = BLUE
    dash: str = ""
    dots: bool = False


class Level(NamedTuple):
    """A reference: one value, drawn over the whole width."""

    name: str
    y: float
    colour: str = BLACK
    dash: str = "6 4"


class Bar(NamedTuple):
    """An estimate with its interval."""

    name: str
    mean: float
    low: float
    high: float
    note: str = ""


class Scale(NamedTuple):
    """How an axis is made: its title, how a tick is written, by ratios or not, with 0 or not.

    names: of the values 0, 1, 2 and so on, at equal distances.
    """

    title: str
    shown: Format
    log: bool = False
    names: Sequence[str] = ()
    zero: bool = False

    def axis(self, values: Sequence[float], start: float, end: float) -> Axis:
        if self.names:
            return evenly(self.title, self.names, start, end)
        if self.log:
            return by_ratio(self.title, values, start, end, self.shown)
        values = [*values, 0.0] if self.zero else values
        return linear(self.title, values, start, end, self.shown)


def lines(alt: str, x: Scale, y: Scale, drawn: Sequence[Line], levels: Sequence[Level] = ()) -> str:
    """Lines with bands, and levels to hold them against, each named at its right end."""
    marks: list[Line | Level] = [*drawn, *levels]
    names = [shortened(mark.name, 18) for mark in marks]
    values = [v for mark in drawn for v in (*mark.y, *mark.low, *mark.high)]
    values += [level.y for level in levels]
    vertical = y.axis(values, HEIGHT - FOOT, TOP)
    bold = [True] * len(drawn) + [False] * len(levels)
    box = plot(vertical, 24 + max(map(width_of, names, bold)))
    places = [v for mark in drawn for v in mark.x]
    across = x.axis(places, box.left, box.right)
    if not x.log and not x.names:
        across = across._replace(low=0.0, high=max(places))
    parts = frame(across, vertical, box)
    for level in levels:
        at = vertical.at(level.y)
        parts.append(stroke([(box.left, at), (box.right, at)], level.colour, level.dash, 1.8))
    for mark in drawn:
        parts += curve(mark, across, vertical)
    ends = [vertical.at(mark.y[-1]) for mark in drawn] + [vertical.at(v.y) for v in levels]
    starts = [across.at(mark.x[-1]) for mark in drawn] + [box.right] * len(levels)
    colours = [mark.colour for mark in marks]
    parts += named(names, starts, ends, colours, box, bold)
    return picture(HEIGHT, alt, parts)


def plot(vertical: Axis, labels: float) -> Box:
    """The plot that leaves room for the ticks' names and for the labels on its right."""
    ticks = max((width_of(name) for _, name in vertical.ticks), default=0.0)
    return Box(ticks + GAP, TOP, WIDTH - labels, HEIGHT - FOOT)


def curve(mark: Line, x: Axis, y: Axis) -> list[str]:
    """A line over its band."""
    points = [(x.at(a), y.at(b)) for a, b in zip(mark.x, mark.y, strict=True)]
    parts = []
    if mark.low:
        up = [(x.at(a), y.at(b)) for a, b in zip(mark.x, mark.high, strict=True)]
        down = [(x.at(a), y.at(b)) for a, b in zip(mark.x, mark.low, strict=True)]
        parts.append(f'<path d="{path(up + down[::-1])}Z" fill="{mark.colour}" opacity=".18"/>')
    parts.append(stroke(points, mark.colour, mark.dash, 2.4))
    if mark.dots:
        parts += [
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{mark.colour}"/>' for a, b in points
        ]
    return parts


def stroke(points: Sequence[tuple[float, float]], colour: str, dash: str, width: float) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="{path(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}"'
        f'{dashes} stroke-linejoin="round"/>'
    )


def named(
    names: Sequence[str],
    starts: Sequence[float],
    ends: Sequence[float],
    colours: Sequence[str],
    box: Box,
    bold: Sequence[bool],
) -> list[str]:
    """Names on the right of the plot, each led to its mark, none over another."""
    parts = []
    places = apart(ends, LINE, box.top, box.bottom)
    for name, start, end, place, colour, strong in zip(
        names, starts, ends, places, colours, bold, strict=True
    ):
        parts.append(stroke([(start, end), (box.right + 16, place)], colour, "", 1.4))
        parts.append(text(box.right + 20, place, name, bold=strong))
    return parts


def intervals(
    alt: str, title: str, bars: Sequence[Bar], shown: Format, mark: tuple[float, str] | None = None
) -> str:
    """Estimates with their intervals below each other, held against a marked value."""
    top, row = 50.0, 48.0
    values = [v for bar in bars for v in (bar.mean, bar.low, bar.high)]
    box = Box(8, top, WIDTH - 8, top + row * len(bars))
    x = linear(title, [*values, mark[0]] if mark else values, box.left, box.right, shown)
    parts = [text(2, 10, title, fill=GREY)]
    parts += [line(x.at(v), top - 8, x.at(v), box.bottom, GRID) for v, _ in x.ticks]
    parts += [text(x.at(v), box.bottom + 12, name, "middle", GREY) for v, name in inside(x)]
    if mark:
        at, half = x.at(mark[0]), width_of(mark[1]) / 2
        parts.append(line(at, top - 8, at, box.bottom, BLACK, 1.6))
        parts.append(text(min(max(at, half), WIDTH - half), top - 19, mark[1], "middle"))
    for number, bar in enumerate(bars):
        parts += interval(bar, x, top + row * number, shown, mark)
    return picture(box.bottom + 26, alt, parts)


def inside(x: Axis) -> list[tuple[float, str]]:
    """The ticks whose names do not reach over the picture's edge."""
    return [
        (v, name)
        for v, name in x.ticks
        if width_of(name) / 2 < x.at(v) < WIDTH - width_of(name) / 2
    ]


def interval(
    bar: Bar, x: Axis, y: float, shown: Format, mark: tuple[float, str] | None
) -> list[str]:
    """One row: its name and its numbers above, its mark below."""
    colour = BLUE
    if mark:
        colour = BLUE if bar.low > mark[0] else RED if bar.high < mark[0] else GREY
    told = bar.note or f"{shown(bar.mean)} [{shown(bar.low)}, {shown(bar.high)}]"
    letters = int((WIDTH - 16 - width_of(told)) / LETTER / 1.1)
    middle = y + 31
    ends = [line(x.at(v), middle - 6, x.at(v), middle + 6, colour, 2) for v in (bar.low, bar.high)]
    return [
        text(2, y + 9, shortened(bar.name, letters), bold=True),
        text(WIDTH - 2, y + 9, told, "end"),
        line(x.at(bar.low), middle, x.at(bar.high), middle, colour, 3),
        *ends,
        f'<circle cx="{x.at(bar.mean):.1f}" cy="{middle:.1f}" r="5.5" fill="{colour}"/>',
    ]


def shares(
    alt: str,
    x: Scale,
    steps: Sequence[float],
    parts_of: Sequence[tuple[str, Sequence[float]]],
    rest: tuple[str, Sequence[float]] | None = None,
) -> str:
    """Shares of a whole over steps as stacked areas, the first at the bottom, named on the right.

    steps: the edges of the bins, one more than each share has values. At most six parts have a
    colour each; the rest is grey.
    """
    y = Axis("share of the tasks", 0.0, 1.0, HEIGHT - FOOT, TOP, _percents())
    whole = [*parts_of[: len(PALETTE)], *([rest] if rest else [])]
    names = [f"{shortened(name, 16)} {_percent(share[-1])}" for name, share in whole]
    box = plot(y, 24 + max(map(width_of, names)))
    across = x.axis(list(steps), box.left, box.right)._replace(low=min(steps), high=max(steps))
    floor = [0.0] * (len(steps) - 1)
    drawn, ends = [], []
    colours = [*PALETTE[: len(parts_of)], *([SILVER] if rest else [])]
    for (_, share), colour in zip(whole, colours, strict=True):
        roof = [min(a + b, 1.0) for a, b in zip(floor, share, strict=True)]
        area = stairs(steps, roof, across, y) + stairs(steps, floor, across, y)[::-1]
        drawn.append(f'<path d="{path(area)}Z" fill="{colour}" stroke="#fff" stroke-width=".8"/>')
        ends.append(y.at((floor[-1] + roof[-1]) / 2))
        floor = roof
    labels = named(names, [box.right] * len(names), ends, colours, box, [False] * len(names))
    return picture(HEIGHT, alt, [*frame(across, y, box), *drawn, *labels])


def stairs(
    edges: Sequence[float], heights: Sequence[float], x: Axis, y: Axis
) -> list[tuple[float, float]]:
    """The outline of a bin after the other."""
    pairs = zip(edges[:-1], edges[1:], heights, strict=True)
    return [(x.at(edge), y.at(h)) for left, right, h in pairs for edge in (left, right)]


def _percents() -> tuple[tuple[float, str], ...]:
    return tuple((share, _percent(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0))


def _percent(share: float) -> str:
    return f"{share:.0%}"

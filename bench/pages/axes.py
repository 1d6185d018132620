"""Axes and marks of small SVG pictures: scales, ticks, labels that do not collide.

Pictures are drawn 400 units wide: about the width of a phone, so that text of 14 units stays
readable there, and on a desk two stand side by side. All text that comes in is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

WIDTH = 400.0
TEXT, GREY, GRID = "#1a1a1a", "#4d4d4d", "#dedede"
SIZE = 14.0
LETTER = 0.61 * SIZE  # mean width of a letter in the widest of the usual fonts ...
WIDE = frozenset("mwMW%@")  # ... but for these, which are as wide as they are high
LINE = 17.0  # from one line of text to the next

# Okabe and Ito's colours, which remain apart for colour-blind readers. Never alone: lines differ in
# their dashes too, and every mark has its name beside it.
BLUE, RED, GREEN, PINK = "#0072B2", "#D55E00", "#007A5A", "#B0578D"
ORANGE, SKY, BLACK, SILVER = "#E69F00", "#56B4E9", "#333333", "#9a9a9a"
PALETTE = (BLUE, RED, GREEN, ORANGE, PINK, SKY)

Format = Callable[[float], str]


class Box(NamedTuple):
    """The plot inside a picture, in its units; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


class Axis(NamedTuple):
    """A scale from values to units of the picture, with its ticks. log: by ratios."""

    title: str
    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands.

        >>> Axis("", 0.0, 10.0, 50.0, 150.0, ()).at(2.5)
        75.0
        """
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def linear(
    title: str, values: Sequence[float], start: float, end: float, shown: Format, count: int = 5
) -> Axis:
    """An axis over all finite values, with a little room at both ends, and round ticks."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - room if low < 0 or low > room else 0.0, high + room
    ticks = tuple((tick, shown(tick)) for tick in round_ticks(low, high, count))
    return Axis(title, low, high, start, end, ticks)


def by_ratio(title: str, values: Sequence[float], start: float, end: float, shown: Format) -> Axis:
    """A logarithmic axis over positive values, with ticks at 1, 2 and 5 times powers of ten."""
    low, high = min(values) / 1.15, max(values) * 1.15
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = ratio_ticks(low, high, steps)
        if len(ticks) <= 6:
            break
    return Axis(title, low, high, start, end, tuple((tick, shown(tick)) for tick in ticks), True)


def evenly(title: str, names: Sequence[str], start: float, end: float) -> Axis:
    """An axis of names at equal distances: the values are 0, 1, 2 and so on."""
    ticks = tuple((float(at), name) for at, name in enumerate(names))
    return Axis(title, -0.35, len(names) - 0.65, start, end, ticks)


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers between two.

    >>> round_ticks(0.03, 0.98, 5)
    [0.2, 0.4, 0.6, 0.8]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough * 0.999) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def ratio_ticks(low: float, high: float, steps: Sequence[int]) -> list[float]:
    """The powers of ten between two positive numbers, times each of the steps."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, near the wanted ones, in their order, between low and high.

    >>> apart([10.0, 12.0, 90.0], 10.0, 0.0, 100.0)
    [6.0, 16.0, 90.0]
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[tuple[float, int]] = []  # (centre, members); neighbours that touch are merged
    for index in order:
        centre, members = min(max(wanted[index], low), high), 1
        while groups and centre - gap * (members - 1) / 2 < _end(groups[-1], gap):
            before, others = groups.pop()
            centre = (before * others + centre * members) / (others + members)
            members += others
            half = gap * (members - 1) / 2
            centre = max(min(centre, high - half), low + half)
        groups.append((centre, members))
    places = [
        centre + gap * (member - (members - 1) / 2)
        for centre, members in groups
        for member in range(members)
    ]
    placed = dict(zip(order, places, strict=True))
    return [placed[index] for index in range(len(wanted))]


def _end(group: tuple[float, int], gap: float) -> float:
    return group[0] + gap * (group[1] - 1) / 2 + gap


def shortened(name: str, letters: int = 20) -> str:
    """A name of at most so many letters, cut in its middle: the ends tell versions apart.

    >>> shortened("llama-3.3-nemotron-super-49b-v1")
    'llama-3.3-…er-49b-v1'
    """
    if len(name) <= letters:
        return name
    kept = letters - 1
    return f"{name[: kept - kept // 2]}…{name[-(kept // 2) :]}"


def width_of(words: str, bold: bool = False) -> float:
    """About how wide a text is."""
    wide = sum(letter in WIDE for letter in words)
    return (LETTER * (len(words) - wide) + SIZE * wide) * (1.1 if bold else 1.0)


def text(
    x: float, y: float, words: str, anchor: str = "start", fill: str = TEXT, bold: bool = False
) -> str:
    """A line of text whose middle stands at y; a white rim keeps it off what it crosses."""
    weight = ' font-weight="600"' if bold else ""
    at = f'x="{x:.1f}" y="{y + 0.35 * SIZE:.1f}" text-anchor="{anchor}"'
    rim = 'stroke="#fff" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    return f'<text {at} fill="{fill}" {rim}{weight}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1.0) -> str:
    at = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {at} stroke="{stroke}" stroke-width="{width:g}"/>'


def path(points: Sequence[tuple[float, float]]) -> str:
    """The d of a path through points."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def frame(x: Axis, y: Axis, box: Box) -> list[str]:
    """Grid, ticks and titles. The title of y stands above the plot, where it can be read."""
    parts = [text(2, box.top - 18, y.title, fill=GREY)]
    for value, name in y.ticks:
        at = y.at(value)
        parts.append(line(box.left, at, box.right, at, GRID))
        parts.append(text(box.left - 6, at, name, "end", GREY))
    parts.append(line(box.left, box.bottom, box.right, box.bottom, GREY))
    for value, name in uncrowded(x):
        at = x.at(value)
        parts.append(line(at, box.bottom, at, box.bottom + 4, GREY))
        parts.append(text(at, box.bottom + 15, name, "middle", GREY))
    half = width_of(x.title) / 2
    middle = min(max((box.left + box.right) / 2, half), WIDTH - half)
    parts.append(text(middle, box.bottom + 35, x.title, "middle", GREY))
    return parts


def uncrowded(x: Axis) -> Sequence[tuple[float, str]]:
    """Every tick of x, or every second or third and so on, as their names have room."""
    for step in range(1, len(x.ticks) + 1):
        shown = x.ticks[::-1][::step][::-1]
        ends = [(x.at(value), width_of(name) / 2 + 2) for value, name in shown]
        if all(a + half <= b - other for (a, half), (b, other) in pairwise(ends)):
            return shown
    return ()


def picture(height: float, alt: str, parts: Sequence[str]) -> str:
    """The SVG of a picture; `alt` tells what it shows to those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(alt)}" '
        f'font-size="{SIZE:g}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )

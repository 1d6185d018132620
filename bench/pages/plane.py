"""A picture of points on a plane, such as cost and quality, each named where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.pages.axes import (
    BLACK,
    BLUE,
    GREY,
    RED,
    TEXT,
    WIDTH,
    Axis,
    Box,
    frame,
    line,
    picture,
    shortened,
    text,
    width_of,
)
from bench.pages.pictures import FOOT, GAP, TOP, Scale, stroke
from bench.pages.wording import figures, plain_usd

HEIGHT = 380.0


class Spot(NamedTuple):
    """A point on the plane, with the intervals of both its coordinates where it has them."""

    name: str
    x: float
    y: float
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


class Trail(NamedTuple):
    """Points on the plane that belong together.

    joined: by a line. mark: circle, square, cross or none. bold: their names in their colour.
    """

    name: str
    spots: Sequence[Spot]
    colour: str = BLUE
    mark: str = "circle"
    joined: bool = False
    dash: str = ""
    bold: bool = False


def plane(alt: str, x: Scale, y: Scale, trails: Sequence[Trail]) -> str:
    """Trails of points on a plane, the last on top. Points are named where there is room, those of
    the last trail first."""
    spots = [spot for trail in trails for spot in trail.spots]
    vertical = y.axis([v for s in spots for v in (s.y, *(s.y_range or ()))], HEIGHT - FOOT, TOP)
    ticks = max((width_of(name) for _, name in vertical.ticks), default=0.0)
    box = Box(ticks + GAP, TOP, WIDTH - 8, HEIGHT - FOOT)
    across = x.axis([v for s in spots for v in (s.x, *(s.x_range or ()))], box.left, box.right)
    parts = frame(across, vertical, box)
    taken: list[Box] = []
    for trail in trails:
        points = [(across.at(s.x), vertical.at(s.y)) for s in trail.spots]
        if trail.joined and len(points) > 1:
            parts.append(stroke(points, trail.colour, trail.dash, 1.8))
        for spot, (a, b) in zip(trail.spots, points, strict=True):
            parts += whiskers(spot, a, b, across, vertical, trail.colour)
            if trail.mark:
                parts.append(marked(trail.mark, a, b, trail.colour))
            taken.append(Box(a - 5, b - 5, a + 5, b + 5))
    for trail in reversed(trails):
        for spot in trail.spots:
            if spot.name:
                at = across.at(spot.x), vertical.at(spot.y)
                colour = trail.colour if trail.bold else TEXT
                parts += beside(spot, *at, box, taken, colour, trail.bold)
    return picture(HEIGHT + 8, alt, parts)


def frontier(
    told: str,
    agents: Sequence[Spot],
    hull: Sequence[Spot],
    routerd: Sequence[Spot],
    others: Sequence[Spot] = (),
) -> str:
    """Mean cost per 1,000 tasks and mean quality of each, on a log scale where no cost reaches 0.

    hull: the corners of what mixtures of agents can do. told: routerd's points, in words.
    """
    spots = (*agents, *others, *routerd)
    log = min(cost for s in spots for cost in (s.x, *(s.x_range or ()))) > 0
    return plane(
        f"Mean cost per 1,000 tasks and mean quality. {told}.",
        Scale("USD per 1,000 tasks" + (" (log scale)" if log else ""), plain_usd, log),
        Scale("quality per task", figures),
        [
            Trail("static mixtures", hull, BLACK, "", True, "6 4"),
            Trail("agents", agents, GREY, "cross"),
            Trail("others", others, RED, "square"),
            Trail("routerd", routerd, joined=True, bold=True),
        ],
    )


def whiskers(spot: Spot, a: float, b: float, x: Axis, y: Axis, colour: str) -> list[str]:
    """The intervals of a point."""
    parts = []
    if spot.x_range:
        parts.append(line(x.at(spot.x_range[0]), b, x.at(spot.x_range[1]), b, colour, 1.4))
    if spot.y_range:
        parts.append(line(a, y.at(spot.y_range[0]), a, y.at(spot.y_range[1]), colour, 1.4))
    return parts


def marked(mark: str, a: float, b: float, colour: str) -> str:
    """A mark of its own shape, so that the colour is not needed."""
    if mark == "square":
        return f'<rect x="{a - 4.5:.1f}" y="{b - 4.5:.1f}" width="9" height="9" fill="{colour}"/>'
    if mark == "cross":
        d = f"M{a - 4.5:.1f},{b - 4.5:.1f}l9,9m0,-9l-9,9"
        return f'<path d="{d}" stroke="{colour}" stroke-width="2.4" fill="none"/>'
    return f'<circle cx="{a:.1f}" cy="{b:.1f}" r="5" fill="{colour}"/>'


# Where a name may stand around its point: from the point, and which part of the name is there.
AROUND = (
    (9, 0, 0.0), (-9, 0, 1.0), (0, -16, 0.5), (0, 16, 0.5),
    (7, -14, 0.0), (7, 14, 0.0), (-7, -14, 1.0), (-7, 14, 1.0),
)  # fmt: skip


def beside(
    spot: Spot, a: float, b: float, box: Box, taken: list[Box], colour: str, bold: bool
) -> list[str]:
    """The name of a point at the first place around it that is free.

    Where none is, a bold name stands above its point all the same, and another is left out.
    """
    name = shortened(spot.name, 22)
    wide = width_of(name, bold)
    # A name in bold is of a point on a line, which runs to its sides.
    places = (*AROUND[2:], *AROUND[:2]) if bold else AROUND
    for dx, dy, part in places:
        left = a + dx - wide * part
        place = Box(left, b + dy - 7, left + wide, b + dy + 7)
        inside = box.left < left and place.right < WIDTH and box.top - 8 < place.top
        if inside and place.bottom < box.bottom and all(apart_from(place, o) for o in taken):
            taken.append(place)
            return [text(left, b + dy, name, fill=colour, bold=bold)]
    return [text(a, b - 16, name, "middle", colour, True)] if bold else []


def apart_from(one: Box, other: Box) -> bool:
    """Whether two boxes do not touch."""
    return (
        one.right <= other.left
        or other.right <= one.left
        or one.bottom <= other.top
        or other.bottom <= one.top
    )

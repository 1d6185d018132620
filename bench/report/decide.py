"""What `routerd bench decide` found, for the page of `routerd bench report`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.pages.page import Html, section, table
from bench.pages.wording import whole
from routerd.core.words import counted

OURS = "routerd"


class Decide(msgspec.Struct, frozen=True):
    """Times of one system on one point of the grid."""

    system: str
    agents: int
    features: int
    decide_us_p50: float
    decide_us_p99: float
    learn_us_p50: float
    steps: int | None = None


def in_short(rows: Sequence[Decide]) -> str:
    mine = [row for row in rows if row.system == OURS]
    if not mine:
        return f"In-process times of {counted(len({row.system for row in rows}), 'system')}."
    told = "; ".join(
        f"{whole(r.decide_us_p50)} µs with {r.agents} agents and {r.features} features"
        for r in mine
    )
    return f"In-process, a decision of routerd takes (median): {told}."


def section_of(rows: Sequence[Decide], file: str) -> Html:
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

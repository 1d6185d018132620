"""`routerd bench cascade`: whether calling in a second agent pays on recorded, reviewed tasks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from routerd.cli.output import Exit, Failed, console
from routerd.cli.paths import FileToWrite, PathTo
from routerd.cli.ranges import WEIGHT, Finite
from routerd.cli.tables import table

TAUS = "0.6,0.8,0.9,0.95"
WEIGHTS = "100,200,400"


def numbers(
    each: Finite, context: click.Context, option: click.Parameter, told: str
) -> tuple[float, ...]:
    """The callback of an option that takes several numbers, with commas between them."""
    return tuple(each.convert(part.strip(), option, context) for part in told.split(","))


TAU = partial(numbers, Finite(0, 1))
COST_WEIGHT = partial(numbers, WEIGHT)


@click.command()
@click.argument("file", type=PathTo(dir_okay=False))
@click.option("--confidence", required=True, help="The column of the reviewer's confidence.")
@click.option("--tau", "taus", default=TAUS, show_default=True, callback=TAU)
@click.option(
    "--cost-weight", "weights", default=WEIGHTS, show_default=True, callback=COST_WEIGHT,
    help="Quality that a USD is worth; each is played with every tau, and without a cascade.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(2), default=20, show_default=True)
@click.option("--out", type=FileToWrite(), required=True)
@click.option("--picture", type=FileToWrite(), help="An SVG.")
def cascade(
    file: Path,
    confidence: str,
    taus: tuple[float, ...],
    weights: tuple[float, ...],
    seeds: int,
    out: Path,
    picture: Path | None,
) -> None:
    """Hold cascades against mixtures of agents at the same cost."""
    import msgspec
    from rich.progress import Progress

    from bench.data.recorded import DataError
    from bench.studies.cascade import frontier, judged, measure

    try:
        data = judged(file, confidence)
    except DataError as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    screen, points = console(stderr=True), []
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("playing", total=len(weights) * (len(taus) + 1) * seeds)
        for weight in weights:
            for tau in (None, *taus):
                points.append(measure(data, weight, tau, seeds, lambda: progress.advance(bar)))
    out.write_bytes(msgspec.json.format(msgspec.json.encode([p._asdict() for p in points])))
    if picture is not None:
        picture.write_text(frontier(data, [p for p in points if p.tau is not None]))
    head = ("per USD", "tau", "quality", "cost usd", "gain", "95% over seeds", "second agent")
    rows = [
        (
            f"{p.cost_weight:g}",
            "none" if p.tau is None else f"{p.tau:g}",
            f"{p.quality:.4f}",
            f"{p.cost_usd:.6f}",
            f"{p.gain:+.4f}",
            f"[{p.ci95[0]:+.4f}, {p.ci95[1]:+.4f}]",
            f"{p.second:.0%}",
        )
        for p in points
    ]
    console().print(table(head, rows))

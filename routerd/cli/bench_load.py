"""`routerd bench load`: routerd over gRPC beside a bare echo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.output import Failed, console
from routerd.cli.paths import FileToWrite
from routerd.cli.ranges import SECONDS
from routerd.cli.tables import table

if TYPE_CHECKING:
    from bench.speed.callers import Point
    from bench.speed.load import Measured, Ratio


@click.command()
@click.option(
    "--out",
    type=FileToWrite(),
    required=True,
    help="Write the rows as JSON. The daemon's log stands beside it for the while.",
)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option(
    "--seconds",
    type=SECONDS,
    default=1.0,
    show_default=True,
    help="Of one round, at one point, of one server.",
)
@click.option(
    "--mode",
    "modes",
    type=click.Choice(("unary", "stream", "outcomes", "batch")),
    multiple=True,
    help="Only this one; may be given several times.",
)
def load(out: Path, rounds: int, seconds: float, modes: tuple[str, ...]) -> None:
    """Measure the daemon over gRPC beside a bare echo. At several concurrencies and rates."""
    import msgspec
    from rich.progress import Progress

    from bench.speed.load import points, run
    from routerd.child import NotServing

    screen = console(stderr=True)
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("measuring", total=2 * rounds * len(points(modes)))
        try:
            measured = run(
                out.absolute().parent, rounds, seconds, lambda: progress.advance(bar), modes
            )
        except NotServing as error:
            raise Failed(str(error)) from None
    out.write_bytes(msgspec.json.format(msgspec.json.encode(measured.rows)))
    show(measured)


def show(measured: Measured) -> None:
    """Both servers at every point, then routerd over the echo: median and range over rounds."""
    told = console()
    rows = []
    for r in measured.rows:
        numbers = (r.per_s, r.p50_us, r.p99_us, r.failed)
        where = f"{r.concurrency} at once" if r.concurrency else f"{r.rate:g} calls/s"
        rows.append([r.mode, r.loop, where, r.target, *(f"{n:.0f}" for n in numbers)])
    head = ["mode", "loop", "at", "target", "per s", "p50 us", "p99 us", "failed"]
    told.print(table(head, rows, left=4))
    head = ["routerd / echo", "loop", "at", "per s", "range", "p50", "range", "p99", "range"]
    told.print(table(head, [ratio_row(*item) for item in measured.ratios.items()], left=3))


def ratio_row(point: Point, ratios: dict[str, Ratio]) -> list[str]:
    cells = [point.mode, point.loop, f"{point.concurrency or point.rate:g}"]
    for ratio in ratios.values():
        cells += [f"{ratio.median:.2f}", f"{ratio.least:.2f}-{ratio.largest:.2f}"]
    return cells

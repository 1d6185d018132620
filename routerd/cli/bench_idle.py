"""`routerd bench idle`: what thousands of idle connections cost the others."""

from __future__ import annotations

from pathlib import Path

import click

from routerd.cli.output import Failed, console
from routerd.cli.paths import FileToWrite
from routerd.cli.ranges import RATE, SECONDS
from routerd.cli.tables import table


@click.command()
@click.option(
    "--out",
    type=FileToWrite(),
    required=True,
    help="Write the rows as JSON. The daemons' logs stand beside it for the while.",
)
@click.option("--connections", type=click.IntRange(1), default=5_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--seconds", type=SECONDS, default=3.0, show_default=True)
@click.option("--rate", type=RATE, default=100.0, show_default=True, help="Calls/s.")
def idle(out: Path, connections: int, rounds: int, seconds: float, rate: float) -> None:
    """Measure calls beside idle connections, and without. Some of their clients never read."""
    import msgspec
    from rich.progress import Progress

    from bench.speed.idle import Row, run
    from routerd.child import NotServing

    screen = console(stderr=True)
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("measuring", total=2 * rounds)
        try:
            measured = run(
                out.absolute().parent,
                connections,
                rounds,
                seconds,
                rate,
                lambda: progress.advance(bar),
            )
        except (NotServing, ValueError) as error:
            raise Failed(str(error)) from None
    out.write_bytes(msgspec.json.format(msgspec.json.encode(measured.rows)))
    told, columns = console(), Row.__struct_fields__
    told.print(table(columns, [[str(getattr(row, c)) for c in columns] for row in measured.rows]))
    for name, ratio in (("p50", measured.p50), ("p99", measured.p99)):
        told.print(
            f"crowded / alone, {name}: {ratio.median:.2f} ({ratio.least:.2f}-{ratio.largest:.2f})"
        )

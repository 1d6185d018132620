"""`routerd bench load`: routerd over gRPC beside a bare echo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.output import Failed, console, table

if TYPE_CHECKING:
    from bench.load import Ratio

# At these points the daemon is held to a bar: (loop, concurrency) -> what is compared with what.
BAR_P50, BAR_PER_S = 1.5, 0.6


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write the rows as JSON. The log is kept beside it while the measurement runs.",
)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Of a round."
)
def load(out: Path, rounds: int, seconds: float) -> None:
    """Measure the daemon over gRPC beside a bare echo, at several concurrencies and rates."""
    import msgspec
    from rich.progress import Progress

    from bench.load import points, run
    from bench.targets import NotServing

    screen = console(stderr=True)
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("measuring", total=2 * rounds * len(points()))
        try:
            measured = run(out.absolute().parent, rounds, seconds, lambda: progress.advance(bar))
        except NotServing as error:
            raise Failed(str(error)) from None
    out.write_bytes(msgspec.json.format(msgspec.json.encode(measured.rows)))
    told = console()
    columns = ("loop", "callers", "rate/s", "target", "calls/s", "p50 us", "p99 us", "failed")
    told.print(
        table(
            columns,
            [
                [
                    r.loop,
                    str(r.concurrency or ""),
                    f"{r.rate or ''}",
                    r.target,
                    f"{r.per_s:.0f}",
                    f"{r.p50_us:.0f}",
                    f"{r.p99_us:.0f}",
                    str(r.failed),
                ]
                for r in measured.rows
            ],
        )
    )
    told.print(table(("loop", "at", "calls/s", "least-most", "p50", "least-most", "p99"), [of(r) for r in measured.ratios]))
    for why in measured.skipped:
        told.print(f"skipped {why}")


def of(ratio: Ratio) -> list[str]:
    return [
        ratio.point.loop,
        str(ratio.point.concurrency or ratio.point.rate),
        f"{ratio.per_s:.2f}",
        "{:.2f}-{:.2f}".format(*ratio.per_s_range),
        f"{ratio.p50:.2f}",
        "{:.2f}-{:.2f}".format(*ratio.p50_range),
        f"{ratio.p99:.2f}",
    ]

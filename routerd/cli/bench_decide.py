"""`routerd bench decide`: how long one decision and one observation take."""

from __future__ import annotations

from pathlib import Path

import click

from routerd.cli.output import console
from routerd.cli.paths import FileToWrite
from routerd.cli.tables import table


@click.command()
@click.option("--out", type=FileToWrite(), help="Write the rows as JSON.")
def decide(out: Path | None) -> None:
    """Time decide and learn in-process. On a grid of (agents, features)."""
    import msgspec

    from bench.speed.decide import DecideTimes, run

    rows = run()
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    columns = DecideTimes.__struct_fields__
    console().print(table(columns, [[str(getattr(row, c)) for c in columns] for row in rows]))

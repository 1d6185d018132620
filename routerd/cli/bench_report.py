"""`routerd bench report`: results as one page for people."""

from __future__ import annotations

from pathlib import Path

import click

from routerd import __version__
from routerd.cli.output import Exit, Failed
from routerd.cli.paths import FileToWrite, PathTo


@click.command()
@click.argument("files", metavar="RESULTS.json...", nargs=-1, required=True, type=PathTo())
@click.option(
    "--out",
    type=FileToWrite(),
    required=True,
    help="The page.",
    metavar="PAGE.html",
)
def report(files: tuple[Path, ...], out: Path) -> None:
    """Draw results as one HTML page that stands alone.

    Those of replay, load, decide and ope. Curves are read from the file that replay wrote beside
    its results. Replays that differ in the delay or the cost weight alone are also drawn together.
    """
    from bench.data.recorded import DataError
    from bench.report.page import report as made

    try:
        out.write_text(made(files, __version__), encoding="utf-8")
    except DataError as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except OSError as error:
        raise Failed(
            f"cannot write {out}: {error.strerror or error}", exit_code=Exit.USAGE
        ) from None
    click.echo(f"The page: {out}")

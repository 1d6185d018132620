"""`routerd prove`: would routing have paid on these tasks? One page, or why it cannot be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from routerd import __version__
from routerd.cli.lists import listed, mapping
from routerd.cli.output import Exit, Failed, console, json_option, say_json
from routerd.cli.paths import FileToWrite, PathTo
from routerd.cli.ranges import WEIGHT

if TYPE_CHECKING:
    from bench.prove.findings import Proof

PAGE = "prove.html"


class Recording(NamedTuple):
    """A file, those of its agents that are wanted, if not all, and what its columns are called."""

    file: Path
    agents: list[str] | None
    columns: dict[str, str]


@click.command()
@click.argument("file", type=PathTo())
@click.option("--agents", metavar="A,B", help="Only these of the recorded agents.")
@click.option(
    "--columns",
    metavar="ROLE=COLUMN,...",
    help="What your columns are called, as in agent_id=model; cost_usd= leaves one out.",
)
@click.option(
    "--cost-weight",
    type=WEIGHT,
    default=0.0,
    show_default=True,
    help="What a dollar is worth in quality: utility = quality - L x cost_usd.",
    metavar="L",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    help="Orders in which the tasks come.  [default: 20, fewer for much data]",
    metavar="N",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Processes.  [default: one a core]", metavar="N"
)
@click.option(
    "--out",
    type=FileToWrite(),
    help=f"The page.  [default: {PAGE}; none with --json]",
    metavar="PAGE.html",
)
@json_option
def prove(
    file: Path,
    agents: str | None,
    columns: str | None,
    cost_weight: float,
    seeds: int | None,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Tell whether routing would have paid on the tasks in FILE.

    FILE is CSV, JSON Lines or Parquet with a row per task and agent: task_id, agent_id, quality
    from 0 to 1 (or true and false); if you have them, work_type (or domain) and cost_usd. Needs no
    daemon and no configuration.
    """
    import msgspec

    from bench.prove.page import proof_page
    from bench.prove.verdict import verdict

    out = out or (None if as_json else Path(PAGE))
    what = Recording(file, listed(agents), mapping(columns))
    proof = proved(what, cost_weight, seeds, jobs or cores())
    if out is not None:
        try:
            out.write_text(proof_page(proof, __version__), encoding="utf-8")
        except OSError as error:
            raise Failed(f"cannot write {out}: {error.strerror}") from None
    found = verdict(proof)
    if as_json:
        say_json({"verdict": found._asdict(), **msgspec.to_builtins(proof)})
        return
    for line in (f"{found.answer}.", *found.sentences):
        click.echo(line)
    click.echo(f"The page: {out}")


def cores() -> int:
    """The cores that this process may use, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def proved(what: Recording, cost_weight: float, seeds: int | None, jobs: int) -> Proof:
    """The findings, with a progress bar on a terminal; exit code 2 where the file is wrong."""
    from rich.progress import Progress

    from bench.data.datasets import load
    from bench.data.recorded import DataError
    from bench.prove.proof import prove as find

    screen = console(stderr=True)
    with Progress(console=screen, disable=not screen.is_terminal, transient=True) as progress:
        bar = progress.add_task("reading", total=None)

        def told(done: int, of: int) -> None:
            progress.update(bar, description="replaying", completed=done, total=of)

        try:
            data = load(*what)
            return find(data, cost_weight, seeds, jobs, told)
        except DataError as error:
            raise Failed(str(error), exit_code=Exit.USAGE) from None

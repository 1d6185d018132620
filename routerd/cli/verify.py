"""`routerd verify`: every decision of a log, derived again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.output import Exit, Failed, json_option, say_json, shown
from routerd.cli.paths import DataDirectory
from routerd.core.words import counted

if TYPE_CHECKING:
    from routerd.engine.verify import Verified

SHOWN = 20


@click.command()
@click.argument("directory", metavar="DIR", type=DataDirectory())
@json_option
def verify(directory: Path, as_json: bool) -> None:
    """Derive every decision of a log again. Exit code 1 if one of those in DIR differs."""
    found = verified(directory)
    if as_json:
        say_json(in_json(found))
    else:
        click.echo(in_words(found))
        for wrong in found.mismatches[:SHOWN]:
            click.echo(shown(f"  {wrong.partition} position {wrong.position}: {wrong.what}"))
        if len(found.mismatches) > SHOWN:
            click.echo(f"  and {len(found.mismatches) - SHOWN} more; --json lists them")
    if found.mismatches:
        raise SystemExit(Exit.FAILED)


def verified(directory: Path) -> Verified:
    """What `verify` finds in a data directory; ends the command when there is no sound log."""
    from routerd.audit.reach import open_audited
    from routerd.engine.verify import verify as derive_again
    from routerd.log.base import LogCorrupt, LogUnavailable
    from routerd.log.snapshot import Snapshots

    try:
        with closing(open_audited(directory, read_only=True)) as log:
            return derive_again(log, Snapshots(directory))
    except (LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None


def in_words(found: Verified) -> str:
    """The line that `verify` prints."""
    compacted = {name: start for name, start in found.starts.items() if start > 1}
    behind = "".join(f"; {name} from position {start} on" for name, start in compacted.items())
    snapshots = (
        f"; snapshots that are the state there: {found.snapshots}" if found.snapshots else ""
    )
    return (
        f"verified {counted(found.decisions, 'decision')}, "
        f"{counted(len(found.mismatches), 'mismatch')}; "
        f"laws re-derived: {found.laws_exact} bit for bit, {found.laws_close} within 1e-9, "
        f"{found.laws_skipped} not (made by another version){behind}{snapshots}"
    )


def in_json(found: Verified) -> dict[str, Any]:
    return {**found._asdict(), "mismatches": [wrong._asdict() for wrong in found.mismatches]}

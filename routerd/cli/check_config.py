"""`routerd check-config`: every error of a configuration at once, each with its path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.output import Exit, Failed
from routerd.cli.paths import PathTo
from routerd.core.words import counted

if TYPE_CHECKING:
    from routerd.settings import Config


def load_or_fail(path: Path) -> Config:
    """The configuration in a file; ends the command with exit code 2 and all errors."""
    from routerd.config import ConfigErrors, load

    try:
        return load(path)
    except ConfigErrors as errors:
        head = f"{path}: {counted(len(errors.errors), 'error')}"
        raise Failed("\n  ".join([head, *errors.lines()]), exit_code=Exit.USAGE) from None


@click.command("check-config")
@click.argument("file", type=PathTo())
def check_config(file: Path) -> None:
    """Check the configuration in FILE. Every error is told at once, each with its path."""
    config = load_or_fail(file)
    counts = (
        (len(config.agents), "agent"),
        (len(config.static_routes), "static route"),
        (len(config.features), "feature"),
    )
    told = ", ".join(counted(number, what) for number, what in counts)
    click.echo(f"OK: {told}, policy {config.policy.id}")

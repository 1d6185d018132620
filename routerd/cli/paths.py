"""Files and directories of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from routerd.cli.output import Exit, Failed


class PathTo(click.Path):
    """A path; an empty one, as of an unset variable, is none, where click takes it for `.`."""

    def __init__(self, path_type: type[Path | str] = Path, **given: Any) -> None:
        super().__init__(path_type=path_type, **given)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("it is empty; give a path, or . for this directory", param, ctx)
        return super().convert(value, param, ctx)


class FileToWrite(PathTo):
    """A file in a directory that is there, which is looked at before the work and not after it."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        file = super().convert(value, param, ctx)
        if not file.absolute().parent.is_dir():
            told = f"there is no directory {file.parent} to write {file.name} to"
            raise Failed(told, exit_code=Exit.USAGE)
        return file


class DataDirectory(PathTo):
    """A directory that is there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        directory = super().convert(value, param, ctx)
        if not directory.is_dir():
            raise Failed(f"no data directory {directory}: give the one that `routerd serve` uses")
        return directory

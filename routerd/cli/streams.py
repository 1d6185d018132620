"""Standard streams that fail: a full disk and a closed pipe end every command in the same way."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from routerd.cli.output import Failed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CLOSED_PIPE = 128 + signal.SIGPIPE
"""What a shell tells of a program that SIGPIPE ended, as it ends other tools."""


class Unwritable(OSError):
    """Stdout takes no more. It has no errno of its own: click and rich would act on that."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to stdout: {error.strerror}")
        self.nobody_reads = error.errno == errno.EPIPE


class Stdout(io.FileIO):
    """The file below sys.stdout. It raises Unwritable once; what comes then is passed over, so that
    nothing is raised again while the program ends."""

    lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self.lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            raise Unwritable(error) from None


def opened() -> None:
    """Put streams in place that every command can use. Raises Failed where stdout is closed."""
    # Python has None for a stream that was closed when it started.
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        raise Failed("stdout is closed; send it to /dev/null if you do not want what it says")
    out = sys.__stdout__
    if out is not None and out is sys.stdout:  # and not what a test has put there
        raw = io.BufferedWriter(Stdout(out.fileno(), "w", closefd=False))
        lines = out.line_buffering
        # What the locale has no letter for is escaped, as Python does on stderr.
        sys.stdout = io.TextIOWrapper(raw, out.encoding, "backslashreplace", line_buffering=lines)


class Commands(click.Group):
    """The group of all commands: what is wrong with their streams or words is told in one line."""

    def main(self, *arguments: Any, **extra: Any) -> Any:
        try:
            opened()
            return super().main(*arguments, **extra)
        except Unwritable as error:
            if error.nobody_reads:
                sys.exit(CLOSED_PIPE)
            failed = Failed(str(error))
        except Failed as error:
            failed = error
        failed.show()
        sys.exit(failed.exit_code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is not text before a command gets it: no message could hold it."""
        ours = (pair for pair in os.environ.items() if pair[0].startswith("ROUTERD_"))
        settings = map("=".join, ours)
        for word in (*args, *settings):
            try:
                word.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"{os.fsencode(word)!r} is not UTF-8 text", ctx) from None
        return super().parse_args(ctx, args)

"""Facts below each other, and tables: neither breaks a word, such as an id, that fits on a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routerd.cli.output import shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

GAP = 3
"""Columns of the screen between those of a table, as rich's SIMPLE_HEAD draws it."""

BETWEEN = "   "
"""Between the pairs of a row that is told in lines."""


def facts(pairs: Iterable[tuple[str, str]]) -> Facts:
    """Names and values below each other; pairs without a value are left out."""
    return Facts([(shown(name), shown(value)) for name, value in pairs if value])


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Rows:
    """A table whose first `left` columns are texts and whose others are numbers."""
    return Rows([shown(name) for name in head], [list(map(shown, row)) for row in rows], left)


@dataclass(frozen=True, slots=True)
class Facts:
    """(name, value) pairs for a console of rich."""

    pairs: list[tuple[str, str]]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.cells import cell_len
        from rich.text import Text

        margin = 2 + max((cell_len(name) for name, _ in self.pairs), default=0)
        for name, value in self.pairs:
            lead = Text(name + " " * (margin - cell_len(name)), "dim")
            for line in Text(value).wrap(console, max(options.max_width - margin, 1)):
                line.rstrip()
                yield lead + line
                lead = Text(" " * margin)


@dataclass(frozen=True, slots=True)
class Rows:
    """A table for a console of rich. Where it is too wide, texts are wrapped between words; where
    that is not enough, each row is told in lines of its own, as `name: value`.
    """

    head: list[str]
    rows: list[list[str]]
    left: int

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        room = options.max_width - GAP * (len(self.head) - 1)
        widths = fitted(self._most(), self._least(), room)
        if widths is None:
            for row in self.rows:
                yield from in_lines(self.head, row, options.max_width)
        else:
            yield self._drawn(widths)

    def _most(self) -> list[int]:
        """The width of each column with every cell on one line."""
        from rich.cells import cell_len

        return [max(map(cell_len, column)) for column in zip(self.head, *self.rows, strict=True)]

    def _least(self) -> list[int]:
        """The width of each column with every word on one line; a number is one word."""
        from rich.cells import cell_len

        least = []
        for index, (name, *cells) in enumerate(zip(self.head, *self.rows, strict=True)):
            words = " ".join(cells).split() if index < self.left else cells
            least.append(max(map(cell_len, [*name.split(), *words]), default=0))
        return least

    def _drawn(self, widths: Sequence[int]) -> RenderableType:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for index, (name, width) in enumerate(zip(self.head, widths, strict=True)):
            made.add_column(name, justify="left" if index < self.left else "right", width=width)
        for row in self.rows:
            made.add_row(*row)
        return made


def fitted(most: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Widths that sum up to `room` at most, the widest giving way first; None if there are none.

    >>> fitted([19, 16, 30], [10, 16, 8], 60)
    [19, 16, 25]
    >>> fitted([19, 16, 30], [10, 16, 8], 33) is None
    True
    """
    if sum(least) > room:
        return None
    widths = list(most)
    while sum(widths) > room:
        yielding = (index for index, width in enumerate(widths) if width > least[index])
        widths[max(yielding, key=widths.__getitem__)] -= 1
    return widths


def in_lines(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[RenderableType]:
    """What a row says, as many pairs a line as fit; lines but the first are indented."""
    from rich.cells import cell_len
    from rich.padding import Padding

    lines = [""]
    for name, value in zip(head, row, strict=True):
        if not value:
            continue
        longer = f"{lines[-1]}{BETWEEN}{name}: {value}".lstrip()
        if not lines[-1] or cell_len(longer) <= width - 2:
            lines[-1] = longer
        else:
            lines.append(f"{name}: {value}")
    for number, line in enumerate(lines):
        yield Padding(line, (0, 0, 0, 2 if number else 0), expand=False)

"""Ranges of numbers for options of the command line."""

from __future__ import annotations

import math
from typing import Any

import click

INT32 = click.IntRange(-(2**31), 2**31 - 1)
"""What an int32 of the contract holds."""

LIMIT = click.IntRange(0, 2**31 - 1)
"""Of how many there may be, in an int32; 0 for none."""

COUNT = click.IntRange(1, 2**31 - 1)
"""At least one of something, in an int32."""

POSITION = click.IntRange(1, 2**63 - 1)
"""Of an event in the log."""


class Finite(click.FloatRange):
    """A range that NaN and infinity lie in by no bound: click's own lets them through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


SECONDS = Finite(0, 3_600, min_open=True)
"""How long a round of a measurement takes."""

RATE = Finite(1, 10_000)
"""Calls a second: more than a client that Python runs sends."""

WEIGHT = Finite(0, 1e9)
"""What something is worth in quality, as far as a configuration goes."""

USD = Finite(0, 1e9)
"""What may be spent, likewise."""

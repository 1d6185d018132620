"""The contexts that were learnt from last: a sample of those that are still to come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from learners.base import Array

SIZE = 32


class Contexts:
    """A ring of SIZE contexts, each with the cell that cost and latency know it by.

    >>> contexts = Contexts(d=2)
    >>> for i in range(SIZE + 1): contexts.push(np.array([1.0, float(i)]), cell=i % 3)
    >>> contexts.x.shape, contexts.x[0].tolist(), int(contexts.cells[1])
    ((32, 2), [1.0, 32.0], 1)
    """

    def __init__(self, d: int) -> None:
        self._x = np.zeros((SIZE, d))
        self._cells = np.zeros(SIZE, np.intp)
        self.seen = 0

    @property
    def x(self) -> Array:
        """(m, d), m at most SIZE, in no order that means anything."""
        return self._x[: self.seen]

    @property
    def cells(self) -> NDArray[np.intp]:
        """The cell of each, (m,)."""
        return self._cells[: self.seen]

    def push(self, x: Array, cell: int) -> None:
        """Take in a context; the oldest goes."""
        place = self.seen % SIZE
        self._x[place], self._cells[place] = x, cell
        self.seen += 1

    def state(self) -> dict[str, Array]:
        return {
            "x": self._x,
            "cells": self._cells.astype(np.float64),
            "seen": np.array([float(self.seen)]),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        self._x = state["x"].copy()
        self._cells = state["cells"].astype(np.intp)
        self.seen = int(state["seen"][0])

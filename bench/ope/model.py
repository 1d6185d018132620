"""The outcome model of off-policy evaluation: a ridge regression of the reward per action."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from learners.base import Array

Indices = NDArray[np.intp]

# A model that may not look ahead has seen the blocks of rows before its own. The first is short,
# because its model knows nothing; the others grow, so that a model has seen two rows in three.
FIRST_BLOCK = 10
GROWTH = 1.5

# Weight of the prior of every coefficient, in rows: the mean reward of all actions, and no slope.
RIDGE = 1.0


class OutcomeModel:
    """Sums over rows; leading axes (...) stand for logs that know nothing of each other.

    bounds: least and largest possible reward, or None; predictions stay within them.

    >>> model = OutcomeModel((), actions=2, width=1, bounds=(0.0, 1.0))
    >>> model.add(np.ones((9, 1)), np.zeros(9, np.intp), np.ones(9))
    >>> model.predict(np.ones((1, 1))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self, logs: tuple[int, ...], actions: int, width: int, bounds: tuple[float, float] | None
    ) -> None:
        self.gram = np.zeros((*logs, actions, width, width))
        self.moment = np.zeros((*logs, actions, width))
        self.total = np.zeros(logs)
        self.count = 0
        self.bounds = bounds

    def add(self, x: Array, action: Indices, reward: Array) -> None:
        """Take in rows: x (..., n, p) with an intercept first, action and reward (..., n)."""
        for k in range(self.gram.shape[-3]):
            own = x * (action == k)[..., None]
            self.gram[..., k, :, :] += own.swapaxes(-1, -2) @ x
            self.moment[..., k, :] += (own * reward[..., None]).sum(-2)
        self.total += reward.sum(-1)
        self.count += action.shape[-1]

    def predict(self, x: Array) -> Array:
        """Expected reward of every action (..., n, K) at x (..., n, p).

        Before any row it is the middle of the bounds, or 0.
        """
        if not self.count:
            middle = sum(self.bounds) / 2.0 if self.bounds else 0.0
            return np.full((*x.shape[:-1], self.gram.shape[-3]), middle)
        right = self.moment.copy()
        right[..., 0] += RIDGE * (self.total / self.count)[..., None]
        ridge = RIDGE * np.eye(x.shape[-1])
        slopes = np.linalg.solve(self.gram + ridge, right[..., None])[..., 0]
        mean: Array = x @ slopes.swapaxes(-1, -2)
        return np.clip(mean, *self.bounds) if self.bounds else mean


def look_back(
    x: Array, action: Indices, reward: Array, actions: int, bounds: tuple[float, float] | None
) -> Array:
    """Predictions (..., n, K), each from the blocks of rows before its own and from no other."""
    model = OutcomeModel(x.shape[:-2], actions, x.shape[-1], bounds)
    parts = []
    for rows in blocks(action.shape[-1]):
        parts.append(model.predict(x[..., rows, :]))
        model.add(x[..., rows, :], action[..., rows], reward[..., rows])
    return np.concatenate(parts, axis=-2)


def look_at_all(
    x: Array, action: Indices, reward: Array, actions: int, bounds: tuple[float, float] | None
) -> Array:
    """Predictions (..., n, K) of a model that has seen every row, each one's own outcome too."""
    model = OutcomeModel(x.shape[:-2], actions, x.shape[-1], bounds)
    model.add(x, action, reward)
    return model.predict(x)


def blocks(rows: int) -> list[slice]:
    """Consecutive blocks that cover all rows.

    >>> blocks(30)
    [slice(0, 10, None), slice(10, 15, None), slice(15, 22, None), slice(22, 30, None)]
    """
    edges = [0]
    end = float(FIRST_BLOCK)
    while end < rows:
        edges.append(int(end))
        end *= GROWTH
    return [slice(low, high) for low, high in pairwise([*edges, rows])]

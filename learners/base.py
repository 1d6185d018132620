"""The protocol of all quality learners, and the additive sums that they share.

A learner keeps decayed sums over its observations, so an observation can be taken back by its own
negative, and the order of arrival matters only for rounding:

    lam_k = sum w x x'    h_k = sum w x y
    n_k = sum w    total = sum_k n_k      yy_k = sum w y^2    ss = sum_k yy_k
    w     = weight * gamma ** (current epoch - epoch of the observation)

The prior is not part of the sums and does not decay. Source: West and Harrison, Bayesian
Forecasting and Dynamic Models (discounting); the additive form makes retraction exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from learners import kernel
from learners.plain_law import Array as Array  # every room has it from here

Arms = NDArray[np.intp] | slice


class Learner(Protocol):
    """A posterior over each arm's mean reward, given a context."""

    @property
    def noise(self) -> float:
        """Variance of one observation around its mean."""

    @property
    def count(self) -> float:
        """Decayed number of observations."""

    def add_arms(self, count: int) -> None:
        """Append arms that nothing is known of."""

    def set_head_starts(self, start: Array, arms: Arms) -> None:
        """Centre the priors of these arms' coefficients there, (k, d): by how much their quality is
        expected to exceed the others'. How sure the priors are stays as it is."""

    def advance(self, epoch: int) -> None:
        """Decay the sums to this epoch; an earlier one changes nothing."""

    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        """Posterior mean and variance of the mean reward at x (d,) of the given arms, each (k,)."""

    def joint(self, x: Array, at: Array, arms: Arms) -> tuple[Array, Array, Array]:
        """predict of every row of x (n, d), each (n, k), with the bits that each has alone; and
        covariance with the mean reward at each of the contexts `at` (m, d), (n, k, m). Contiguous
        for all arms or an array of them.

        All that is not known of an arm, also what it shares with others.
        """

    def means(self, at: Array, arms: Arms) -> Array:
        """Posterior mean of the mean reward at each of the contexts `at` (m, d), (m, k)."""

    def mean(self, x: Array, arm: int) -> float:
        """means of one arm at one context (d,)."""

    def observe(self, arm: int, x: Array, y: float, weight: float, epoch: int) -> None:
        """Add one observation; a negative weight takes an earlier one back."""

    def weight_of(self, arm: int) -> float:
        """Decayed number of an arm's observations."""

    def discount(self, arm: int, keep: float) -> None:
        """Let all observations of an arm weigh `keep` of what they did."""

    def refresh(self) -> None:
        """Recompute all that is derived from the sums, from the sums alone."""

    def state(self) -> dict[str, Array]:
        """Everything that predict and observe read, as float64 arrays."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what state() gave; recomputes nothing."""


class RowByRow(ABC):
    """A learner's joint from what it says of each context alone."""

    @abstractmethod
    def predict(self, x: Array, arms: Arms) -> tuple[Array, Array]:
        """See Learner."""

    @abstractmethod
    def means(self, at: Array, arms: Arms) -> Array:
        """See Learner."""

    @abstractmethod
    def covariance(self, x: Array, at: Array, arms: Arms) -> Array:
        """Of the mean reward at x (d,) with that at each of the contexts `at`, (k, m)."""

    def mean(self, x: Array, arm: int) -> float:
        return self.means(x[None, :], slice(arm, arm + 1)).item()

    def joint(self, x: Array, at: Array, arms: Arms) -> tuple[Array, Array, Array]:
        rows = [(*self.predict(row, arms), self.covariance(row, at, arms)) for row in x]
        mean, variance, covariance = map(np.array, zip(*rows, strict=True))
        return mean, variance, covariance


def grown(array: Array, count: int) -> Array:
    """An array with so many rows of zeros more."""
    return np.concatenate([array, np.zeros((count, *array.shape[1:]))])


class Stateful:
    """A model whose state is the arrays of these names."""

    ARRAYS: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Array]:
        """The arrays as they are: the model's own."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over copies of what state() gave."""
        for name in self.ARRAYS:
            setattr(self, name, state[name].copy())


class Decaying(Stateful):
    """Sums as of an epoch, in which what was observed in earlier ones weighs less.

    gamma: the weight that an observation keeps from one epoch to the next.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.epoch = 0

    def weight(self, weight: float, epoch: int) -> float:
        """What `weight` at `epoch` is worth now."""
        return weight if epoch >= self.epoch else weight * self.gamma ** (self.epoch - epoch)

    def moved_on(self, epoch: int) -> float:
        """Go on to `epoch`, no earlier one; by what the sums are to be multiplied."""
        if epoch <= self.epoch:
            return 1.0
        passed, self.epoch = epoch - self.epoch, epoch
        return float(self.gamma**passed)

    def state(self) -> dict[str, Array]:
        return super().state() | {"epoch": np.array([float(self.epoch)])}

    def restore(self, state: Mapping[str, Array]) -> None:
        super().restore(state)
        self.epoch = int(state["epoch"][0])


class Sums(Decaying):
    """Additive sufficient statistics of `arms` linear regressions on `d` features.

    >>> s = Sums(arms=2, d=1, gamma=0.5)
    >>> s.add(0, np.ones(1), 1.0, s.weight(1.0, epoch=0))
    >>> s.advance(1)
    True
    >>> s.h[0, 0], s.n[0]
    (np.float64(0.5), np.float64(0.5))
    >>> s.add(0, np.ones(1), 1.0, s.weight(-1.0, epoch=0))
    >>> s.h[0, 0], s.n[0]
    (np.float64(0.0), np.float64(0.0))
    """

    ARRAYS = ("lam", "h", "n", "yy")

    def __init__(self, arms: int, d: int, gamma: float) -> None:
        super().__init__(gamma)
        self.d = d
        self.lam = np.zeros((arms, d, d))
        self.h = np.zeros((arms, d))
        self.n = np.zeros(arms)
        self.yy = np.zeros(arms)
        self.total = 0.0

    @property
    def ss(self) -> float:
        """sum w y^2 of all arms."""
        return float(self.yy.sum())

    def add_arms(self, count: int) -> None:
        for name in self.ARRAYS:
            setattr(self, name, grown(getattr(self, name), count))

    def advance(self, epoch: int) -> bool:
        """Decay to `epoch`; True if that changed the sums."""
        factor = self.moved_on(epoch)
        if factor == 1.0 or not self.n.any():
            return False
        for sums in (self.lam, self.h, self.n, self.yy):
            sums *= factor
        self.total *= factor
        return True

    def discount(self, arm: int, keep: float) -> None:
        """Let all observations of an arm weigh `keep` of what they did."""
        self.total -= (1.0 - keep) * float(self.n[arm])
        for sums in (self.lam, self.h, self.n, self.yy):
            sums[arm] *= keep

    def beyond(self, start: Array) -> tuple[Array, float]:
        """h and ss of y - x . start_k: what is beyond the head starts, (arms, d)."""
        if not start.any():
            return self.h, self.ss
        explained = np.matmul(self.lam, start[:, :, None])[:, :, 0]
        return self.h - explained, self.ss - float(((2.0 * self.h - explained) * start).sum())

    def add(self, arm: int, x: Array, y: float, w: float) -> None:
        """Add an observation of weight w as of now."""
        kernel.add(self.lam, self.h, self.n, self.yy, x, arm, y, w)
        self.total += w

    def state(self) -> dict[str, Array]:
        return Stateful.state(self) | {"sums": np.array([self.total, float(self.epoch)])}

    def restore(self, state: Mapping[str, Array]) -> None:
        Stateful.restore(self, state)
        self.total, epoch = state["sums"].tolist()
        self.epoch = int(epoch)


class OverSums(Stateful):
    """A learner whose state is that of its sums, and arrays of its own."""

    sums: Decaying

    def state(self) -> dict[str, Array]:
        return self.sums.state() | super().state()

    def restore(self, state: Mapping[str, Array]) -> None:
        self.sums.restore(state)
        super().restore(state)


class Additive(OverSums, ABC):
    """A learner's upkeep of its sums; a subclass rebuilds what it derives from them.

    start (arms, d): the means of the coefficients' priors, beyond what all arms have in common.
    """

    sums: Sums
    start: Array

    @property
    def count(self) -> float:
        return self.sums.total

    def add_arms(self, count: int) -> None:
        self.sums.add_arms(count)
        self.start = grown(self.start, count)
        self._rebuild()

    def set_head_starts(self, start: Array, arms: Arms) -> None:
        if not np.array_equal(start, self.start[arms]):
            self.start[arms] = start
            self._locate()

    def advance(self, epoch: int) -> None:
        if self.sums.advance(epoch):
            self._rebuild()

    def weight_of(self, arm: int) -> float:
        return float(self.sums.n[arm])

    def discount(self, arm: int, keep: float) -> None:
        self.sums.discount(arm, keep)
        self._rebuild()

    @abstractmethod
    def _rebuild(self) -> None:
        """Derive everything from the sums anew."""

    @abstractmethod
    def _locate(self) -> None:
        """Derive the means anew, which head starts move, and not how sure they are."""

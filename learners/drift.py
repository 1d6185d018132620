"""Has an arm changed? A sequential test of every arm's outcomes against what was predicted of them.

Before each outcome y in [0, 1] the model predicts its mean mu. While the model holds, each tilted
increment has an expectation of at most 1, whatever the distribution of y (Hoeffding's lemma):

    E[exp(tilt y - log(1 - mu + mu exp(tilt)))] <= 1        equal to 1 where y is 0 or 1

So for each tilt, down or up, small or large, the largest sum of log increments over all times at
which a change can have begun is an e-detector: alarms when it passes log(T / rate) for T tilts come
on average at most `rate` times an outcome. For an arm that succeeds or fails it is the
log-likelihood ratio. A prediction is kept off the end that a tilt leads away from, where one
surprise would prove anything: that only lowers the increments. Sources: Page (1954), the CUSUM;
Lorden (1971), its optimality; Shin, Ramdas and Rinaldo (2023), e-detectors, for the bound without a
model of y.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from learners import kernel
from learners.base import Array, grown
from learners.plain import TILTS

CORRECTION = math.log(len(TILTS))


class Change(NamedTuple):
    """How it looks if an arm changed: since when, in so many outcomes by so much quality each.

    evidence: log likelihood ratio, the price of having tried several tilts taken off.
    """

    evidence: float
    since: int
    outcomes: int
    size: float


class DriftDetector:
    """runs (arms, tilts, 4): the sum of a run's log increments, the mark that it began at, its
    outcomes, and the sum of what these were above the prediction. latest: the arm that was observed
    last, and the largest sum of its runs.

    >>> detector = DriftDetector(arms=1)
    >>> for mark in range(40): detector.observe(0, 0.7, float(mark % 3 == 0), mark)
    >>> change = detector.change(0)
    >>> change.evidence > 3, change.size < -0.3
    (True, True)
    """

    def __init__(self, arms: int) -> None:
        self.runs = np.zeros((arms, len(TILTS), 4))
        self.latest_arm, self.latest_level = 0, 0.0

    def add_arms(self, count: int) -> None:
        self.runs = grown(self.runs, count)

    def observe(self, arm: int, mean: float, y: float, mark: int) -> None:
        """One outcome y where `mean` was predicted; mark: grows with the age of decisions."""
        mean = min(max(mean, 0.0), 1.0)
        self.latest_arm = arm
        self.latest_level = kernel.watch(self.runs[arm], mean, y, float(mark))

    def change(self, arm: int) -> Change:
        """The change that the arm's outcomes tell of most.

        A small tilt may have begun to rise by chance before the change. So of the runs of the same
        direction that tell at least half as much, the latest says when it began.
        """
        runs = self.runs[arm].tolist()
        level, tilt = max((run[0], tilt) for run, tilt in zip(runs, TILTS, strict=True))
        telling = (
            run
            for run, other in zip(runs, TILTS, strict=True)
            if run[0] >= level / 2 and other * tilt > 0
        )
        _, since, count, total = max(telling, key=lambda run: run[1])
        return Change(level - CORRECTION, int(since), int(count), total / count if count else 0.0)

    def reset(self, arm: int) -> None:
        """Begin anew with an arm."""
        self.runs[arm] = 0.0
        if arm == self.latest_arm:
            self.latest_level = 0.0

    def state(self) -> dict[str, Array]:
        latest = np.array([float(self.latest_arm), self.latest_level])
        return {"runs": self.runs, "latest": latest}

    def restore(self, state: Mapping[str, Array]) -> None:
        self.runs = state["runs"].copy()
        arm, self.latest_level = state["latest"].tolist()
        self.latest_arm = int(arm)

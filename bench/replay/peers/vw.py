"""Vowpal Wabbit: --cb_explore_adf with squarecb, bag, regcb or epsilon-greedy.

Interface: the Python Workspace, each decision parsed once. The parsed examples are predicted on,
labelled with set_label_string, learnt from and given back. It learns to the bit what the usual
predict(text), learn(text) does, at about twice the speed. The arm is drawn from the returned law.

Features: x crossed with the arm's id, and the id itself, so that each arm has its own intercept and
slopes. Costs are 1 - utility, in the library's default range [0, 1]: an arm without data looks
perfect. Costs of -utility in [-1, 0] scored less in 33 of 42 comparisons (7 settings on 6 sets of
recorded tasks, 3 orders each); on classification sets they often scored more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data.recorded import Array
from bench.replay.peers.common import library, sparse

FLAGS = "--quiet --cb_explore_adf -q xa"
FAMILIES = {
    "vw-squarecb": ("--squarecb --gamma_scale", ("10", "100", "400", "1000")),
    "vw-bag": ("--bag", ("2", "4", "8", "16")),
    "vw-regcb": ("--regcb --mellowness", ("0.0001", "0.001", "0.01", "0.1")),
    "vw-epsilon": ("--epsilon", ("0.01", "0.02", "0.05", "0.1")),
}
SETTINGS = {
    f"{family}:{value}": f"{flag} {value}"
    for family, (flag, values) in FAMILIES.items()
    for value in values
}
"""Name of each peer and its flags."""


class VowpalWabbit:
    """One Workspace; from a decision to its outcome it holds the parsed examples and the law."""

    def __init__(self, x: Array, arms: int, flags: str, seed: int) -> None:
        workspace = library("vowpalwabbit").Workspace
        self.workspace = workspace(f"{FLAGS} {flags} --random_seed {seed}")
        self.rng = np.random.default_rng(seed)
        self.x = x
        self.actions = "\n".join(f"|a {arm}" for arm in range(arms))
        self.open: dict[int, tuple[list[Any], list[float]]] = {}

    def choose(self, i: int) -> int:
        examples = self._parse(i)
        law = self.workspace.predict(examples)
        self.open[i] = examples, law
        return draw(law, self.rng.random())

    def reward(self, i: int, arm: int, utility: float) -> None:
        examples, law = self.open.pop(i, ([], []))
        probability = law[arm] if law else 1.0
        examples = examples or self._parse(i)
        examples[arm + 1].set_label_string(f"0:{1.0 - utility:.8g}:{probability:.8g}")
        self.workspace.learn(examples)
        self.workspace.finish_example(examples)

    def _parse(self, i: int) -> list[Any]:
        features = " ".join(f"{j}:{value:.8g}" for j, value in sparse(self.x[i]).items())
        examples: list[Any] = self.workspace.parse(f"shared |x {features}\n{self.actions}")
        return examples


def draw(law: list[float], u: float) -> int:
    """The arm in whose slice of the law u in [0, 1) falls; the law need not sum to 1 exactly.

    >>> [draw([0.25, 0.0, 0.75], u) for u in (0.0, 0.249, 0.25, 0.999)]
    [0, 0, 2, 2]
    """
    slices = np.cumsum(law)
    return int(np.searchsorted(slices, u * slices[-1], side="right"))

"""Vowpal Wabbit: --cb_explore_adf with squarecb, bag, regcb or epsilon-greedy.

Interface: the Python Workspace, each decision parsed once. The parsed examples are predicted on,
labelled with set_label_string and learnt from, then given back. It learns to the bit what the usual
predict(text), learn(text) does, at about twice the speed. The arm is drawn from the returned law.

Features: the work type (namespace d) and numbers (n) crossed with the arm's id (a), and the id
itself, so that each arm has its own intercept and slopes. Costs: 1 - utility, so that an arm without
data looks perfect; the declared range of costs is the library's default, [0, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.peers.common import domain_codes, library

if TYPE_CHECKING:
    from bench.datasets import Recorded

FLAGS = "--quiet --cb_explore_adf -q da -q na"
GRIDS: dict[str, dict[str, str]] = {
    "vw-squarecb": {g: f"--squarecb --gamma_scale {g}" for g in ("10", "100", "400", "1000")},
    "vw-bag": {n: f"--bag {n}" for n in ("2", "4", "8", "16")},
    "vw-regcb": {m: f"--regcb --mellowness {m}" for m in ("0.001", "0.01", "0.1", "1")},
    "vw-epsilon": {e: f"--epsilon {e}" for e in ("0.01", "0.02", "0.05", "0.1")},
}


class VowpalWabbit:
    """One Workspace; between a decision and its outcome it holds the parsed examples and the law."""

    def __init__(self, recorded: Recorded, flags: str, seed: int) -> None:
        workspace = library("vowpalwabbit", "vowpalwabbit").Workspace
        self.workspace = workspace(f"{FLAGS} {flags} --random_seed {seed}")
        self.rng = np.random.default_rng(seed)
        self.codes, _ = domain_codes(recorded)
        self.numbers = recorded.numbers
        self.actions = "\n".join(f"|a {arm}" for arm in range(len(recorded.agents)))
        self.open: dict[int, tuple[list[Any], list[float]]] = {}

    def choose(self, i: int) -> int:
        examples = self.workspace.parse(f"{self._shared(i)}\n{self.actions}")
        law = self.workspace.predict(examples)
        self.open[i] = examples, law
        return draw(law, self.rng.random())

    def reward(self, i: int, arm: int, utility: float) -> None:
        examples, law = self.open.pop(i)
        examples[arm + 1].set_label_string(f"0:{1.0 - utility:.8g}:{law[arm]:.8g}")
        self.workspace.learn(examples)
        self.workspace.finish_example(examples)

    def _shared(self, i: int) -> str:
        text = f"shared |d w{self.codes[i]}"
        if self.numbers is not None:
            text += " |n " + " ".join(f"{j}:{v:.6g}" for j, v in enumerate(self.numbers[i]))
        return text


def draw(law: list[float], u: float) -> int:
    """The arm in whose slice of the law u in [0, 1) falls; the law need not sum to 1 exactly."""
    left = u * sum(law)
    last = 0
    for arm, probability in enumerate(law):
        if probability > 0.0:
            last = arm
            left -= probability
            if left < 0.0:
                return arm
    return last

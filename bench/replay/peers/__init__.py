"""Other people's bandits on routerd's streams: same tasks, same features, same reward, same seeds.

A peer is named family:setting. Every family has the same number of settings. The grids were changed
once: one setting each of regcb, MABWiser's LinUCB and paretobandit did badly on two or three orders
of the development sets (seeds 0 to 2, which a replay scores too) and was replaced, in the peers'
favour. The rooms say which interface is used and why. Nothing is imported until a peer enters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from bench.data.recorded import Array, Recorded
from bench.replay.contest import Factory
from bench.replay.peers import mab, pareto, rivertree, riverucb, vw
from bench.replay.peers.common import Peer, Policy, contexts, encoded

__all__ = ["FAMILIES", "PEERS", "contexts", "encoded", "enter", "family", "peer_times"]

Make = Callable[[Array, int, Any, int], Policy]
"""(x of every task, number of arms, setting, seed) -> a policy that knows nothing yet."""

MADE: dict[str, tuple[Make, Any]] = {
    name: (make, setting)
    for make, settings in (
        (vw.VowpalWabbit, vw.SETTINGS),
        (mab.MabWiser, mab.SETTINGS),
        (riverucb.RiverLinUCB, riverucb.SETTINGS),
        (rivertree.RiverTrees, rivertree.SETTINGS),
        (pareto.ParetoBandit, pareto.SETTINGS),
    )
    for name, setting in settings.items()
}


def family(name: str) -> str:
    """The library and algorithm of a peer.

    >>> family("vw-bag:4")
    'vw-bag'
    """
    return name.partition(":")[0]


def enter(name: str, data: Recorded, cost_weight: float, seed: int) -> Peer:
    """A peer as a contestant; raises Skipped when its library is not installed."""
    make, setting = MADE[name]
    return Peer(name, make(contexts(data, seed), len(data.agents), setting, seed), cost_weight)


PEERS: dict[str, Factory] = {name: partial(enter, name) for name in MADE}


FAMILIES = {family(name): [n for n in MADE if family(n) == family(name)] for name in MADE}
"""The names of each family's settings."""


def peer_times(of: str, x: Array, quality: Array) -> Array:
    """Seconds of each decision and each observation, (n, 2), of a family's first setting.

    x (n, d) and quality (n, K): the tasks and what each arm is worth on them. x is ready; what the
    library wants it turned into is part of its time. Raises Skipped when it is not installed.
    """
    make, setting = MADE[FAMILIES[of][0]]
    policy = make(x, quality.shape[1], setting, 0)
    told = quality.tolist()
    seconds = np.empty((len(told), 2))
    for i, row in enumerate(told):
        started = perf_counter()
        arm = policy.choose(i)
        chosen = perf_counter()
        policy.reward(i, arm, row[arm])
        seconds[i] = chosen - started, perf_counter() - chosen
    return seconds

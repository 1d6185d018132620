"""What it is worth to say beforehand who is good at what, and what it costs to be wrong.

Of each work type one agent is declared a specialist: the best one there by all that is recorded,
one drawn by lot, or the worst; or every agent gets the head start that it has over all tasks.

    python -m bench.studies.priors FILE [FILE ...] [--agents A,B] [--draw AGENTS,TASKS] [--seeds N]
        [--cost-weight L] [--jobs N] --out FILE
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial

import numpy as np
from msgspec import structs

from bench.data.recorded import Array, Recorded
from bench.studies.command import asked_for, options, write
from bench.studies.variants import Variant, against_first
from routerd.core.settings import Agent

Agents = tuple[Agent, ...]
Pick = Callable[[Array, np.random.Generator], int]
"""The agent that is called a specialist, by the mean utilities there and by chance."""


def best(means: Array, rng: np.random.Generator) -> int:
    return int(means.argmax())


def by_lot(means: Array, rng: np.random.Generator) -> int:
    return int(rng.integers(len(means)))


def worst(means: Array, rng: np.random.Generator) -> int:
    return int(means.argmin())


def specialists(
    pick: Pick, agents: Agents, data: Recorded, cost_weight: float, seed: int
) -> Agents:
    """One specialist for each work type."""
    utility, kinds = data.utility(cost_weight), np.array(data.domain)
    rng = np.random.default_rng(seed)
    at: list[list[str]] = [[] for _ in agents]
    for kind in sorted(set(data.domain)):
        at[pick(np.nanmean(utility[kinds == kind], axis=0), rng)].append(kind)
    return tuple(
        structs.replace(agent, specializations=tuple(its))
        for agent, its in zip(agents, at, strict=True)
    )


def head_starts(
    times: float, agents: Agents, data: Recorded, cost_weight: float, seed: int
) -> Agents:
    """So many times what each agent exceeds the mean by."""
    means = np.nanmean(data.utility(cost_weight), axis=0)
    ahead = np.clip(times * (means - means.mean()), -1.0, 1.0).tolist()
    return tuple(
        structs.replace(agent, head_start=its) for agent, its in zip(agents, ahead, strict=True)
    )


VARIANTS = (
    Variant("nothing"),
    Variant("of each work type its best agent", define=partial(specialists, best)),
    Variant("of each work type one by lot", define=partial(specialists, by_lot)),
    Variant("of each work type its worst agent", define=partial(specialists, worst)),
    Variant("of each agent what it is ahead by", define=partial(head_starts, 1.0)),
    Variant("of each agent half of that", define=partial(head_starts, 0.5)),
    Variant("of each agent the opposite of half", define=partial(head_starts, -0.5)),
)


def main() -> None:
    """See the module's text."""
    ask = ArgumentParser(prog="python -m bench.studies.priors", description=__doc__)
    options(ask)
    asked = ask.parse_args()
    rows = [
        row
        for streams in asked_for(ask, asked)
        for row in against_first(
            streams, VARIANTS, "said", asked.seeds, asked.cost_weight, asked.jobs, print
        )
    ]
    write(rows, asked.out)


if __name__ == "__main__":
    main()

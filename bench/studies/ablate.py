"""What each part of the default policy is worth: replays with one part taken away at a time.

A part is a setting of the configuration or a constant of the learners; see bench.studies.variants.

    python -m bench.studies.ablate FILE [FILE ...] [--agents A,B] [--draw AGENTS,TASKS] [--words N]
        [--noise N] [--only PART] [--seeds N] [--cost-weight L] [--jobs N] --out FILE
"""

from __future__ import annotations

from argparse import ArgumentParser

from bench.data.recorded import Array
from bench.studies.command import asked_for, options, write
from bench.studies.variants import (
    HORIZON_IN_FULL,
    NUMBERS_AS_CATEGORIES,
    SHARED_AS_IF_KNOWN,
    Variant,
    against_first,
)
from learners import contexts, pooled
from routerd.core.settings import GreedyPolicy, Learner, ThompsonPolicy, ValuePolicy


def nothing(self: contexts.Contexts, x: Array, cell: int) -> None:
    """In the place of Contexts.push: no other context is ever known."""


CENTRES_ALONE = tuple((centre,) for centre in pooled.CENTRES)
THOMPSON = ThompsonPolicy(v_0=0.4, v_min=0.4, floor=0.002, floor_min=0.002)
VARIANTS = (
    Variant("nothing: the default"),
    Variant(
        "other contexts in the value of information",
        constants={contexts.Contexts: {"push": nothing}},
    ),
    Variant("what is unknown of what all agents share", constants=SHARED_AS_IF_KNOWN),
    Variant("that who leads elsewhere is looked at anyway", constants=HORIZON_IN_FULL),
    Variant("value of information: Thompson sampling, v = .4", THOMPSON),
    Variant("exploration: greedy", GreedyPolicy(floor=0.002)),
    Variant("pooling: each arm alone", ValuePolicy(learner=Learner(kind="linear"))),
    Variant("features: one mean per agent", features=False),
    Variant(
        "empirical Bayes: scales at their centres", constants={pooled: {"GRID": CENTRES_ALONE}}
    ),
    Variant("the least scale of slopes", constants={pooled: {"SLOPE": 0.0}}),
    Variant("that slopes of numbers need no least scale", constants=NUMBERS_AS_CATEGORIES),
    Variant("the wide slopes of numbers at first", constants={pooled: {"NUMBER_SLOPE": 0.0}}),
    Variant("prior centring: the shared mean held at .5", constants={pooled: {"P_0": 0.01}}),
    Variant("the small floor: .05 instead of .002", ValuePolicy(floor=0.05)),
    Variant("patience: 100 decisions an agent instead of 25", ValuePolicy(patience=100.0)),
    Variant("the narrow spread: .3 instead of .15", ValuePolicy(spread=0.3)),
)


def main() -> None:
    """See the module's text."""
    ask = ArgumentParser(prog="python -m bench.studies.ablate", description=__doc__)
    options(ask)
    ask.add_argument("--only", default="", help="only parts whose name has this in it")
    asked = ask.parse_args()
    variants = [VARIANTS[0], *(of for of in VARIANTS[1:] if asked.only in of.name)]
    rows = [
        row
        for streams in asked_for(ask, asked)
        for row in against_first(
            streams, variants, "without", asked.seeds, asked.cost_weight, asked.jobs, print
        )
    ]
    write(rows, asked.out)


if __name__ == "__main__":
    main()

"""What the variants of a study are played on: for each seed the same tasks, a draw, or a world.

Draws of agents and tasks, and worlds made up anew, are streams that nothing was chosen on; an
interval over their seeds covers other agents and other tasks as well as other orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.data.datasets import missing, standard
from bench.data.recorded import Array, DataError, Recorded
from bench.data.synthetic import names

Draw = tuple[int, int]
"""So many agents and tasks, another draw of them for each seed."""


class Streams(NamedTuple):
    """of: the recorded tasks of a seed."""

    name: str
    of: Callable[[int], Recorded]


def whole(data: Recorded) -> Streams:
    """The tasks that every agent ran, in another order for each seed."""
    return Streams(data.name, partial(same, data.complete()))


def drawn(data: Recorded, draw: Draw) -> Streams:
    """So many agents and tasks of those that every agent ran."""
    agents, tasks = draw
    name = f"{data.name}, draws of {agents} x {tasks}"
    return Streams(name, partial(data.complete().drawn, agents, tasks))


def same(data: Recorded, seed: int) -> Recorded:
    return data


def with_words(data: Recorded, columns: int) -> Recorded:
    """Beside what is there: so many singular vectors of TF-IDF of the tasks' texts, standardised.

    Raises DataError when the texts have fewer words.
    """
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ModuleNotFoundError:
        raise missing("scikit-learn", "--words") from None
    try:
        words = TfidfVectorizer(min_df=3, stop_words="english").fit_transform(data.text)
        directions = TruncatedSVD(columns, random_state=0).fit_transform(words)
    except ValueError as error:
        raise DataError(f"{data.name}: no {columns} directions of words: {error}") from None
    return beside(data, standard(directions), "words")


def with_noise(data: Recorded, columns: int) -> Recorded:
    """Beside what is there: so many normal numbers that have nothing to do with the tasks."""
    return beside(data, np.random.default_rng(5).standard_normal((len(data), columns)), "noise")


def beside(data: Recorded, more: Array, what: str) -> Recorded:
    """The tasks with more numbers."""
    numbers = more if data.numbers is None else np.concatenate([data.numbers, more], axis=1)
    added = tuple(f"{what}_{name}" for name in names(more.shape[1]))
    name = f"{data.name} with {what}"
    return replace(data, name=name, numbers=numbers, number_names=data.number_names + added)

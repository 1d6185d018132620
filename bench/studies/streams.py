"""What the variants of a study are played on: for each seed the same tasks, a draw, or a world.

Draws of agents and tasks, and worlds made up anew, are streams that nothing was chosen on; an
interval over their seeds covers other agents and other tasks as well as other orders.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.datasets import load, missing, standard
from bench.data.recorded import Array, DataError, Recorded
from bench.data.synthetic import SYNTHETIC, names

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


def options(ask: argparse.ArgumentParser) -> None:
    """What the command line says of streams."""
    there = ", ".join(SYNTHETIC)
    ask.add_argument("files", nargs="+", metavar="FILE", help=f"recorded tasks, or {there}")
    ask.add_argument("--agents", type=lambda names: names.split(","), metavar="A,B")
    ask.add_argument("--draw", type=draw_of, metavar="AGENTS,TASKS")
    ask.add_argument("--words", type=int, default=0, help="so many columns of the tasks' words")
    ask.add_argument("--noise", type=int, default=0, help="so many columns of mere noise")
    ask.add_argument("--seeds", type=int, default=20)
    ask.add_argument("--cost-weight", type=float, default=0.0)
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--out", type=Path, required=True)


def asked_for(ask: argparse.ArgumentParser, asked: argparse.Namespace) -> list[Streams]:
    """The streams that a command line names; what is wrong ends the command with a sentence."""
    try:
        return [streams_of(file, asked) for file in asked.files]
    except DataError as error:
        ask.error(str(error))


def streams_of(file: str, asked: argparse.Namespace) -> Streams:
    """One of them; raises DataError."""
    if file in SYNTHETIC:
        if asked.draw or asked.agents or asked.words or asked.noise:
            raise DataError(f"{file} is another world for each seed: nothing is drawn or added")
        return Streams(file, SYNTHETIC[file])
    data = load(file, asked.agents)
    if asked.words:
        data = with_words(data, asked.words)
    if asked.noise:
        data = with_noise(data, asked.noise)
    return whole(data) if asked.draw is None else drawn(data, asked.draw)


def draw_of(text: str) -> Draw:
    """AGENTS,TASKS. Raises ArgumentTypeError."""
    match text.split(","):
        case [agents, tasks] if agents.isdecimal() and tasks.isdecimal():
            if int(agents) >= 2 and int(tasks) >= 1:
                return int(agents), int(tasks)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no draw; give two agents and a task or more, as 8,1000"
    )

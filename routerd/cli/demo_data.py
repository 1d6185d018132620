"""The demo's prompts: real ones, each answered by every agent, with quality and cost as measured.

Source: the data files of the package paretobandit (Apache-2.0). They are read as files; the package
itself, which needs scikit-learn, is not imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PACKAGE = "pareto_bandit"
FIT_FILE = "val.jsonl"
STREAM_FILE = "test_holdout.jsonl"
MEASURED = ("reward", "cost")


class MissingData(Exception):
    """The prompts are not installed; the text says how to get them."""


class Tasks(NamedTuple):
    """n recorded tasks and what each of k agents made of them.

    quality in [0, 1] and cost_usd are (n, k), the agents in the order of `agents`.
    """

    agents: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    work_types: tuple[str, ...]
    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.intp]) -> Tasks:
        """The tasks at these indices, in this order."""
        ids, texts, work_types = (
            tuple(column[i] for i in index) for column in (self.ids, self.texts, self.work_types)
        )
        return Tasks(self.agents, ids, texts, work_types, self.quality[index], self.cost_usd[index])


def folder() -> Path:
    """Where the package's data files are; raises MissingData."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingData(
            "the demo's prompts are not installed: run `make demo`, "
            'or `pip install "routerd[demo]"`'
        )
    return Path(spec.submodule_search_locations[0]) / "data" / "examples"


def read(file: Path, agents: Sequence[str]) -> Tasks:
    """The tasks of one split, in file order; task ids are line numbers that sort as strings."""
    try:
        with file.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        values = np.array(
            [[[row["arms"][a][name] for a in agents] for row in rows] for name in MEASURED]
        )
        texts = tuple(str(row["prompt"]) for row in rows)
        work_types = tuple(str(row["source"]) for row in rows)
    except OSError as error:
        raise MissingData(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError) as error:
        raise MissingData(f"{file} is not what paretobandit 0.1.1 ships: {error!r}") from None
    ids = tuple(f"{file.stem}-{number:05d}" for number in range(1, len(rows) + 1))
    return Tasks(tuple(agents), ids, texts, work_types, values[0], values[1])


def shuffled(tasks: Tasks, seed: int, limit: int | None) -> Tasks:
    """The stream of a seed: numpy's permutation over the ids sorted as strings, then cut."""
    in_order = np.argsort(np.array(tasks.ids), kind="stable")
    return tasks.take(in_order[np.random.default_rng(seed).permutation(len(tasks))][:limit])

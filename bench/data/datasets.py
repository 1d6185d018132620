"""Recorded tasks by name: files in the long schema, and the sets that installed packages carry.

paretobandit:val and paretobandit:test_holdout are real prompts answered by three language models
(package paretobandit, Apache-2.0). digits, iris, wine and breast_cancer (scikit-learn) and segment
(river) are classification sets under the multiclass protocol: an agent is a class, its quality is 1
where it is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.data import longfile
from bench.data.recorded import Array, DataError, Recorded


def load(
    path: str | Path,
    agents: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Recorded:
    """A file in the long schema, or a set of NAMED, with some of its agents or all.

    columns: what columns of the file are called, by the names of the schema.

    Raises DataError with one sentence that names the row or the column.
    """
    name = str(path)
    if name in NAMED and not Path(path).exists():
        if columns:
            raise DataError(f"{name} has columns of its own: --columns names those of a file")
        found = NAMED[name]()
    else:
        found = longfile.read(Path(path), Path(path).stem, columns)
    if agents is None:
        return found
    if len(set(agents)) < 2:
        raise DataError(f"{name}: routing needs two agents or more; --agents names {len(agents)}")
    return found.subset(agents)


def paretobandit(split: str) -> Recorded:
    """`val` (1,785 prompts) or `test_holdout` (1,824); ids are line numbers, domains sources."""
    spec = find_spec("pareto_bandit")
    if spec is None or not spec.submodule_search_locations:
        raise missing("paretobandit", f"paretobandit:{split}")
    file = Path(spec.submodule_search_locations[0]) / "data" / "examples" / f"{split}.jsonl"
    try:
        with file.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        agents = sorted(rows[0]["arms"])
        values = np.array(
            [[[row["arms"][a][m] for a in agents] for row in rows] for m in ("reward", "cost")]
        )
        return Recorded(
            name=f"paretobandit:{split}",
            task_ids=tuple(f"{split}-{number:05d}" for number in range(1, len(rows) + 1)),
            agents=tuple(agents),
            domain=tuple(str(row["source"]) for row in rows),
            text=tuple(str(row["prompt"]) for row in rows),
            quality=values[0],
            cost_usd=values[1],
        )
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, IndexError) as error:
        raise DataError(f"{file} is not what paretobandit 0.1.1 ships: {error!r}") from None


def digits() -> Recorded:
    """Handwritten digits: 1,797 tasks of 64 pixels in [0, 1], 10 classes."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise missing("scikit-learn", "digits") from None
    found = load_digits()
    labels = [str(label) for label in found.target]
    names = tuple(f"pixel_{i:02d}" for i in range(found.data.shape[1]))
    return multiclass("digits", np.asarray(found.data, dtype=np.float64) / 16.0, names, labels)


def measured(name: str) -> Recorded:
    """iris (150 tasks of 4 measures, 3 classes), wine (178, 13, 3), breast_cancer (569, 30, 2)."""
    try:
        from sklearn import datasets
    except ModuleNotFoundError:
        raise missing("scikit-learn", name) from None
    x, label = getattr(datasets, f"load_{name}")(return_X_y=True)
    names = tuple(f"number_{i:02d}" for i in range(x.shape[1]))
    return multiclass(name, standard(x), names, [str(of) for of in label.tolist()])


def segment() -> Recorded:
    """Image segments: 2,310 tasks of 18 measures, each in its own unit: standardised; 7 classes."""
    try:
        from river.datasets import ImageSegments
    except ModuleNotFoundError:
        raise missing("river", "segment") from None
    rows, labels = zip(*ImageSegments(), strict=True)
    names = tuple(sorted(rows[0]))
    values = np.array([[float(row[name]) for name in names] for row in rows])
    return multiclass("segment", standard(values), names, [str(label) for label in labels])


def standard(x: Array) -> Array:
    """Columns of mean 0 and standard deviation 1; those that never vary are 0."""
    spread = x.std(axis=0)
    scaled: Array = (x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return scaled


def multiclass(
    name: str, numbers: Array, number_names: tuple[str, ...], labels: Sequence[str]
) -> Recorded:
    """A classification set as tasks: to choose an agent is to guess a class.

    numbers (n, p) are scaled to about one already; columns that never vary are left out.
    """
    agents = tuple(sorted(set(labels)))
    varies = np.flatnonzero(np.ptp(numbers, axis=0) > 0)
    return Recorded(
        name=name,
        task_ids=tuple(f"{name}-{number:05d}" for number in range(1, len(labels) + 1)),
        agents=agents,
        domain=("",) * len(labels),
        text=("",) * len(labels),
        quality=(np.array(labels)[:, None] == np.array(agents)).astype(np.float64),
        numbers=numbers[:, varies],
        number_names=tuple(number_names[column] for column in varies),
    )


def missing(package: str, name: str) -> DataError:
    return DataError(
        f"{name} comes with the package {package}, which is not installed: pip install "
        f'"routerd[bench]"'
    )


NAMED: dict[str, Callable[[], Recorded]] = {
    "paretobandit:val": lambda: paretobandit("val"),
    "paretobandit:test_holdout": lambda: paretobandit("test_holdout"),
    "digits": digits,
    "segment": segment,
    **{name: partial(measured, name) for name in ("iris", "wine", "breast_cancer")},
}
"""Sets that installed packages carry; a file of the same name goes before."""

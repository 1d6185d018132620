"""From a task to x: the typed feature schema applied, once, when the decision is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from learners import features
from learners.base import Array
from routerd.core.settings import (
    CategoryFeature,
    EmbeddingFeature,
    Feature,
    NumberFeature,
    TextFeature,
)
from routerd.core.values import Query, Task

CELLS = 64
CELL_SPACE = ""  # a name that no feature can have

Slots = Mapping[str, Mapping[str, int]]


def category(task: Task | Query, name: str) -> str:
    """The value of `work_type`, `domain` or a label; "" when absent."""
    if name == "work_type":
        return task.work_type
    return task.domain if name == "domain" else task.labels.get(name, "")


def matches(query: Query, when: Mapping[str, str]) -> bool:
    """Whether a task has all the values that a rule is for."""
    return all(category(query, name) == value for name, value in when.items())


class Encoder:
    """The encoder of one feature schema: x[0] is the intercept, then each feature's columns.

    An absent or unknown value leaves its columns zero. Categories without declared values get
    slots in order of first sight; the slots are state, so encode only says which would be new.
    embedding_dimension: the length that task.embedding must have; 0 when the schema has none.
    recurs: whether all contexts come again.
    """

    def __init__(self, schema: tuple[Feature, ...], seed: int) -> None:
        self.seed = seed
        self.columns: list[tuple[Feature, int]] = []
        self.numbers: list[tuple[str, int, float, float]] = []
        self.categories: list[tuple[CategoryFeature, int, dict[str, int] | None]] = []
        self.texts: list[tuple[TextFeature, int]] = []
        self.embeddings: list[tuple[EmbeddingFeature, int, Array]] = []
        self.width = 1
        for feature in schema:
            self.columns.append((feature, self.width))
            self._sort_in(feature, self.width)
            self.width += width(feature)
        # Contexts of categories are few; where numbers take part, hardly two are alike.
        self.recurs = not (self.numbers or self.texts or self.embeddings)
        self.embedding_dimension = self.embeddings[0][0].dimension if self.embeddings else 0

    def _sort_in(self, feature: Feature, start: int) -> None:
        match feature:
            case NumberFeature():
                self.numbers.append((feature.name, start, feature.centre, feature.scale))
            case CategoryFeature():
                declared = {value: i for i, value in enumerate(feature.values)} or None
                self.categories.append((feature, start, declared))
            case TextFeature():
                self.texts.append((feature, start))
            case EmbeddingFeature():
                matrix = features.projection(feature.dimension, feature.size, self.seed)
                self.embeddings.append((feature, start, matrix))

    def encode(self, task: Task, slots: Slots) -> tuple[Array, int, tuple[tuple[str, str], ...]]:
        """x (width,), the cell of the task's work type, and the slots (space, value) it adds."""
        x = np.zeros(self.width)
        x[0] = 1.0
        fresh: list[tuple[str, str]] = []
        for name, start, centre, scale in self.numbers:
            value = task.complexity if name == "complexity" else task.features.get(name)
            if value is not None:
                x[start] = features.number(value, centre, scale)
        for kind, start, declared in self.categories:
            value_of = category(task, kind.name)
            if declared is None:
                index = take_slot(kind.name, value_of, kind.slots, slots, fresh)
            else:
                index = declared.get(value_of, -1)
            if index >= 0:
                x[start + index] = 1.0
        for text, start in self.texts:
            words = features.hashed_text(task.description, text.size, self.seed)
            x[start : start + text.size] = words
        if task.embedding:
            for embedding, start, matrix in self.embeddings:
                given = np.array(task.embedding)
                x[start : start + embedding.size] = features.projected(given, matrix)
        cell = take_slot(CELL_SPACE, task.work_type, CELLS - 1, slots, fresh) + 1
        return x, cell, tuple(fresh)

    def column(self, name: str, value: str, slots: Slots) -> int | None:
        """The column of a category's value; None while it has none."""
        for kind, start, declared in self.categories:
            if kind.name == name:
                index = (slots.get(name, {}) if declared is None else declared).get(value)
                return None if index is None else start + index
        return None


def width(feature: Feature) -> int:
    """Columns of one feature."""
    if isinstance(feature, NumberFeature):
        return 1
    if isinstance(feature, CategoryFeature):
        return len(feature.values) or feature.slots
    return feature.size


def take_slot(space: str, value: str, size: int, slots: Slots, fresh: list[tuple[str, str]]) -> int:
    """The slot of a value, a free one noted in `fresh`, or -1 for no value and no room."""
    if not value:
        return -1
    known = slots.get(space, {})
    index = known.get(value)
    if index is not None:
        return index
    if len(known) >= size:
        return -1
    fresh.append((space, value))
    return len(known)

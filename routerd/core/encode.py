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


def quantity(task: Task, name: str) -> float | None:
    """The value of `complexity` or of an entry of features; None when absent."""
    return task.complexity if name == "complexity" else task.features.get(name)


class Encoder:
    """The encoder of one feature schema: x[0] is the intercept, then each feature's columns.

    An absent or unknown value leaves its columns zero. Categories without declared values get
    slots in order of first sight; the slots are state, so encode only says which would be new.
    embedding_dimension: the length that task.embedding must have; 0 when the schema has none.
    """

    def __init__(self, schema: tuple[Feature, ...], seed: int) -> None:
        self.seed = seed
        self.columns: list[tuple[Feature, int]] = []
        self.matrices: dict[str, Array] = {}
        self.declared: dict[str, dict[str, int]] = {}
        self.embedding_dimension = 0
        self.width = 1
        for feature in schema:
            self.columns.append((feature, self.width))
            if isinstance(feature, CategoryFeature) and feature.values:
                self.declared[feature.name] = {v: i for i, v in enumerate(feature.values)}
            if isinstance(feature, EmbeddingFeature):
                self.embedding_dimension = feature.dimension
                self.matrices[feature.name] = features.projection(
                    feature.dimension, feature.size, seed
                )
            self.width += width(feature)

    def encode(self, task: Task, slots: Slots) -> tuple[Array, int, tuple[tuple[str, str], ...]]:
        """x (width,), the cell of the task's work type, and the slots (space, value) it adds."""
        x = np.zeros(self.width)
        x[0] = 1.0
        fresh: list[tuple[str, str]] = []
        for feature, start in self.columns:
            if isinstance(feature, CategoryFeature):
                index = self._slot(feature, category(task, feature.name), slots, fresh)
                if index >= 0:
                    x[start + index] = 1.0
            elif isinstance(feature, NumberFeature):
                value = quantity(task, feature.name)
                if value is not None:
                    x[start] = features.number(value, feature.centre, feature.scale)
            elif isinstance(feature, TextFeature):
                x[start : start + feature.size] = features.hashed_text(
                    task.description, feature.size, self.seed
                )
            elif task.embedding:
                x[start : start + feature.size] = features.projected(
                    np.array(task.embedding), self.matrices[feature.name]
                )
        cell = take_slot(CELL_SPACE, task.work_type, CELLS - 1, slots, fresh) + 1
        return x, cell, tuple(fresh)

    def _slot(
        self, feature: CategoryFeature, value: str, slots: Slots, fresh: list[tuple[str, str]]
    ) -> int:
        declared = self.declared.get(feature.name)
        if declared is not None:
            return declared.get(value, -1)
        return take_slot(feature.name, value, feature.slots, slots, fresh)


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

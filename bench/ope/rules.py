"""Policies without a configuration: uniform, always:AGENT, logged; column:NAME in a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.recorded import DataError
from learners.base import Array

UNIFORM, LOGGED, ALWAYS, COLUMN = "uniform", "logged", "always:", "column:"

FORMS = f"{UNIFORM}, {LOGGED}, {ALWAYS}ACTION"


def is_rule(policy: str) -> bool:
    """Whether a --policy is one of these, and not a file."""
    return policy in (UNIFORM, LOGGED) or policy.startswith((ALWAYS, COLUMN))


def rule_law(
    rule: str, actions: tuple[str, ...], eligible: NDArray[np.bool_], law: Array | None
) -> Array | None:
    """The rule's law (n, K) over the rows' eligible actions (n, K).

    None when it is the logged law and that is not known. Raises DataError for an unknown action.

    >>> rule_law("uniform", ("a", "b", "c"), np.array([[True, False, True]]), None)
    array([[0.5, 0. , 0.5]])
    >>> rule_law("always:b", ("a", "b"), np.array([[True, True]]), None)
    array([[0., 1.]])
    """
    if rule == LOGGED:
        return law
    if rule == UNIFORM:
        shares: Array = eligible / eligible.sum(-1, keepdims=True)
        return shares
    wanted = rule.removeprefix(ALWAYS)
    if wanted not in actions:
        some = ", ".join(actions[:10]) + (", ..." if len(actions) > 10 else "")
        raise DataError(f"--policy {rule}: no such action in the log; it has {some}")
    fixed = np.zeros(eligible.shape)
    fixed[:, actions.index(wanted)] = 1.0
    return fixed

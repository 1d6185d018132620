"""A table of logged decisions as rows for off-policy evaluation, its columns mapped.

One row a decision, in the order in which they were made. Which column holds what is said by a
mapping such as action=item_id,reward=click,propensity=propensity_score. What is not mapped is taken
from the column on the right, if the table has it; what is mapped to nothing is not looked at:

    action      what was done                                                  agent_id
    reward      what it earned; rows without one are left out                  quality
    propensity  the probability with which it was done                         propensity
    law         JSON: {action: probability} of everything that could be done   law
    context     what the outcome model may look at, several joined by +        work_type
    executed    who ran, where that was named; such rows are left out          executed_agent_id
    reason      rows that nobody drew are left out: EXPLICIT, SIGNAL_ROUTE      reason
    stages      JSON: rows that follow another one's draw are left out          stages
    request     whose draw it was; rows of one that came before are left out    request_id
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data.recorded import DataError
from bench.data.tablefile import Table, Unreadable, open_table
from bench.ope.estimators import Sample
from bench.ope.refusal import NO_PROPENSITY, NO_ROWS, outcomes_missing
from bench.ope.rules import COLUMN, LOGGED, rule_law
from learners.base import Array
from routerd.core.values import Reason

DEFAULTS = {
    "action": "agent_id",
    "reward": "quality",
    "propensity": "propensity",
    "law": "law",
    "context": "work_type",
    "executed": "executed_agent_id",
    "reason": "reason",
    "stages": "stages",
    "request": "request_id",
}
NEEDED = ("action", "reward")
ALWAYS = (*NEEDED, "propensity")
"""What cannot be mapped to nothing."""
FORCED = ((Reason.EXPLICIT, "explicit"), (Reason.SIGNAL_ROUTE, "signal_route"))
"""Reasons of rows that nobody drew, and what they are counted as."""
FOLLOWING = (("companion", "companion"), ("sticky", "session_goes_on"))
"""Stages of rows that follow another one's draw, and what they are counted as."""
NAMED = "executed_agent_named"
"""What rows are counted as that name who ran."""

# Categories of a context column that get a column each; rarer ones share none.
MOST_VALUES = 16


class Logged(NamedTuple):
    """A table as a sample, None when no row is left or `unfit` says why none can be judged."""

    sample: Sample | None
    actions: tuple[str, ...]
    left_out: Mapping[str, int]
    rows: int
    unfit: str | None = None


def read_table(
    path: Path,
    columns: Mapping[str, str],
    policy: str,
    *,
    where: Sequence[tuple[str, str]] = (),
    bounds: tuple[float, float] | None = None,
) -> Logged:
    """Judge a rule of bench.ope.rules on the rows whose columns equal `where`.

    bounds: least and largest possible reward; taken to be (0, 1) when every reward is 0 or 1.
    Raises DataError with one sentence that names the row or the column.
    """
    return _Reader(path, open_table(path), columns).logged(policy, where, bounds)


class _Reader:
    """Reads mapped columns at the rows that are kept; knows how to name a row."""

    def __init__(self, path: Path, table: Table, columns: Mapping[str, str]) -> None:
        self.path, self.table = path, table
        unknown = [role for role in columns if role not in DEFAULTS]
        if unknown:
            raise DataError(f"--columns: {unknown[0]!r} is none of {', '.join(DEFAULTS)}")
        self.columns = {**DEFAULTS, **columns}
        for role, name in self.columns.items():
            if role in ALWAYS and not name:
                raise DataError(
                    f"--columns: {role}= names no column; nothing can be judged without it"
                )
            if name and (role in NEEDED or role in columns):
                for part in name.split("+") if role == "context" else [name]:
                    self.require(part, f"for {role}")
        if table.rows == 0:
            raise DataError(f"{path} has no rows")
        self.kept = np.arange(table.rows)

    def require(self, name: str, what_for: str) -> None:
        if name not in self.table.names:
            has = ", ".join(self.table.names[:12]) or "none"
            raise DataError(
                f"{self.path}: the column {name} ({what_for}) is missing; its columns are {has}"
            )

    def has(self, role: str) -> bool:
        return bool(self.columns[role]) and self.columns[role] in self.table.names

    def logged(
        self, policy: str, where: Sequence[tuple[str, str]], bounds: tuple[float, float] | None
    ) -> Logged:
        """All columns, checked, and the rule's law on them."""
        left_out: Counter[str] = Counter()
        self.filter(where)
        self.leave_undrawn(left_out)
        drawn = self.kept
        names = self.texts(self.columns["action"])
        if None in names:
            raise self.wrong(names.index(None), self.columns["action"], "is missing")
        laws = self.laws()
        self.leave_unknown(left_out)
        here = np.isin(drawn, self.kept)
        lost = [(str(names[i]), laws[i]) for i in np.flatnonzero(~here)] if laws else []
        names, laws = list(compress(names, here)), list(compress(laws, here))
        rows = len(self.kept)
        if not rows:
            return Logged(None, (), left_out, 0, self.all_named(left_out))
        reward = self.numbers(self.columns["reward"])
        bounds = self.bounds(reward, bounds)
        propensity, unfit = self.propensities()
        unfit = unfit or outcomes_missing(lost)
        if unfit:
            return Logged(None, (), left_out, rows, unfit)
        known = set(names).union(*laws) if laws else set(names)
        actions = tuple(sorted(str(name) for name in known))
        index = {name: k for k, name in enumerate(actions)}
        action = np.array([index[str(name)] for name in names], np.intp)
        law, eligible = as_arrays(laws, index, rows)
        judged, own = self.judged(policy, actions, eligible, law, propensity, action)
        sample = Sample(
            action=action,
            reward=reward,
            propensity=propensity,
            policy_propensity=own,
            policy=judged,
            law=law,
            x=self.contexts(),
            bounds=bounds,
        )
        return Logged(sample, actions, left_out, rows)

    def filter(self, where: Sequence[tuple[str, str]]) -> None:
        """Keep the rows whose columns equal the values."""
        for name, value in where:
            self.require(name, "--where")
            self.kept = self.kept[[text == value for text in self.texts(name)]]
        if not len(self.kept):
            told = " and ".join(f"{name}={value}" for name, value in where)
            raise DataError(f"{self.path}: no row has {told}")

    def leave_undrawn(self, left_out: Counter[str]) -> None:
        """Drop and count rows whose action nobody drew, or an earlier row's draw decided."""
        if self.has("reason"):
            for forced, why in FORCED:
                named = [text == forced for text in self.texts(self.columns["reason"])]
                self.drop(np.array(named), why, left_out)
        if self.has("stages"):
            for stage, why in FOLLOWING:
                stages = self.texts(self.columns["stages"])
                self.drop(
                    np.array([f'"{stage}"' in (text or "") for text in stages]), why, left_out
                )
        if self.has("request"):
            again = came_before(self.texts(self.columns["request"]))
            self.drop(np.array(again), "request_id_again", left_out)

    def leave_unknown(self, left_out: Counter[str]) -> None:
        """Drop and count rows without an outcome of what was drawn."""
        if self.has("executed"):
            # Even if it is the chosen one: kept only where they agree, rows would favour that one.
            named = [bool(ran) for ran in self.texts(self.columns["executed"])]
            self.drop(np.array(named), NAMED, left_out)
        silent = np.isnan(self.numbers(self.columns["reward"]))
        self.drop(silent, "without_outcome", left_out)

    def all_named(self, left_out: Mapping[str, int]) -> str | None:
        """Why no row is left, where that is because the table names who ran in them."""
        named = left_out.get(NAMED, 0)
        if not named:
            return None
        column = self.columns["executed"]
        return (
            f"{NO_ROWS}: no decision is left that can be judged: {column} names who ran in "
            f"{named:,} of them, so something else chose than the draw; where it only repeats who "
            "was drawn, give --columns executed= and it is not looked at"
        )

    def drop(self, rows: NDArray[np.bool_], why: str, left_out: Counter[str]) -> None:
        if rows.any():
            left_out[why] += int(rows.sum())
            self.kept = self.kept[~rows]

    def propensities(self) -> tuple[Array, str | None]:
        """The propensities, or why there are none."""
        column = self.columns["propensity"]
        if not self.has("propensity"):
            return np.empty(0), (
                f"{NO_PROPENSITY}: the table has no column {column}; without the probability of "
                "what was done, what else would have earned cannot be told"
            )
        found = self.numbers(column)
        missing = np.isnan(found)
        if missing.any():
            told = f"{int(missing.sum()):,} of {len(found):,} rows have no {column}"
            return found, f"{NO_PROPENSITY}: {told}"
        outside = (found <= 0.0) | (found > 1.0)
        if outside.any():
            row = int(outside.argmax())
            raise self.wrong(row, column, f"is {found[row]:g}; it must be in (0, 1]")
        return found, None

    def bounds(
        self, reward: Array, given: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        """The bounds given, which all rewards must keep; (0, 1) when every reward is 0 or 1."""
        if given is None:
            return (0.0, 1.0) if bool(np.isin(reward, (0.0, 1.0)).all()) else None
        outside = (reward < given[0]) | (reward > given[1])
        if outside.any():
            row = int(outside.argmax())
            told = f"is {reward[row]:g}, outside --bounds {given[0]:g},{given[1]:g}"
            raise self.wrong(row, self.columns["reward"], told)
        return given

    def laws(self) -> list[dict[str, float]]:
        """The whole law of every row; empty when the table has none."""
        if not self.has("law"):
            return []
        column, found = self.columns["law"], []
        for row, text in enumerate(self.texts(column)):
            try:
                law = json.loads(text or "")
                shares = {str(name): float(p) for name, p in law.items()}
                whole = abs(sum(shares.values()) - 1.0) < 1e-6 and min(shares.values()) >= 0.0
            except (ValueError, TypeError, AttributeError):
                whole = False
            if not whole:
                raise self.wrong(row, column, "is no JSON of {action: probability} with sum 1")
            found.append(shares)
        return found

    def judged(
        self,
        policy: str,
        actions: tuple[str, ...],
        eligible: NDArray[np.bool_],
        law: Array | None,
        propensity: Array,
        action: NDArray[np.intp],
    ) -> tuple[Array | None, Array]:
        """The judged policy's law (n, K), if known, and its probability of what was done (n,)."""
        if policy.startswith(COLUMN):
            column = policy.removeprefix(COLUMN)
            self.require(column, "--policy")
            own = self.numbers(column)
            outside = ~((own >= 0.0) & (own <= 1.0))
            if outside.any():
                row = int(outside.argmax())
                raise self.wrong(row, column, f"is {own[row]:g}; it must be in [0, 1]")
            return None, own
        judged = rule_law(policy, actions, eligible, law)
        if judged is None:
            assert policy == LOGGED
            return None, propensity
        return judged, np.take_along_axis(judged, action[:, None], 1)[:, 0]

    def contexts(self) -> Array:
        """An intercept and the one-hot of every context column (n, p)."""
        columns = [np.ones(len(self.kept))]
        for name in filter(None, self.columns["context"].split("+")):
            if name in self.table.names:
                texts = [text or "" for text in self.texts(name)]
                common = [value for value, _ in Counter(texts).most_common(MOST_VALUES)]
                values = np.array(texts)
                # The last of all values is told by the absence of the others.
                told = common[:-1] if len(common) == len(set(texts)) else common
                columns += [(values == value).astype(np.float64) for value in told]
        return np.stack(columns, -1)

    def texts(self, name: str) -> list[str | None]:
        return self.table.texts(name, self.kept)

    def numbers(self, name: str) -> Array:
        """A column at the kept rows; NaN where missing."""
        try:
            values = self.table.floats(name)[self.kept]
        except Unreadable as error:
            told = f"is {error.value[:40]!r}; it must be a number"
            raise DataError(f"{self.path}: row {error.row + 1}: {name} {told}") from None
        if np.isinf(values).any():
            raise self.wrong(int(np.isinf(values).argmax()), name, "is infinite")
        return values

    def wrong(self, row: int, column: str, told: str) -> DataError:
        """What is wrong at one of the kept rows."""
        return DataError(f"{self.path}: row {int(self.kept[row]) + 1}: {column} {told}")


def as_arrays(
    laws: list[dict[str, float]], index: Mapping[str, int], rows: int
) -> tuple[Array | None, NDArray[np.bool_]]:
    """Laws as (n, K), None without any, and what could be done in each row (n, K)."""
    if not laws:
        return None, np.ones((rows, len(index)), np.bool_)
    law = np.zeros((rows, len(index)))
    eligible = np.zeros(law.shape, np.bool_)
    for row, shares in enumerate(laws):
        at = [index[name] for name in shares]
        law[row, at] = list(shares.values())
        eligible[row, at] = True
    return law, eligible


def came_before(names: Sequence[str | None]) -> list[bool]:
    """Of each whether the same stands before it. What is empty is nobody's.

    >>> came_before(["a", None, "b", "a", None])
    [False, False, False, True, False]
    """
    seen: set[str] = set()
    found = []
    for name in names:
        found.append(name in seen)
        if name:
            seen.add(name)
    return found

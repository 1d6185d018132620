"""The compiled loops compute what learners.plain says, refuse what does not fit, and leave the rest
as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from learners import kernel, plain, plain_law
from learners.base import Array
from tests.learners.test_law import crowds_with_narrow_arms, random_cases

if not kernel.COMPILED:
    pytest.skip("there was no C compiler when this was installed", allow_module_level=True)

from learners import _kernel

SHAPES = ((1, 1), (2, 3), (3, 26), (9, 16), (16, 64))


def close(these: list[Array], those: list[Array]) -> None:
    for a, b in zip(these, those, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def contexts(rng: np.random.Generator, rows: int, d: int) -> Array:
    """With as many zeros as work types in one-hot columns bring."""
    x = rng.normal(size=(rows, d)) * (rng.random((rows, d)) < 0.3)
    x[:, 0] = 1.0
    return x


def precision(rng: np.random.Generator, count: int, d: int) -> Array:
    a = rng.normal(size=(count, d, d))
    inverse: Array = np.linalg.inv(np.matmul(a, a.transpose(0, 2, 1)) + np.eye(d))
    return inverse


def test_laws() -> None:
    # three arms of which two are all but points, on either side of where that is too narrow
    narrow = [(np.array([0.0, 0.3, 0.3 + r]), np.array([1.0, r, r])) for r in (3e-9, 3e-8)]
    for mean, sd in [*random_cases(1500, 31, (1, 40)), *crowds_with_narrow_arms(40, 32), *narrow]:
        compiled, numpy = np.empty((2, mean.size))
        _kernel.laws(mean, sd, compiled, mean.size, 0.0)
        plain_law.laws(mean, sd, numpy, mean.size, 0.0)
        np.testing.assert_allclose(compiled, numpy, rtol=0.0, atol=1e-11)


def values() -> Iterator[tuple[Any, ...]]:
    """What is given before the scores."""
    rng = np.random.default_rng(33)
    for arms, m in ((1, 1), (3, 7), (8, 32)):
        for horizon in (90.0, 1e5 * rng.random(arms)):
            for under_way in (np.zeros(arms), 50.0 * rng.random(arms)):
                gap = rng.random((arms, m)) * rng.choice([0.0, 0.01, 1.0])
                leads, covariance = rng.dirichlet(np.ones(arms)), 0.02 * rng.normal(size=(arms, m))
                yield *rng.random((2, arms)), horizon, gap, leads, covariance, under_way


def test_value_of_information() -> None:
    for given in values():
        made = []
        for module in (_kernel, plain):
            centre, sd, law = np.empty((3, given[0].size))
            module.value_of_information(*given, centre, sd, law, 0.2, 0.15, 256.0, 0.1)
            made.append([centre, sd, law])
        close(*made)


@pytest.mark.parametrize(("k", "d"), SHAPES)
def test_joint_and_means(k: int, d: int) -> None:
    rng = np.random.default_rng(34)
    ai, own, pull = precision(rng, k, d), rng.normal(size=(k, d)), rng.normal(size=d)
    m, v, r_inv = 3 * k, precision(rng, 1, d)[0], rng.random(d)
    x, at, made = contexts(rng, 5, d), np.ascontiguousarray(contexts(rng, m, d).T), []
    for module in (_kernel, plain):
        mean, variance, across = np.empty((5, k)), np.empty((5, k)), np.empty((5, k, m))
        module.joint(ai, own, pull, v, r_inv, x, at, mean, variance, across, 0.5, 0.2)
        again = np.empty((5, k))
        module.means(ai, own, pull, x, again, 0, 0.5)
        made += [[mean, variance, across], [again, variance, across]]
        for arm in range(k):
            alone = np.empty((5, 1))
            module.means(ai, own, pull, x, alone, arm, 0.5)
            close([alone[:, 0]], [again[:, arm]])
    for others in made[1:]:
        close(made[0], others)


@pytest.mark.parametrize(("k", "d"), SHAPES)
def test_learn_and_add(k: int, d: int) -> None:
    rng = np.random.default_rng(35)
    ai, v = precision(rng, 2, d)
    begun = [ai, v, *(rng.normal(size=d) for _ in range(3))]
    begun += [np.zeros((k, d, d)), rng.normal(size=(k, d)), *rng.random((2, k))]
    r_inv, made = rng.random(d), []
    outcomes = list(zip(contexts(rng, 9, d), *rng.random((2, 9)).tolist(), strict=True))
    for module in (_kernel, plain):
        ai, v, hm, own, pull, lam, h, n, yy = now = [a.copy() for a in begun]
        for x, y, w in outcomes:
            module.add(lam, h, n, yy, x, k - 1, y, w)
            assert module.learn(ai, v, hm, own, pull, h[k - 1], r_inv, x, y, w)
        made.append(now)
    close(*made)


def test_a_step_that_would_divide_by_next_to_nothing_moves_nothing() -> None:
    for module in (_kernel, plain):
        now = [np.eye(2), np.eye(2), *(np.ones(2) for _ in range(4))]
        was = [a.copy() for a in now]
        assert module.learn(*now, np.ones(2), np.array([1.0, 0.0]), 0.5, 1e-7 - 1.0) is False
        assert all((a == b).all() for a, b in zip(now, was, strict=True))


def test_expect() -> None:
    rng = np.random.default_rng(38)
    for k, cells in ((1, 1), (3, 17)):
        n = rng.integers(0, 4, (k, cells)).astype(np.float64)
        s, prior = 3.0 * n * rng.random((k, cells)), 4.0 * rng.random(k)
        some, none = n.sum(1), np.full(k, 1e-8)  # what retractions leave, or hardly
        counts = ((0.0, 0.0, some), (0.3, 2.0, some), (50.0, 900.0, some), (9e9, 0.0, none))
        for y, within, count in counts:
            sums = np.array([count, s.sum(1), np.full(k, within), y * count]).T.copy()
            made = []
            for module in (_kernel, plain):
                mean, variance = np.full((2, k, cells), -1.0)
                module.expect(n, s, sums, prior, mean, variance, k - 1, 1e-4)
                made.append([mean, variance])
                assert (mean[: k - 1] == -1.0).all(), "the others stay"
            close(*made)


def test_watch() -> None:
    rng = np.random.default_rng(37)
    compiled, numpy = np.zeros((6, 4)), np.zeros((6, 4))
    for mark in range(400):
        mean, y = min(max(rng.uniform(-0.1, 1.1), 0.0), 1.0), float(rng.random() < 0.5)
        level = _kernel.watch(compiled, mean, y, float(mark))
        assert level == pytest.approx(plain.watch(numpy, mean, y, float(mark)), abs=1e-9)
    close([compiled], [numpy])
    assert np.ptp(compiled[:, 1]) > 0  # the runs began at different outcomes


def test_what_does_not_fit_is_refused() -> None:
    three, four = np.ones(3), np.ones(4)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _kernel.laws(three, four, four, 4, 0.0)
    with pytest.raises(ValueError, match="an arm or more"):
        _kernel.laws(three, three, three, 0, 0.0)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _kernel.add(np.ones((3, 3)), three, np.ones(1), np.ones(1), four, 0, 1.0, 1.0)
    cells = np.ones((2, 3))
    for arm, sums in ((-1, np.ones((2, 4))), (2, np.ones((2, 4))), (0, np.ones((2, 3)))):
        with pytest.raises(ValueError, match="shapes do not agree"):
            _kernel.expect(cells, cells, sums, np.ones(2), cells, cells, arm, 1e-4)
    fit = np.ones((2, 3, 3)), np.ones((2, 3))
    for arm in (-1, 2):
        with pytest.raises(ValueError, match="shapes do not agree"):
            _kernel.add(*fit, np.ones(2), np.ones(2), three, arm, 1.0, 1.0)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _kernel.joint(*fit, four, np.eye(3), three, three, three, three, three, three, 0.0, 1.0)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _kernel.learn(np.eye(3), np.eye(3), three, three, three, three, four, three, 1.0, 1.0)
    with pytest.raises(ValueError, match="shapes do not agree"):
        _kernel.watch(np.ones(23), 0.5, 0.5, 1.0)
    for first in (-1, 1):  # two from the last on are one too many
        with pytest.raises(ValueError, match="shapes do not agree"):
            _kernel.means(*fit, three, three, np.ones((1, 2)), first, 0.5)
    value: Any = _kernel.value_of_information
    agreeing = [*[three] * 7, *np.empty((3, 3))]
    for wrong in range(10):
        given = [*agreeing[:wrong], four, *agreeing[wrong + 1 :]]
        with pytest.raises(ValueError, match="shapes do not agree"):
            value(*given, 0.1, 0.1, 256.0, 0.0)
    with pytest.raises(ValueError, match="an arm or more"):
        value(np.full(3, np.inf), *agreeing[1:], 0.1, 0.1, 256.0, 0.0)
    with pytest.raises(TypeError, match="arrays of doubles"):
        _kernel.laws(np.array([1, 2, 3]), three, three, 3, 0.0)
    with pytest.raises(ValueError, match="contiguous"):
        _kernel.laws(np.ones((3, 2))[:, 0], three, three, 3, 0.0)
    with pytest.raises(TypeError, match="need 5 arguments"):
        _kernel.laws(three, three, three)  # type: ignore[call-arg]
    read_only = np.ones(3)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _kernel.laws(three, three, read_only, 3, 0.0)

"""Worlds do what they say: their truth is what a long simulation earns."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ope.worlds import (
    ARMS,
    CONTEXTS,
    WORLDS,
    EpsilonGreedy,
    Fixed,
    Indices,
    World,
    make,
    simulate,
)
from learners.base import Array


def law(seed: int) -> Array:
    """A random law by context."""
    found: Array = np.random.default_rng(seed).dirichlet(np.ones(ARMS), CONTEXTS)
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_the_truth_is_what_a_simulation_earns(name: str) -> None:
    """The value of a policy in closed form is the mean of simulated rewards under it."""
    world, policy = make(name, 3), law(1)
    rewards = simulate(world, Fixed(policy), logs=400, rows=200, seed=5).reward
    error = rewards.mean() - world.value(policy, 200)
    assert abs(error) < 4.5 * 0.5 / np.sqrt(rewards.size)


@pytest.mark.parametrize("name", WORLDS)
def test_the_logged_law_is_the_one_drawn_from(name: str) -> None:
    """Each arm is drawn as often as the laws of a learning policy say."""
    made = simulate(make(name), EpsilonGreedy(200, CONTEXTS, ARMS, 0.2), 200, 300, seed=6)
    for arm in range(ARMS):
        p = made.law[..., arm]
        error = ((made.arm == arm) - p).sum()
        assert abs(error) < 4.5 * np.sqrt((p * (1 - p)).sum())


class Listener:
    """A uniform law that counts what it was told before each row."""

    def __init__(self) -> None:
        self.heard = 0
        self.before_row: list[int] = []

    def law(self, context: Indices) -> Array:
        self.before_row.append(self.heard)
        return np.full((len(context), ARMS), 1.0 / ARMS)

    def learn(self, context: Indices, arm: Indices, reward: Array) -> None:
        self.heard += 1


@pytest.mark.parametrize("delay", [0, 1, 7])
def test_outcomes_arrive_exactly_the_delay_later(delay: int) -> None:
    """Before row t a law has heard of the rows before t - delay, and of no other."""
    listener = Listener()
    simulate(make("linear")._replace(delay=delay), listener, logs=1, rows=20, seed=0)
    assert listener.before_row == [max(0, row - delay) for row in range(20)]


def test_seeds_make_worlds_and_logs() -> None:
    """The same seeds give the same world and the same logs; other seeds give others."""
    first, again = make("piecewise", 4), make("piecewise", 4)
    assert np.array_equal(first.first, again.first)
    assert not np.array_equal(first.first, make("piecewise", 5).first)
    logs = [simulate(first, Fixed(law(2)), 2, 50, seed).reward for seed in (1, 1, 2)]
    assert np.array_equal(logs[0], logs[1])
    assert not np.array_equal(logs[0], logs[2])


def unexplained(world: World) -> float:
    """Mean squared rest of the means after a linear model of the numbers."""
    x = np.concatenate([np.ones((CONTEXTS, 1)), world.numbers], 1)
    fitted = x @ np.linalg.lstsq(x, world.first, rcond=None)[0]
    return float(((world.first - fitted) ** 2).mean())


def test_only_the_linear_world_is_linear() -> None:
    """A linear model explains the linear world's means, and leaves much of the piecewise one's."""
    assert unexplained(make("linear")) < 1e-4
    assert unexplained(make("piecewise")) > 0.01


def test_drift_turns_the_arms_around() -> None:
    """What is best at the start of the drifting world is not best at its end."""
    means = make("drifting").means(100)
    assert np.array_equal(means[0, :, ::-1], means[-1])
    assert (means[0].argmax(1) != means[-1].argmax(1)).mean() > 0.5


def test_the_adversary_sorts_the_traffic() -> None:
    """Contexts come in blocks, and the arms change places when half of them are through."""
    world = make("adversarial")
    made = simulate(world, Fixed(law(3)), logs=1, rows=80, seed=0)
    assert made.context[0].tolist() == sorted(made.context[0].tolist())
    half = CONTEXTS // 2
    assert np.array_equal(world.first[:half, ::-1], world.first[half:])

"""The conformance suite: what every learner and every policy must hold.

Use it from a test, for a learner of one's own as well:

    @pytest.mark.parametrize("check", LEARNER_CHECKS, ids=lambda check: check.__name__)
    def test_learner(check): check(lambda arms, d, gamma: MyLearner(arms, d, gamma))

A check raises AssertionError and says what was broken. Streams are seeded and bounds are stated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from learners.base import Array, Learner
from learners.law import win_probabilities, with_floor

Make = Callable[[int, int, float], Learner]
Scores = Callable[[Array, Array], tuple[Array, Array]]
Event = tuple[int, Array, float, float, int]

ARMS, WIDTH = 4, 5
CLOSE = 1e-9
ALL = slice(None)


def stream(count: int, seed: int, epochs: int = 1) -> list[Event]:
    """Seeded observations (arm, x, y, weight, epoch) with an intercept and mixed features."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for i in range(count):
        x = np.concatenate([[1.0], rng.normal(size=WIDTH - 1)])
        arm = int(rng.integers(ARMS))
        y = float(np.clip(0.5 + 0.1 * arm + 0.1 * x[1] + 0.2 * rng.normal(), 0, 1))
        events.append((arm, x, y, 1.0, i * epochs // count))
    return events


def taught(make: Make, events: list[Event], gamma: float = 1.0) -> Learner:
    learner = make(ARMS, WIDTH, gamma)
    for event in events:
        learner.observe(*event)
    return learner


def posterior_gap(a: Learner, b: Learner) -> float:
    """Largest difference of two learners' predictions over seeded contexts, after a refresh."""
    a.refresh()
    b.refresh()
    gap = 0.0
    for _, x, *_ in stream(20, seed=99):
        for one, other in zip(a.predict(x, ALL), b.predict(x, ALL), strict=True):
            gap = max(gap, float(np.abs(one - other).max()))
    return gap


def order_is_irrelevant(make: Make) -> None:
    """Any order of arrival ends in the same posterior."""
    events = stream(120, seed=1)
    shuffled = [events[i] for i in np.random.default_rng(2).permutation(len(events))]
    gap = posterior_gap(taught(make, events), taught(make, shuffled))
    assert gap < CLOSE, f"orders differ by {gap}"


def late_is_on_time(make: Make) -> None:
    """An observation of an old epoch that comes late weighs what it would have weighed."""
    events = stream(120, seed=3, epochs=4)
    late = events[:10] + events[40:] + events[10:40]
    gap = posterior_gap(taught(make, events, 0.8), taught(make, late, 0.8))
    assert gap < CLOSE, f"late arrivals differ by {gap}"


def retraction_is_exact(make: Make) -> None:
    """What was taken back leaves no trace, across epochs and rebuilds too."""
    events = stream(120, seed=4, epochs=3)
    wrong = stream(60, seed=5)
    learner = make(ARMS, WIDTH, 0.9)
    for event in [*wrong, *events]:
        learner.observe(*event)
    for arm, x, y, weight, epoch in wrong:
        learner.observe(arm, x, y, -weight, epoch)
    gap = posterior_gap(learner, taught(make, events, 0.9))
    assert gap < 1e-7, f"retracted observations left {gap}"


def discounting_is_weighing(make: Make) -> None:
    """An arm that is discounted is one whose observations all weighed less; others stay as is."""
    events = stream(120, seed=12, epochs=2)
    learner = taught(make, events, 0.9)
    kept = learner.weight_of(1)
    learner.discount(1, 0.25)
    assert abs(learner.weight_of(1) - 0.25 * kept) < CLOSE
    less = [(arm, x, y, 0.25 if arm == 1 else 1.0, epoch) for arm, x, y, _, epoch in events]
    twin = taught(make, less, 0.9)
    assert abs(learner.count - twin.count) < CLOSE
    gap = posterior_gap(learner, twin)
    assert gap < CLOSE, f"discounted observations differ by {gap} from lighter ones"


def updates_follow_sums(make: Make) -> None:
    """Step by step, the updated posterior is the one rebuilt from the sums."""
    learner = make(ARMS, WIDTH, 1.0)
    for i, event in enumerate(stream(300, seed=6)):
        learner.observe(*event)
        if i % 29 == 0:
            twin = make(ARMS, WIDTH, 1.0)
            twin.restore(learner.state())
            before = twin.predict(event[1], ALL)
            # a new arm has all that is derived made anew from the sums, the scales kept
            twin.add_arms(1)
            after = twin.predict(event[1], slice(0, ARMS))
            gap = max(float(np.abs(b - a).max()) for b, a in zip(before, after, strict=True))
            assert gap < CLOSE, f"after {i + 1} updates the posterior is off by {gap}"


def restoring_changes_nothing(make: Make) -> None:
    """A restored learner goes on bit for bit, whatever the original does meanwhile."""
    events = stream(200, seed=7, epochs=3)
    learner = taught(make, events[:100], 0.9)
    twin = make(ARMS, WIDTH, 0.9)
    twin.restore(learner.state())
    for event in events[100:]:
        learner.observe(*event)
    for event in events[100:]:
        twin.observe(*event)
    for name, array in learner.state().items():
        assert np.array_equal(array, twin.state()[name]), f"{name} differs after a restore"


def knowledge_narrows(make: Make) -> None:
    """An arm's variance falls with its own observations; no prediction is ever off the reals."""
    learner = make(ARMS, WIDTH, 1.0)
    x = np.ones(WIDTH)
    last = np.inf
    for i in range(50):
        mean, variance = learner.predict(x, ALL)
        assert np.isfinite(mean).all()
        assert (variance > 0).all()
        width = float(variance[0]) / learner.noise
        assert width < last, f"variance over noise did not fall at observation {i}"
        last = width
        learner.observe(0, x, 0.7, 1.0, 0)


def prior_does_not_decay(make: Make) -> None:
    """After an endless idle time a learner is as uncertain as a new one, not more."""
    learner = taught(make, stream(100, seed=8), 0.9)
    for epoch in range(1, 300):
        learner.advance(epoch)
    learner.refresh()
    x = np.ones(WIDTH)
    fresh = make(ARMS, WIDTH, 0.9)
    ratio = learner.predict(x, ALL)[1] / learner.noise / (fresh.predict(x, ALL)[1] / fresh.noise)
    assert (ratio < 3).all(), f"variance grew {ratio.max()} times over the prior's"
    assert learner.count < 1e-6


def new_arms_start_unsure(make: Make) -> None:
    """Arms can join at any time; they change no other arm's estimate and are the least sure."""
    learner = taught(make, stream(200, seed=9))
    x = np.ones(WIDTH)
    before = learner.predict(x, ALL)[0]
    learner.add_arms(2)
    mean, variance = learner.predict(x, ALL)
    assert len(mean) == ARMS + 2
    assert float(np.abs(mean[:ARMS] - before).max()) < CLOSE
    assert variance[ARMS:].min() >= variance[:ARMS].max()


def head_starts_are_priors(make: Make) -> None:
    """They move what is expected of an arm, and not how sure that is; outcomes overrule them."""
    x, start = np.ones(WIDTH), np.zeros((ARMS, WIDTH))
    start[2, 0], start[2, 1] = 0.1, -0.05
    events = [(arm, x, y, 1.0, 0) for arm, _, y, *_ in stream(2_000, seed=15)]
    learner, plain = make(ARMS, WIDTH, 1.0), make(ARMS, WIDTH, 1.0)
    start += learner.state()["start"]
    before = learner.predict(x, ALL)
    learner.set_head_starts(start, ALL)
    after = learner.predict(x, ALL)
    moved = after[0] - before[0]
    assert 0.03 < moved[2] < 0.06, f"a head start of .05 moved the mean by {moved[2]}"
    assert np.abs(np.delete(moved, 2)).max() < CLOSE, "it moved other arms"
    assert abs(after[1][2] / before[1][2] - 1.0) < 0.05, "it moved how sure the arm is"
    for event in events:
        learner.observe(*event)
        plain.observe(*event)
    left = learner.predict(x, ALL)[0] - plain.predict(x, ALL)[0]
    assert np.abs(left).max() < 0.02, f"after {len(events)} outcomes {left} of it is left"
    plain.set_head_starts(start, ALL)
    gap = posterior_gap(learner, plain)
    assert gap < CLOSE, f"given late, it differs by {gap}"


def subsets_agree(make: Make) -> None:
    """Predicting for some arms gives what predicting for all gives."""
    learner = taught(make, stream(100, seed=10))
    x = np.ones(WIDTH)
    for some in (np.array([2, 0]), np.array([1])):  # most of them, and few
        for part, whole in zip(learner.predict(x, some), learner.predict(x, ALL), strict=True):
            assert np.allclose(part, whole[some], rtol=0, atol=1e-12)


def laws_are_laws(scores: Scores) -> None:
    """A policy's law is non-negative, sums to 1 and follows the arms when they are reordered."""
    rng = np.random.default_rng(11)
    for arms in (1, 2, 3, 8, 40):
        mean, variance = rng.normal(size=arms), rng.exponential(0.1, size=arms)
        law = with_floor(win_probabilities(*scores(mean, variance)), 0.01)
        assert law.min() >= 0.01 / arms - 1e-15
        assert abs(law.sum() - 1.0) < 1e-12
        order = rng.permutation(arms)
        moved = with_floor(win_probabilities(*scores(mean[order], variance[order])), 0.01)
        assert np.abs(moved - law[order]).max() < CLOSE


def better_is_likelier(scores: Scores) -> None:
    """Of two arms known equally well, the better one is at least as likely."""
    for gap in (0.0, 0.01, 0.1, 1.0):
        law = win_probabilities(*scores(np.array([0.5 + gap, 0.5, 0.2]), np.full(3, 0.02)))
        assert law[0] >= law[1] - 1e-12 >= law[2] - 2e-12


def certainty_settles(scores: Scores) -> None:
    """As variances vanish, the law settles on the best arm."""
    law = win_probabilities(*scores(np.array([0.6, 0.5, 0.4]), np.full(3, 1e-12)))
    assert law[0] > 1 - CLOSE


def contexts_agree(make: Make) -> None:
    """What is said of other contexts is what predict says there; of the same one, the variance."""
    learner = taught(make, stream(120, seed=14, epochs=2), 0.9)
    at = np.array([x for _, x, *_ in stream(6, seed=98)])
    for arms in (ALL, np.array([0, 2])):
        mean, variance, covariance = learner.joint(at, at, arms)
        assert np.abs(learner.means(at, arms) - mean).max() < CLOSE
        own = np.array([row[:, i] for i, row in enumerate(covariance)])
        assert np.abs(own - variance).max() < CLOSE
        across = covariance[0].T
        assert (across**2 <= variance * variance[0] + CLOSE).all(), "correlations are at most one"
    alone = [learner.mean(at[1], arm) for arm in range(ARMS)]
    assert np.abs(learner.means(at, ALL)[1] - alone).max() < CLOSE


LEARNER_CHECKS = (
    contexts_agree,
    order_is_irrelevant,
    late_is_on_time,
    retraction_is_exact,
    discounting_is_weighing,
    updates_follow_sums,
    restoring_changes_nothing,
    knowledge_narrows,
    prior_does_not_decay,
    new_arms_start_unsure,
    subsets_agree,
    head_starts_are_priors,
)
POLICY_CHECKS = (laws_are_laws, better_is_likelier, certainty_settles)

"""Peers: the same features, reward, seeds and stream as routerd, and a named skip when missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from bench.data.datasets import paretobandit
from bench.data.recorded import Recorded
from bench.replay.baselines import POLICIES, Routed
from bench.replay.contest import Conditions, Contestant, Skipped, Stream, play, stream
from bench.replay.peers import FAMILIES, PEERS, contexts, peer_times
from bench.replay.peers.common import sparse
from bench.replay.peers.vw import FLAGS, VowpalWabbit, draw
from bench.speed.decide import measure_peers

LIBRARIES = {
    "vw": "vowpalwabbit",
    "mabwiser": "mabwiser.mab",
    "river-linucb": "river.bandit",
    "river-tree": "river.tree",
    "paretobandit": "pareto_bandit",
}
KINDS, ARMS = ("code", "prose", "sums"), 3


def library_of(name: str) -> str:
    """Return the module that a peer's adapter imports."""
    return next(module for start, module in LIBRARIES.items() if name.startswith(start))


def installed(name: str) -> str:
    """Return the name, or skip when the peer's library is not there."""
    pytest.importorskip(library_of(name).partition(".")[0])
    return name


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> str:
    """Each peer that is installed."""
    return installed(request.param)


@pytest.fixture(params=FAMILIES)
def family_member(request: pytest.FixtureRequest) -> str:
    """A middle setting of each family that is installed."""
    return installed(FAMILIES[request.param][1])


def world(n: int, *, numbers: bool = False, cost_usd: float = 0.0) -> Recorded:
    """One arm is right for each work type; the first costs `cost_usd`, the others nothing."""
    kind = np.arange(n) % ARMS
    cost = np.zeros((n, ARMS))
    cost[:, 0] = cost_usd
    values = np.column_stack([kind == 1, kind == 2]) * 1.5 if numbers else None
    return Recorded(
        name="world",
        task_ids=tuple(f"{i:05d}" for i in range(n)),
        agents=tuple(f"agent-{k}" for k in range(ARMS)),
        domain=tuple(KINDS[k] for k in kind),
        text=("",) * n,
        quality=(kind[:, None] == np.arange(ARMS)).astype(np.float64),
        cost_usd=cost,
        numbers=values,
        number_names=("prose", "sums") if numbers else (),
    )


def entered(name: str, data: Recorded, seed: int = 0, cost_weight: float = 0.0) -> Contestant:
    return PEERS[name](data.blind(), cost_weight, seed)


def arms_of(name: str, data: Recorded, seed: int, delay: int = 0) -> list[int]:
    """Return the arms that a peer chose on the stream of a seed."""
    conditions = Conditions(delay=delay)
    on: Stream = stream(data, seed, conditions)
    chosen: list[int] = play(entered(name, data, seed), on, conditions).arms.tolist()
    return chosen


def test_every_family_has_a_grid_of_the_same_size() -> None:
    """No library gets more tries than another, and each gets at least four."""
    sizes = {len(names) for names in FAMILIES.values()}
    assert len(sizes) == 1
    assert sizes.pop() >= 4


def test_learns_which_arm_suits_which_work_type(peer: str) -> None:
    """Every setting ends well above the third that chance gets on a world that x explains."""
    data = world(400)
    order = stream(data, 1, Conditions()).scored
    arms = np.array(arms_of(peer, data, seed=1))
    right = data.quality[order, arms]
    assert right[200:].mean() > 0.55


def test_runs_on_numbers(family_member: str) -> None:
    """Features that are numbers reach the library: without work types it still learns."""
    data = replace(world(400, numbers=True), domain=("",) * 400)
    order = stream(data, 1, Conditions()).scored
    right = data.quality[order, arms_of(family_member, data, seed=1)]
    assert right[200:].mean() > 0.5


def test_a_seed_fixes_every_choice(family_member: str) -> None:
    """The same seed gives the same arms, run after run."""
    data = world(120)
    assert arms_of(family_member, data, seed=5) == arms_of(family_member, data, seed=5)


def test_the_seed_reaches_the_library(family_member: str) -> None:
    """On one and the same stream, another seed makes other choices."""
    data = world(60)
    on = stream(data, 0, Conditions())
    runs = {
        tuple(play(entered(family_member, data, seed), on, Conditions()).arms.tolist())
        for seed in range(5)
    }
    assert len(runs) > 1


def test_first_pulls_are_scored(family_member: str) -> None:
    """What a library does before its first outcome is part of the stream: one arm for each task."""
    data = world(40)
    assert len(arms_of(family_member, data, seed=0, delay=39)) == 40


def test_trees_are_pulled_once_each_before_any_twice() -> None:
    """Where outcomes come at once: no tree predicts before it has learnt anything."""
    name = installed("river-tree:mean-0.02")
    for seed in range(3):
        assert sorted(arms_of(name, world(40), seed)[:ARMS]) == list(range(ARMS))


def test_earns_utility_not_quality(family_member: str) -> None:
    """A right answer whose cost outweighs it is avoided as long as the weight says so."""
    data = world(300, cost_usd=1.0)
    dear = {}
    for cost_weight in (0.0, 2.0):
        conditions = Conditions(cost_weight=cost_weight)
        dear[cost_weight] = 0
        for seed in range(4):
            contestant = entered(family_member, data, seed, cost_weight)
            arms = play(contestant, stream(data, seed, conditions), conditions).arms
            dear[cost_weight] += int((arms[150:] == 0).sum())
    assert dear[2.0] < 0.5 * dear[0.0]


def test_a_warm_start_is_learnt(family_member: str) -> None:
    """Outcomes of tasks that were never chosen for count: the first choices are right."""
    data = world(300)
    conditions = Conditions(warm_start=0.5)
    on = stream(data, 2, conditions)
    arms = play(entered(family_member, data), on, conditions).arms
    assert data.quality[on.scored, arms][:50].mean() > 0.7


@pytest.mark.parametrize("numbers", [False, True])
def test_peers_see_what_the_default_sees(numbers: bool) -> None:
    """x of a peer is, bit for bit, the x that the engine logs for the same task and seed."""
    data = world(30, numbers=numbers)
    routed = POLICIES["default"](data, 0.0, 3)
    assert isinstance(routed, Routed)
    for i in range(len(data)):
        routed.choose(i)
    logged = [entry.decision.query.x for entry in routed.engine.state.decisions.values()]
    assert [row.tobytes() for row in contexts(data, 3)] == logged


@pytest.mark.parametrize("flags", ["--squarecb", "--bag 4", "--regcb", "--epsilon 0.05"])
def test_parsing_once_learns_what_parsing_twice_does(flags: str) -> None:
    """The faster interface of Vowpal Wabbit gives the very laws of predict(text), learn(text)."""
    workspace = pytest.importorskip("vowpalwabbit").Workspace
    data = world(150, numbers=True)
    x = contexts(data, 0)
    adapter = VowpalWabbit(x, ARMS, flags, 7)
    plain = workspace(f"{FLAGS} {flags} --random_seed 7")
    for i in range(len(data)):
        arm = adapter.choose(i)
        lines = ["shared |x " + " ".join(f"{j}:{v:.8g}" for j, v in sparse(x[i]).items())]
        lines += [f"|a {k}" for k in range(ARMS)]
        law = plain.predict("\n".join(lines))
        assert law == adapter.open[i][1]
        lines[arm + 1] = f"0:{1 - data.quality[i, arm]:.8g}:{law[arm]:.8g} {lines[arm + 1]}"
        plain.learn("\n".join(lines))
        adapter.reward(i, arm, float(data.quality[i, arm]))


def test_draw_gives_each_arm_its_slice_of_the_law() -> None:
    """u falls into slices as long as the probabilities; an arm of probability zero has none."""
    law = [0.25, 0.0, 0.75]
    assert [draw(law, u) for u in (0.0, 0.2499, 0.25, 0.9999)] == [0, 0, 2, 2]


def test_a_law_that_falls_short_of_one_still_names_an_arm() -> None:
    """Float32 laws sum to about 1: the last u of all draws the last arm that can be drawn."""
    law = [0.3333333, 0.3333333, 0.3333333, 0.0]
    assert draw(law, float(np.nextafter(1.0, 0.0))) == 2


def test_a_missing_library_is_a_named_skip(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    """A peer that cannot be imported says which package is missing and how to get it."""
    monkeypatch.setitem(sys.modules, library_of(peer), None)
    named = rf"{library_of(peer).partition('.')[0]} is not installed: pip install"
    with pytest.raises(Skipped, match=named):
        entered(peer, world(10))


def test_decide_names_the_peers_that_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any library the table has no peers, and there is a sentence for each family."""
    for module in LIBRARIES.values():
        monkeypatch.setitem(sys.modules, module, None)
    told: list[str] = []
    assert list(measure_peers(2, 8, told.append)) == []
    assert [line.split(":")[0] for line in told] == [f"skipped {family}" for family in FAMILIES]


def test_times_cover_every_decision_and_observation(family_member: str) -> None:
    """A family is timed on as many decisions and observations as there are tasks."""
    data = world(20)
    seconds = peer_times(family_member.partition(":")[0], contexts(data, 0), data.quality)
    assert seconds.shape == (20, 2)
    assert (seconds > 0.0).all()


@pytest.mark.skipif(find_spec("pareto_bandit") is None, reason="paretobandit is not installed")
def test_chance_on_the_published_split_is_as_published() -> None:
    """Uniform choice regrets 146.5 on 1,824 prompts, published with a 95% interval 144.3 to 148.8.

    Source: the warm-up ablation of ParetoBandit/ParetoBandit, 20 seeds.
    """
    quality = paretobandit("test_holdout").quality
    assert quality.shape == (1824, 3)
    assert 144.3 < (quality.max(axis=1) - quality.mean(axis=1)).sum() < 148.8

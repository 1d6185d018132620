"""`routerd demo`: its figures, its references, and that a seed gives one table."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest

from routerd.cli.demo import CONFIG_FILE
from routerd.cli.demo_data import FIT_FILE, MissingData, Tasks, folder, read, shuffled
from routerd.cli.demo_report import standing, verdict
from routerd.cli.demo_score import (
    TABLE,
    Lift,
    chosen,
    fitted_table,
    lift,
    references,
    score,
    strongest_cost,
)
from routerd.config import load
from routerd.core.settings import Utility

CONFIG = load(CONFIG_FILE)
WEIGHTS = Utility(quality=1.0, cost=1.0, cost_scale_usd=1.0)


def installed() -> bool:
    try:
        folder()
    except MissingData:
        return False
    return True


needs_prompts = pytest.mark.skipif(not installed(), reason="needs the package pareto_bandit")


def tasks(kinds: str, quality: list[list[float]], cost: list[list[float]]) -> Tasks:
    """Recorded tasks of two agents, one letter of `kinds` a task."""
    ids = tuple(str(i) for i in range(len(kinds)))
    return Tasks(("x/a", "x/b"), ids, ids, tuple(kinds), np.array(quality), np.array(cost))


FIT = tasks("ppq", [[0.9, 1.0], [0.7, 1.0], [0.2, 0.9]], [[0.0, 0.5], [0.0, 0.5], [0.0, 0.5]])
STREAM = tasks("pqr", [[1.0, 0.5], [0.0, 1.0], [0.5, 0.9]], [[0.0, 0.1], [0.0, 0.1], [0.0, 0.5]])


def test_references_know_only_what_their_names_say() -> None:
    """Table and strongest come from the other split; only the hindsight one sees the stream."""
    laws = references(STREAM, FIT, WEIGHTS)
    scores = {name: score(name, law, STREAM, WEIGHTS) for name, law in laws.items()}
    assert fitted_table(FIT, WEIGHTS) == ({"p": 0, "q": 1}, 0)
    assert laws[TABLE].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert scores[TABLE].utility == pytest.approx((1.0 + 0.9 + 0.5) / 3)
    assert scores["all to the strongest: b"].cost_usd == pytest.approx(0.7 / 3)
    assert scores["best fixed in hindsight: b"].utility == pytest.approx((0.4 + 0.9 + 0.4) / 3)
    random = scores["random (expected value)"]
    assert random.utility == pytest.approx((1.4 + 0.9 + 0.9) / 6)
    assert random.shares == (0.5, 0.5)


def test_the_interval_is_of_the_paired_difference() -> None:
    """Equal choices give no lift at all; a constant difference gives an interval of no width."""
    stream = STREAM
    law = chosen([0, 1, 1], stream)
    assert lift(law, law, stream, WEIGHTS, 0) == Lift(0, 0, 0)
    even = tasks("ppp", [[0.5, 0.75]] * 3, [[0.0, 0.0]] * 3)
    found = lift(chosen([1, 1, 1], even), chosen([0, 0, 0], even), even, WEIGHTS, 0)
    assert found == pytest.approx((0.25, 0.25, 0.25))


def test_what_is_said_follows_the_figures() -> None:
    """A loss is called a loss, and what cannot be told apart is not called anything else."""
    assert standing(-0.002) == "behind by 0.0020"
    assert standing(0.002) == "ahead by 0.0020"
    assert standing(0.00001) == "level"
    assert verdict(Lift(-0.2, -0.3, -0.1)).startswith("the static table beats routerd")
    assert verdict(Lift(0.2, 0.1, 0.3)).startswith("routerd beats the static table")
    assert "cannot tell" in verdict(Lift(0.2, -0.1, 0.5))


def test_a_seed_is_an_order_over_sorted_ids() -> None:
    """The stream of a seed does not depend on the order of the file; a limit cuts it."""
    whole = shuffled(FIT, 4, None)
    assert sorted(whole.ids) == list(FIT.ids)
    assert shuffled(FIT.take(np.array([2, 0, 1])), 4, None).ids == whole.ids
    assert shuffled(FIT, 4, 2).ids == whole.ids[:2]
    assert whole.ids == tuple(FIT.ids[i] for i in np.random.default_rng(4).permutation(3))


def test_without_the_prompts_it_says_what_to_install(
    invoke: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing package gives code 2 and the extra's name, not a traceback."""
    monkeypatch.setitem(sys.modules, "pareto_bandit", None)
    result = invoke("demo")
    assert result.exit_code == 2
    assert 'pip install "routerd[demo]"' in result.stderr


@needs_prompts
def test_the_configuration_tells_the_truth_about_the_prompts() -> None:
    """The table and the cost scale of demo_agents.yaml are those of the validation prompts."""
    agents = [agent.id for agent in CONFIG.agents]
    fit = read(folder() / FIT_FILE, agents)
    table, unseen = fitted_table(fit, CONFIG.utility)
    exceptions = {kind: agents[best] for kind, best in table.items() if best != unseen}
    routes = {r.when["work_type"]: r.agent for r in CONFIG.static_routes if r.when}
    assert routes == exceptions
    assert [r.agent for r in CONFIG.static_routes if not r.when] == [agents[unseen]]
    assert CONFIG.utility.cost_scale_usd == round(strongest_cost(fit), 5)


@needs_prompts
def test_one_seed_gives_one_table(invoke: Any) -> None:
    """Two runs of 60 prompts differ in their speed alone; the log verifies; figures add up."""
    first, second = (
        json.loads(invoke("demo", "--seed", "5", "--limit", "60", "--json").stdout) for _ in "ab"
    )
    for report in (first, second):
        assert report.pop("seconds") > 0
        assert report.pop("decisions_per_s") > 0
    assert first == second
    assert first["holds"]
    assert first["tasks"] == first["outcomes"] == 60
    assert first["verified"].startswith("verified 60 decisions, 0 mismatches")
    by_name = {s["name"]: s for s in first["scores"]}
    gap = first["scores"][0]["utility"] - by_name[TABLE]["utility"]
    assert first["lift_over_table"]["mean"] == pytest.approx(gap)
    assert all(sum(s["shares"].values()) == pytest.approx(1) for s in first["scores"])


@needs_prompts
def test_people_get_the_same_in_words(run: Any) -> None:
    """In a pipe the table is on stdout and plain progress on stderr; nothing is cut or coloured."""
    done = run("demo", "--seed", "5", "--limit", "20")
    assert done.returncode == 0, done.stderr
    assert "20/20 tasks" in done.stderr
    assert f"\n{TABLE} " in done.stdout
    assert "verified 20 decisions, 0 mismatches" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr

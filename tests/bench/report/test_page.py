"""`routerd bench report`: one page of results, and what it says of files that it cannot read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bench.pages.axes import apart, linear, round_ticks, width_of
from bench.pages.pictures import Line, Scale, lines
from bench.pages.wording import figures, whole
from bench.replay.contest import Conditions
from bench.replay.curves import file_beside
from bench.replay.results import replay
from bench.stats import bootstrap_ci
from routerd.cli.main import main
from tests.bench.made import made
from tests.bench.pages import NASTIER, NASTY, harmless, pictures

POLICIES = ["default", "random", "greedy"]


def run(*arguments: object) -> Result:
    words = ["bench", "report", *map(str, arguments)]
    return CliRunner().invoke(main, words, prog_name="routerd")


def page_of(tmp_path: Path, *files: Path) -> str:
    """The page of results files, checked to be whole and harmless."""
    out = tmp_path / "page.html"
    result = run(*files, "--out", out)
    assert result.exit_code == 0, result.output
    text = out.read_text()
    harmless(text)
    assert all(len(svg.get("aria-label", "")) > 20 for svg in pictures(text))
    return text


def kept(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replay with its curves beside it."""
    out = tmp_path_factory.mktemp("replay") / "results.json"
    found = replay(made(40), POLICIES, 3, Conditions(cost_weight=2.0), curves_file=file_beside(out))
    return kept(out, found)


RESULTS = Path(__file__).parents[3] / "bench" / "results"


def test_the_results_that_are_kept_make_a_page(tmp_path: Path) -> None:
    """The command at the top of bench/results/README.md works: each file has its section."""
    files = sorted(RESULTS.glob("*.json"))
    assert "bench report bench/results/*.json" in (RESULTS / "README.md").read_text()
    text = page_of(tmp_path, *files)
    headings = re.findall(r"<h2>([^<]*)</h2>", text)
    missing = [file.name for file in files if not any(file.name in told for told in headings)]
    assert len(files) > 10
    assert missing == []


# Replays.


def test_a_replay_is_told_in_full(results: Path, tmp_path: Path) -> None:
    """Every policy and reference is on the page, with its interval, n and seeds."""
    text = page_of(tmp_path, results)
    found = json.loads(results.read_text())
    for ran in found["runs"]:
        assert f"<td>{ran['utility_mean']:.4f}<small>" in text
        assert f">{ran['policy']}<" in text
    assert f"{found['references'][0]['oracle']:.4f}" in text
    assert "hindsight" in text
    assert "n = 40 tasks, 3 seeds" in text
    assert "What other tasks would show is not in them" in text


def test_the_default_is_compared_pair_by_pair(results: Path, tmp_path: Path) -> None:
    """The picture's differences are means over seeds with the paired interval."""
    text = page_of(tmp_path, results)
    ours, theirs = (
        np.array(ran["per_seed"])
        for ran in json.loads(results.read_text())["runs"]
        if ran["policy"] in ("default", "random")
    )
    low, high = bootstrap_ci(ours - theirs)
    places = 3 if high - low >= 0.004 else 4
    assert (
        f"random: +{(ours - theirs).mean():.{places}f} [+{low:.{places}f}, +{high:.{places}f}]"
        in text
    )


def test_curves_are_drawn_or_missed(results: Path, tmp_path: Path) -> None:
    """Learning curves and shares come from the file beside the results; without it that is said."""
    assert "Learning curves" in page_of(tmp_path, results)
    alone = kept(tmp_path / "alone.json", json.loads(results.read_text()))
    text = page_of(tmp_path, alone)
    assert "Learning curves" not in text
    assert "does not stand beside the results" in text


def test_results_cannot_point_at_other_files(results: Path, tmp_path: Path) -> None:
    """Only a file beside the results is read, whatever path they name for their curves."""
    found = json.loads(results.read_text())
    for ran in found["runs"]:
        ran["curve"] = str(results.with_name(ran["curve"]))
    text = page_of(tmp_path, kept(tmp_path / "elsewhere.json", found))
    assert "does not stand beside the results" in text


def test_the_last_regret_is_that_of_the_results(results: Path, tmp_path: Path) -> None:
    """The learning curves end at the regret that the results tell."""
    text = page_of(tmp_path, results)
    for ran in json.loads(results.read_text())["runs"]:
        assert f"{ran['policy']} {ran['regret_vs_best_fixed']:.1f} [" in text


def test_delays_and_cost_weights_make_sweeps(results: Path, tmp_path: Path) -> None:
    """Replays that differ in one condition alone are drawn together, others are not."""
    base = json.loads(results.read_text())

    def under(**conditions: float) -> Path:
        name = "-".join(f"{k}{v:g}" for k, v in conditions.items())
        told = {**base, "conditions": {**base["conditions"], **conditions}}
        return kept(tmp_path / f"{name}.json", told)

    assert "Across replays" not in page_of(tmp_path, results)
    text = page_of(tmp_path, results, under(delay=50))
    assert "made: what a delay costs" in text
    assert "by cost weight" not in text
    text = page_of(tmp_path, results, under(cost_weight=5))
    assert "made: by cost weight" in text
    assert "what a delay costs" not in text
    assert "Across replays" not in page_of(tmp_path, results, under(delay=50, cost_weight=5))


MINIMAL = {
    "schema": 1,
    "runs": [
        {
            "dataset": "d",
            "policy": "mine.yaml",
            "n_tasks": 5,
            "n_agents": 2,
            "seeds": [0],
            "utility_mean": 0.5,
            "ci95": [0.4, 0.6],
            "per_seed": [0.5],
            "quality_mean": 0.5,
            "cost_mean_usd": None,
            "regret_vs_best_fixed": 1.0,
            "share": {"a": 1.0, "b": 0.0},
            "decisions_per_s": 10.0,
        }
    ],
    "references": [
        {
            "dataset": "d",
            "random": 0.4,
            "best_fixed": 0.6,
            "per_domain_hindsight": 0.7,
            "oracle": 0.9,
        }
    ],
}


def test_the_bare_schema_is_enough(tmp_path: Path) -> None:
    """Results with nothing but what schema 1 demands are rendered too."""
    text = page_of(tmp_path, kept(tmp_path / "r.json", MINIMAL))
    assert "mine.yaml" in text
    assert "replayed without the default" in text


def test_names_in_results_stay_text(tmp_path: Path) -> None:
    """Policies, data sets and agents that are named like markup are shown and not obeyed."""
    told = json.dumps(MINIMAL).replace("mine.yaml", "default").replace('"d"', json.dumps(NASTIER))
    found = json.loads(told)
    found["runs"] += [{**found["runs"][0], "policy": NASTY}]
    found["runs"][0]["share"] = {NASTY: 1.0}
    found["skipped"] = [{"dataset": NASTIER, "policy": NASTY, "reason": NASTIER}]
    text = page_of(tmp_path, kept(tmp_path / "r.json", found))
    assert "&lt;script&gt;" in text


# Load, decide, ope.


def load_row(target: str, callers: int, per_s: float, p50_us: float) -> dict[str, Any]:
    return {"target": target, "mode": "unary", "concurrency": callers, "per_s": per_s,
            "p50_us": p50_us, "p99_us": 3 * p50_us}  # fmt: skip


LOAD = [
    load_row("echo", 1, 1000, 200),
    load_row("routerd", 1, 800, 300),
    load_row("echo", 32, 4000, 6000),
    load_row("routerd", 32, 2800, 9000),
]
DECIDE = [
    {"system": "routerd", "agents": 8, "features": 32, "decide_us_p50": 61.5,
     "decide_us_p99": 90.0, "learn_us_p50": 30.0},
]  # fmt: skip
OPE: list[dict[str, Any]] = [
    {"estimator": "ips", "value": 0.5, "ci95": [0.4, 0.6], "ess": 812.4, "refused": None,
     "logged_value": 0.3, "n": 1000},
    {"estimator": "dr", "value": None, "ci95": None, "ess": None, "refused": "LAW_UNKNOWN: why"},
]  # fmt: skip


def test_load_is_told_against_the_echo(tmp_path: Path) -> None:
    """The ratios at 1 and at 32 callers stand at the top, with a curve each for time and rate."""
    text = page_of(tmp_path, kept(tmp_path / "load.json", LOAD))
    assert "with 1 caller its median answer takes 1.50 times the echo" in text
    assert "with 32 callers its calls/s are 0.70 times the echo" in text
    assert len(pictures(text)) == 2


def test_decide_and_ope_are_told(tmp_path: Path) -> None:
    """Times in-process, estimates with intervals, and every refusal with its reason."""
    files = kept(tmp_path / "decide.json", DECIDE), kept(tmp_path / "ope.json", OPE)
    text = page_of(tmp_path, *files)
    assert "62 µs with 8 agents and 32 features" in text
    assert "ips: 0.5 [0.4, 0.6]" in text
    assert "dr refuses. LAW_UNKNOWN: why" in text
    assert "n = 1,000 decisions" in text


def test_an_estimate_says_of_what_it_is(tmp_path: Path) -> None:
    """Which policy was judged, and by what, where the results have it."""
    named = [{**row, "policy": "new.yaml", "reward": "utility"} for row in OPE]
    text = page_of(tmp_path, kept(tmp_path / "ope.json", named))
    assert "Off-policy evaluation of new.yaml: 1 of 2" in text
    assert ">utility per decision<" in text
    assert ">reward per decision<" in page_of(tmp_path, kept(tmp_path / "ope.json", OPE))


def test_refusals_alone_make_a_page(tmp_path: Path) -> None:
    """A log that lets no estimator speak gives its reason and no picture."""
    text = page_of(tmp_path, kept(tmp_path / "ope.json", OPE[1:]))
    assert "no answer. LAW_UNKNOWN: why" in text
    assert pictures(text) == []


# Files that are no results.


def spoilt(change: Callable[[dict[str, Any]], object]) -> object:
    found = json.loads(json.dumps(MINIMAL))
    change(found)
    return found


WRONG: list[tuple[object, tuple[str, ...]]] = [
    ({"a": 1}, ("holds no results",)),
    ([], ("holds no results",)),
    ([1, 2], ("holds no results",)),
    (spoilt(lambda r: r.update(schema=2)), ("schema 2", "schema 1")),
    (spoilt(lambda r: r["runs"].clear()), ("no runs",)),
    (spoilt(lambda r: r["runs"][0].pop("ci95")), ("ci95", "runs")),
    (spoilt(lambda r: r["runs"][0].update(per_seed="x")), ("per_seed",)),
    ([{"target": "echo"}], ("mode",)),
]


@pytest.mark.parametrize(("value", "named"), WRONG)
def test_a_wrong_file_gets_one_sentence(
    tmp_path: Path, value: object, named: tuple[str, ...]
) -> None:
    """What is no results file ends with code 2 and one line that names it and what is wrong."""
    file = kept(tmp_path / "wrong.json", value)
    result = run(file, "--out", tmp_path / "page.html")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for part in (str(file), *named):
        assert part in result.stderr
    assert not (tmp_path / "page.html").exists()


def test_what_is_not_json_or_not_there_is_told(tmp_path: Path) -> None:
    """Unreadable files are named too."""
    (tmp_path / "text.json").write_text("<html>")
    for name, told in (("text.json", "is not JSON"), ("none.json", "cannot read")):
        result = run(tmp_path / name, "--out", tmp_path / "page.html")
        assert result.exit_code == 2
        assert told in result.stderr


# Pictures and words.


@given(st.lists(st.floats(-50, 350), min_size=1, max_size=12), st.floats(5, 20))
def test_labels_stand_apart_and_in_order(wanted: list[float], gap: float) -> None:
    """Labels keep their distance, their order, and stay where there is room for them."""
    low, high = 0.0, gap * 20
    places = apart(wanted, gap, low, high)
    ordered = [place for _, place in sorted(zip(wanted, places, strict=True), key=lambda p: p[0])]
    assert all(b - a >= gap - 1e-6 for a, b in pairwise(ordered))
    assert low - 1e-6 <= min(places)
    assert max(places) <= high + 1e-6


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 8))
def test_ticks_are_round_and_within(low: float, span: float, least: int) -> None:
    """There are one to twelve ticks, rising, inside the axis."""
    ticks = round_ticks(low, low + span, least)
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    rounding = 1e-6 * span + 1e-9 * abs(low)
    assert low - rounding <= ticks[0]
    assert ticks[-1] <= low + span + rounding


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-9])
def test_a_flat_line_can_be_drawn(value: float) -> None:
    """One value, or the same value throughout, still gets an axis."""
    axis = linear("", [value, value], 0.0, 100.0, figures)
    assert axis.low < value < axis.high or axis.low == value == 0.0
    svg = lines("alt", Scale("x", whole), Scale("y", figures), [Line("a", [1, 2], [value] * 2)])
    assert "nan" not in svg


@pytest.mark.parametrize(
    ("words", "wide"), [("gamma 25%", 88), ("mmwwm 100%", 108), ("claude-s…-effort 53%", 152)]
)
def test_room_is_left_for_a_name(words: str, wide: float) -> None:
    """As wide as DejaVu Sans sets it, where browsers have no other font: % and m were cut off."""
    assert wide <= width_of(words) <= 1.25 * wide


def test_names_in_pictures_are_escaped() -> None:
    """Names and alt texts never become elements."""
    svg = lines(NASTIER, Scale(NASTY, whole), Scale(NASTY, figures), [Line(NASTY, [1, 2], [1, 2])])
    assert "<script" not in svg
    assert "<img" not in svg
    assert re.match(r'<svg [^<>]*aria-label="&quot;&gt;&lt;img', svg)

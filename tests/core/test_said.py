"""What a decision says of itself: every figure and name in its sentence is that of the log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from routerd.core.errors import RouterError
from routerd.core.events import Decision
from routerd.core.reasons import law_of, sentence
from routerd.core.values import Exclusion, Reason
from routerd.log.codec import decision_id, records
from tests.core.engine import Engine
from tests.core.test_mixed_propensity import CONFIG, EXPERIMENTS, fields_of

SETTINGS: dict[str, Any] = {
    **{name: value for name, value in CONFIG.items() if name not in ("clock", "outcomes")},
    "cold_start": {"static_until": 40},
    "budgets": [{"id": "all", "when": {"customer": "c3"}, "usd": 0.01, "window_hours": 0.003}],
    "thresholds": {"confidence": 0.95, "switch_margin": 0.05, "probe_complexity": 0.9},
    "cooldown": {"failures": 3, "base_seconds": 2.0},
    "exploration_cap": {},
}


@pytest.fixture(scope="module")
def history() -> dict[str, Decision]:
    """Decisions of every kind by their ids, in the order in which they were made."""
    on, rng = Engine(**SETTINGS), np.random.default_rng(5)
    for experiment in EXPERIMENTS:
        on.experiment(experiment["id"], **{k: v for k, v in experiment.items() if k != "id"})
    made: list[str] = []
    for i in range(1_500):
        on.wall.now_ms += int(rng.integers(1, 40))
        fields = fields_of(rng, i)
        if rng.random() < 0.05:
            fields["complexity"] = 0.95
        if made and rng.random() < 0.08:
            cause = ("FAILED", "REFUSED", "LOW_CONFIDENCE")[int(rng.integers(3))]
            evidence = {"reported_confidence": round(float(rng.random()), 2)}
            fields["follows"] = {"decision_id": made[-1], "cause": cause, "evidence": evidence}
        try:
            answer = on.route(**fields)
        except RouterError:
            continue
        made.append(answer.decision_id)
        at = "abcd".index(answer.decision.agent_id)
        if rng.random() < 0.9:
            quality = 0.0 if rng.random() < 0.15 else 0.9 - 0.15 * at
            on.report(answer.decision_id, quality=quality, cost_usd=0.001 * (10 - 3 * at))
    stored = records(on.log, "default")
    return {
        decision_id(record.position, record.hash): record.event
        for record in stored
        if isinstance(record.event, Decision)
    }


def test_figures_are_those_of_the_law(history: dict[str, Decision]) -> None:
    """How probable, among how many, how sure: to the digits that are shown."""
    for made in history.values():
        text, law = sentence(made), law_of(made)
        assert made.propensity == law[made.agent_id]
        assert set(law).isdisjoint(e.agent_id for e in made.excluded)
        assert set(made.alternatives) <= set(law) - {made.agent_id}
        for shown in re.findall(r"probability ([\d.e-]+\d)", text):
            assert float(shown) == pytest.approx(made.propensity, rel=5e-3)
        for count in re.findall(r"among (\d+) eligible", text):
            assert int(count) == len(law)
        for shown in re.findall(r"(?<!over )\b(\d+)% sure", text):
            assert made.confidence == pytest.approx(int(shown) / 100, abs=0.00501)
        assert ("over 99% sure" in text) <= ((made.confidence or 0) >= 0.995)
        assert ("budgets put on money" in text) <= ("budget" in made.stages)


def test_reasons_name_what_brought_them_about(history: dict[str, Decision]) -> None:
    """The agent before, the session's agent, the override, the arm, the bar that was missed."""
    sessions: dict[str, str] = {}
    met: Counter[Reason] = Counter()
    for made in history.values():
        query, text = made.query, sentence(made)
        met[made.reason] += 1
        match made.reason:
            case Reason.EXPLICIT:
                assert (made.agent_id, made.propensity) == (query.agent_id, 1.0)
            case Reason.STICKY:
                assert made.agent_id == sessions[query.session_id]
            case Reason.RETRY:
                assert query.follows is not None
                before = history[query.follows.decision_id].agent_id
                assert re.search(rf"because {before} (failed|refused|was not sure)", text)
            case Reason.OVERRIDE:
                assert query.labels["customer"] == "c1"
                assert "Forced by override eu" in text
            case Reason.EXPERIMENT | Reason.SHADOW_BASELINE:
                assert made.trial is not None
                trial = f"experiment {made.trial.experiment}, arm {made.trial.arm}:"
                assert trial in text
            case Reason.LOW_CONFIDENCE_FALLBACK:
                assert (made.confidence or 0.0) < 0.95
                assert ", 95% is asked for" in text
        if query.session_id:
            sessions[query.session_id] = made.agent_id
    assert {reason for reason, times in met.items() if times >= 3} >= {
        *(Reason.SAMPLED, Reason.BEST_KNOWN, Reason.EXPLICIT, Reason.STATIC_ROUTE, Reason.STICKY),
        *(Reason.PROBE, Reason.RETRY, Reason.OVERRIDE, Reason.LOW_CONFIDENCE_FALLBACK),
        *(Reason.EXPERIMENT, Reason.SHADOW_BASELINE),
    }


def test_who_is_excluded_is_so_for_the_reason_that_is_told(history: dict[str, Decision]) -> None:
    """Each word against the request, the configuration, or the decisions before."""
    pools = {agent["id"]: agent["pool"] for agent in SETTINGS["agents"]}
    met: Counter[Exclusion] = Counter()
    for made in history.values():
        for out in made.excluded:
            met[out.reason] += 1
            match out.reason:
                case Exclusion.WRONG_POOL:
                    assert made.query.pool not in ("", pools[out.agent_id])
                case Exclusion.TRIED:
                    assert out.agent_id in chain(history, made)
                case Exclusion.OVERRIDDEN:
                    wanted = {"c1": "override eu", "c2": "override ban"}
                    assert wanted[made.query.labels["customer"]] in out.detail
                    assert out.agent_id in "ab"
                case Exclusion.OVER_BUDGET:
                    figures = re.findall(
                        r"cost (\S+) USD; budget all has (\S+) USD left", out.detail
                    )
                    ((cost, left),) = figures
                    assert float(cost) > float(left)
    assert {reason for reason, times in met.items() if times >= 3} >= {
        *(Exclusion.WRONG_POOL, Exclusion.TRIED, Exclusion.OVERRIDDEN, Exclusion.OVER_BUDGET),
        *(Exclusion.AT_CAPACITY, Exclusion.COOLING_DOWN),
    }


def chain(history: dict[str, Decision], made: Decision) -> Iterator[str]:
    """Who had a decision's task before."""
    while made.query.follows is not None:
        made = history[made.query.follows.decision_id]
        yield made.agent_id

"""A daemon that gets descriptions only: by rules, by an endpoint, by both; and a blocked message.

Each scenario ends in `verify`, after kill -9 and without the model: the log alone holds what was
found.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from routerd.client import Client
from routerd.client.errors import RouterdError
from tests.e2e.daemon import Daemon, verified
from tests.signals.models import Models, serving

RULES = [
    {"label": "code", "any": ["stack ?trace"], "confidence": 0.95},
    {"label": "ops", "any": ["deploy"], "confidence": 0.4},
    {"label": "secrets", "any": ["password"], "priority": 9},
]
LABELS = {"code": {"agent": "coder"}, "translate": {}, "secrets": {"block": "never send secrets"}}
TEXTS = ("a stack trace", "deploy the bug", "translate it", "nothing in it")


def config(**signals: Any) -> dict[str, Any]:
    return {"agents": [{"id": "coder"}, {"id": "writer"}], "signals": {"labels": LABELS, **signals}}


def labels(client: Client, *texts: str, prefix: str = "r") -> list[str]:
    """The label that each text gets, and who found it."""
    told = []
    for i, text in enumerate(texts):
        decision = client.route({"description": text}, request_id=f"{prefix}{i}")
        decision_of = decision.answer
        assert decision_of is not None
        signal = decision_of.classification
        told.append(f"{signal.label or '-'} {signal.source}")
        if signal.label == "code":
            assert decision.agent_id == "coder"
        client.report(decision.decision_id, success=True)
    return told


RULE, ENDPOINT, NOBODY = 1, 2, 3

SCENARIOS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rules": (
        {"rules": RULES},
        [f"code {RULE}", f"ops {RULE}", f"- {NOBODY}", f"- {NOBODY}"],
    ),
    "endpoint": (
        {"endpoint": {}},
        [f"- {NOBODY}", f"code {ENDPOINT}", f"translate {ENDPOINT}", f"- {NOBODY}"],
    ),
    "hybrid": (
        {"rules": RULES, "endpoint": {}},
        [f"code {RULE}", f"code {ENDPOINT}", f"translate {ENDPOINT}", f"- {NOBODY}"],
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_description_is_enough(tmp_path: Path, scenario: str) -> None:
    """The right label by each way; a repeated request is told the same after a crash."""
    signals, wanted = SCENARIOS[scenario]
    with serving() as models:
        if "endpoint" in signals:
            signals = {**signals, "endpoint": {"url": models.url, "protocol": "ollama"}}
        with Daemon(tmp_path, config(**signals)) as daemon:
            with Client(daemon.address, fail_open=False) as client:
                assert labels(client, *TEXTS) == wanted
                asked = len(models.asked)
            daemon.kill()
            models.status = 500
            daemon.start()
            with Client(daemon.address, fail_open=False) as client:
                again = [
                    client.route({"description": text}, request_id=f"r{i}")
                    for i, text in enumerate(TEXTS)
                ]
                told = [answer.answer.classification for answer in again if answer.answer]
                assert [f"{s.label or '-'} {s.source}" for s in told] == wanted
                assert len(models.asked) == asked
            daemon.end()
    found = verified(tmp_path / "data")
    assert found.mismatches == ()
    assert found.decisions == found.laws_exact == len(TEXTS)


def test_a_blocked_message_leaves_no_trace(tmp_path: Path) -> None:
    with Daemon(tmp_path, config(rules=RULES)) as daemon:
        with Client(daemon.address, fail_open=False) as client:
            with pytest.raises(RouterdError, match="never send secrets") as refused:
                client.route({"description": "here is my password"})
            assert refused.value.reason == "BLOCKED_BY_POLICY"
            assert labels(client, "a stack trace") == [f"code {RULE}"]
        daemon.end()
    found = verified(tmp_path / "data")
    assert (found.decisions, found.mismatches) == (1, ())
    assert b"my password" not in (tmp_path / "data" / "log.db").read_bytes()


def test_a_model_that_goes_away_costs_the_label_and_no_decision(tmp_path: Path) -> None:
    """The daemon routes on without it; when it is back it is asked again."""
    models = Models()
    end = models.serve()
    endpoint = {"url": models.url, "protocol": "llama_cpp", "failures": 1, "pause_ms": 50}
    try:
        with Daemon(tmp_path, config(endpoint=endpoint)) as daemon:
            with Client(daemon.address, fail_open=False) as client:
                assert labels(client, "a bug") == [f"code {ENDPOINT}"]
                models.status = 500
                assert labels(client, "bug one", "bug two", prefix="f") == [f"- {NOBODY}"] * 2
                models.status = 200
                found = ""
                for i in range(1_000):
                    (found,) = labels(client, f"a new bug {i}", prefix=f"back-{i}-")
                    if found == f"code {ENDPOINT}":
                        break
                assert found == f"code {ENDPOINT}"
            daemon.end()
    finally:
        end()
    assert verified(tmp_path / "data").mismatches == ()


def test_a_reload_changes_the_classifier_and_the_rules_for_texts(tmp_path: Path) -> None:
    """With the rest of the file; one that cannot work here is refused as a whole."""
    with Daemon(tmp_path, config(rules=RULES)) as daemon:
        with Client(daemon.address, fail_open=False) as client:
            assert labels(client, "deploy", "write a poem") == [f"ops {RULE}", f"- {NOBODY}"]
            no_key = {"url": "http://127.0.0.1:1", "api_key_env": "NO_SUCH_KEY"}
            reload(daemon, config(endpoint=no_key))
            while "the environment has no NO_SUCH_KEY" not in daemon.complaints():
                assert labels(client, "deploy", prefix="again") == [f"ops {RULE}"]
            poems = [{"label": "poems", "any": ["poem"]}]
            texts = {"texts": {"descriptions": "masked"}}
            reload(daemon, config(rules=poems) | texts)
            assert "in force" in daemon.line()
            assert labels(client, "deploy", "a poem", prefix="n") == [
                f"- {NOBODY}",
                f"poems {RULE}",
            ]
            last = client.route({"description": "a poem for ann@example.org"})
            assert client.decision(last.decision_id).description == "a poem for ***"
        daemon.end()
    assert verified(tmp_path / "data").mismatches == ()


def reload(daemon: Daemon, changed: dict[str, Any]) -> None:
    """Write another configuration, and ask the daemon to read it."""
    daemon.config_file.write_text(json.dumps({**daemon.config, "signals": {}, **changed}))
    daemon.process.send_signal(signal.SIGHUP)

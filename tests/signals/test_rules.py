"""Rules give labels by patterns with qualifiers; no pattern can run away."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from routerd.config import ConfigErrors, parse
from routerd.settings_signals import Rule, Signals
from routerd.signals.patterns import BadPattern, Finder, compiled
from routerd.signals.rules import Rules

AGENTS = [{"id": "a"}, {"id": "b"}]


def label(text: str, *rules: dict[str, Any]) -> str:
    best = Rules([msgspec.convert(rule, Rule) for rule in rules]).best(text)
    return best.label if best else ""


@pytest.mark.parametrize(
    ("rule", "fits", "fits_not"),
    [
        ({"any": ["fix", "mend"]}, ["fix it", "mend it", "prefix"], ["", "build it"]),
        ({"all": ["fix", "test"]}, ["a test that I fix"], ["fix it", "test it"]),
        ({"any": ["fix"], "none": ["urgent"]}, ["fix it"], ["fix it, urgent"]),
        ({"none": ["urgent"]}, ["anything"], ["it is urgent"]),
        ({"any": ["API"]}, ["the api", "API"], []),
        ({"any": ["API"], "case": True}, ["the API"], ["the api"]),
        (
            {"any": ["fix"], "words": True},
            ["fix", "(fix)", "a fix."],
            ["prefix", "fixed", "fix_it"],
        ),
        (
            {"any": ["größe"], "words": True},
            ["die GRÖẞE", "„Größe“?", "(Größe)–", "größe。", "→größe"],
            ["größen", "übergröße"],
        ),
        ({"any": ["log ?in"]}, ["log in", "LOGIN"], ["log  out"]),
        ({"any": [r"\d{3,}"]}, ["error 404"], ["error 40"]),
    ],
)
def test_a_rule_s_qualifiers(rule: dict[str, Any], fits: list[str], fits_not: list[str]) -> None:
    """any, all and none; case, and whole words of any script."""
    rule = {"label": "x", **rule}
    assert [text for text in fits if label(text, rule) != "x"] == []
    assert [text for text in fits_not if label(text, rule) == "x"] == []


def test_priority_counts_before_confidence_and_that_before_order() -> None:
    first = {"label": "first", "any": ["x"], "confidence": 0.5}
    second = {"label": "second", "any": ["x"], "confidence": 0.5}
    surer = {"label": "surer", "any": ["x"], "confidence": 0.6}
    higher = {"label": "higher", "any": ["x"], "confidence": 0.1, "priority": 1}
    assert label("x", first, second) == "first"
    assert label("x", first, second, surer) == "surer"
    assert label("x", first, surer, higher) == "higher"
    assert label("y", first, surer, higher) == ""


def test_many_patterns_at_once_find_what_each_finds_alone() -> None:
    """With and without literal parts, alone or together, in upper and lower case."""
    pool = ["(?i:fix)", "(?i:größe)", "login", "[0-9]{3,}", "(?i:a.b)", "(?is:x.*y)", r"\d", "^F"]
    texts = ["", "FIX 12", "Größe aXb", "x z y login", "123", "Fix x", "ärger a b", "xy 7"]
    alone = {pattern: compiled(pattern) for pattern in pool}
    for size in range(1, len(pool) + 1):
        for start in range(len(pool)):
            some = [pool[(start + i) % len(pool)] for i in range(size)]
            finder = Finder(some)
            for text in texts:
                wanted = {i for i, pattern in enumerate(some) if alone[pattern].search(text)}
                assert finder.found(text) == wanted, (some, text)


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=x)", "(?<!x)y", "x{1001}", "(", "((x{99}){99})"])
def test_what_cannot_be_found_in_linear_time_is_refused_at_start(pattern: str) -> None:
    """By the file's check, with the path of the pattern; a pattern that backtracks is harmless."""
    with pytest.raises(BadPattern, match="linear time"):
        compiled(pattern)
    rule = {"label": "x", "any": ["fine", pattern]}
    with pytest.raises(ConfigErrors) as refused:
        parse({"agents": AGENTS, "signals": {"rules": [rule]}})
    assert [path for path, _ in refused.value.errors] == ["signals.rules[0].any[1]"]
    # Python's own engine would take longer than the universe is old.
    assert label("a" * 2_000, {"label": "x", "any": ["(a+)+$", "(a|aa)+b"]}) == "x"


def test_every_mistake_of_the_section_is_told_with_its_path() -> None:
    signals = {
        "rules": [{"label": "x"}, {"label": "y", "any": ["("], "caes": True}],
        "endpoint": {"url": "http://me:secret@host", "prompt": "no place"},
        "labels": {"x": {"agent": "nobody"}},
    }
    with pytest.raises(ConfigErrors) as refused:
        parse({"agents": AGENTS, "signals": signals, "texts": {"mask": ["("]}})
    assert {path for path, _ in refused.value.errors} == {
        "signals.rules[0]",
        "signals.rules[1].any[0]",
        "signals.rules[1].caes",
        "signals.endpoint.url",
        "signals.endpoint.prompt",
        "signals.labels.x.agent",
        "texts.mask[0]",
    }
    with pytest.raises(ConfigErrors, match="labels: is empty"):
        parse({"agents": AGENTS, "signals": {"endpoint": {"url": "https://host/v1"}}})


def test_without_re2_rules_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, not for each pattern; a configuration without rules needs nothing."""
    monkeypatch.setitem(sys.modules, "re2", None)
    rules = [{"label": "x", "any": ["a", "b"]}, {"label": "y", "any": ["c"]}]
    with pytest.raises(ConfigErrors) as refused:
        parse({"agents": AGENTS, "signals": {"rules": rules}})
    ((path, told),) = refused.value.errors
    assert path == "signals"
    assert "pip install 'routerd[signals]'" in told
    assert parse({"agents": AGENTS}).signals == Signals()

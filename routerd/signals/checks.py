"""What is wrong with the configuration's `signals` and `texts` that its schema cannot say.

These read plain data whose shape may be wrong elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from routerd.signals.patterns import BadPattern, MissingRe2, compiled, qualified

Finding = tuple[str, str]
"""A path in the file, and a sentence."""


def signal_problems(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Patterns that are none, rules that say nothing, labels and agents that do not exist."""
    try:
        yield from _problems(data)
    except MissingRe2 as error:  # said once, not for each pattern
        yield "signals", str(error)


def _problems(data: Mapping[str, Any]) -> Iterator[Finding]:
    signals, texts = data.get("signals"), data.get("texts")
    if isinstance(texts, dict):
        yield from _patterns("texts.mask", texts.get("mask"))
    if not isinstance(signals, dict):
        return
    rules = signals.get("rules")
    for i, rule in enumerate(rules if isinstance(rules, (list, tuple)) else ()):
        if isinstance(rule, dict):
            yield from _rule(f"signals.rules[{i}]", rule)
    labels = signals.get("labels")
    known = labels if isinstance(labels, dict) else {}
    yield from _agents_of(known, data.get("agents"))
    endpoint = signals.get("endpoint")
    if isinstance(endpoint, dict):
        named = [rule for rule in rules or () if isinstance(rule, dict) and rule.get("label")]
        if not known and not named:
            yield "signals.labels", "is empty; name the labels that the endpoint may give"
        yield from _endpoint("signals.endpoint", endpoint)


def _rule(path: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    words = rule.get("words") is True
    for key in ("any", "all", "none"):
        yield from _patterns(f"{path}.{key}", rule.get(key), words=words)
    if not any(rule.get(key) for key in ("any", "all", "none")):
        yield path, "says nothing: give it patterns in any, all or none"


def _patterns(path: str, patterns: object, *, words: bool = False) -> Iterator[Finding]:
    for i, pattern in enumerate(patterns if isinstance(patterns, (list, tuple)) else ()):
        if isinstance(pattern, str) and pattern:
            try:
                compiled(pattern)  # alone: its qualifiers could hide what is wrong with it
                compiled(qualified(pattern, case=False, words=words))
            except MissingRe2:
                raise
            except BadPattern as error:
                yield f"{path}[{i}]", str(error)


def _agents_of(labels: Mapping[Any, Any], agents: object) -> Iterator[Finding]:
    entries = agents if isinstance(agents, (list, tuple)) else ()
    ids = {agent.get("id") for agent in entries if isinstance(agent, dict)}
    for name, label in labels.items():
        wanted = label.get("agent") if isinstance(label, dict) else None
        if isinstance(wanted, str) and wanted and wanted not in ids:
            yield f"signals.labels.{name}.agent", f"no agent has the id `{wanted}`"


def _endpoint(path: str, endpoint: Mapping[str, Any]) -> Iterator[Finding]:
    url, prompt = endpoint.get("url"), endpoint.get("prompt")
    if isinstance(url, str) and not url.startswith(("http://", "https://")):
        yield f"{path}.url", "must start with http:// or https://"
    if isinstance(url, str) and "@" in url.partition("://")[2].partition("/")[0]:
        yield f"{path}.url", "holds a secret; name an environment variable in api_key_env"
    if isinstance(prompt, str) and prompt and "{text}" not in prompt:
        yield f"{path}.prompt", "has no place {text} for the description"

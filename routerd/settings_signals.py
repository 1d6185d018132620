"""Sections of the configuration: how a description becomes a work type, and what texts are kept."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from routerd.core.sections import Count, Metadata, Name, Positive, Section, Share, Word

Pattern = Annotated[str, Meta(min_length=1, max_length=512)]
Patterns = Annotated[tuple[Pattern, ...], Meta(max_length=64)]
Template = Annotated[str, Meta(max_length=1_000)]
Url = Annotated[str, Meta(min_length=8, max_length=2_048)]
Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]


class Rule(Section, frozen=True):
    """Gives a description its label: one of `any` is found in it, all of `all`, and none of `none`.

    Patterns are RE2's, which run in time linear in the text. case: whether upper and lower case
    differ. words: a match starts and ends at a word's border. Among the rules that apply, the one
    of highest priority counts, then of highest confidence, then the first.
    """

    label: Name
    any: Patterns = ()
    all: Patterns = ()
    none: Patterns = ()
    case: bool = False
    words: bool = False
    priority: Annotated[int, Meta(ge=-1_000, le=1_000)] = 0
    confidence: Share = 0.9


class Label(Section, frozen=True):
    """What a label means; without an entry its work type is the label itself.

    about: says it in the prompt. block: refuses the request, with this reason. agent: gets the
    task. model, spawn, metadata and inject are for the caller: the model to run, whether to start
    a session of its own for it, facts, and a text for its prompt.
    """

    work_type: Word = ""
    about: Annotated[str, Meta(max_length=500)] = ""
    block: Annotated[str, Meta(max_length=500)] = ""
    agent: Word = ""
    model: Word = ""
    spawn: bool = False
    metadata: Metadata = {}
    inject: Template = ""


class Endpoint(Section, frozen=True):
    """A model that classifies over HTTP.

    url: the base, to which the protocol adds its path. api_key_env: the environment variable that
    holds the key. prompt: with the places {labels} and {text}. reply: one JSON object with label
    and confidence, or nothing but the label. confidence: of a reply that tells none. max_calls: at
    once; max_waiting requests may wait for one of these: a share of server.max_in_flight, so that
    an endpoint that hangs leaves room for others. After so many failures in a row it is left alone
    for pause_ms at a time.
    """

    url: Url
    protocol: Literal["openai", "ollama", "llama_cpp", "lm_studio"] = "openai"
    model: Word = ""
    api_key_env: Word = ""
    prompt: Annotated[str, Meta(max_length=8_000)] = ""
    reply: Literal["json", "token"] = "json"
    confidence: Share = 0.7
    timeout_ms: Milliseconds = 2_000
    max_calls: Annotated[int, Meta(ge=1, le=1_000)] = 8
    max_waiting: Annotated[int, Meta(ge=0, le=100_000)] = 100
    failures: Count = 5
    pause_ms: Milliseconds = 10_000


class SignalCache(Section, frozen=True):
    """What the endpoint answered is remembered: so many texts, for so long. 0 entries: nothing."""

    entries: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    ttl_minutes: Positive = 60.0


class Signals(Section, frozen=True):
    """How a task that has a description and no work type gets one: rules, an endpoint, or both.

    With both, rules of a confidence of `sure` or more answer alone. max_chars: of a description
    that are looked at.
    """

    rules: Annotated[tuple[Rule, ...], Meta(max_length=1_000)] = ()
    endpoint: Endpoint | None = None
    labels: Annotated[dict[Name, Label], Meta(max_length=256)] = {}
    sure: Share = 0.8
    max_chars: Annotated[int, Meta(ge=1, le=20_000)] = 2_000
    cache: SignalCache = SignalCache()


class Texts(Section, frozen=True):
    """Which texts the log keeps, each cut to `chars` characters.

    masked: addresses, keys and long numbers are blotted out first, and what `mask` finds.
    """

    descriptions: Literal["never", "masked"] = "never"
    explanations: Literal["never", "masked", "whole"] = "masked"
    chars: Annotated[int, Meta(ge=1, le=20_000)] = 1_000
    mask: Patterns = ()

"""The classifier: rules first, the endpoint when they are not sure, and what it said before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple, Self

import msgspec

from routerd.core.errors import ErrorReason, RouterError
from routerd.core.signals import Classified, Directives, SignalFailure, SignalSource
from routerd.settings import Config
from routerd.settings_signals import Endpoint as EndpointSettings
from routerd.settings_signals import Label, Signals
from routerd.signals.cache import Cache, key_of, normalised
from routerd.signals.http import Endpoint
from routerd.signals.patterns import HOW_TO_INSTALL, BadPattern
from routerd.signals.reply import NoLabel
from routerd.signals.rules import Guess, Rules

MARGIN_S, MARGIN_SHARE = 0.05, 0.1
"""Of a request's time the larger of these is left for the decision; of very little time, half."""

NO_LABEL = Label()


class SignalsUnavailable(Exception):
    """The configured classifier cannot work here: a package or a secret is missing."""


class Heard(NamedTuple):
    """What came of asking, whether it was remembered, and how long it took.

    block: the reason to refuse the request with; None to go on.
    """

    classified: Classified
    cached: bool
    latency_ms: float
    block: str | None = None

    def admitted(self) -> Classified:
        """What was made of it. Raises BLOCKED_BY_POLICY."""
        told = self.classified
        if self.block is None:
            return told
        metadata = {"label": told.label, "classifier_version": told.version}
        raise RouterError(ErrorReason.BLOCKED_BY_POLICY, self.block, metadata=metadata)


class Classifier:
    """Finds the labels of descriptions; used from one event loop.

    `quick` answers what needs no endpoint, `ask` the rest. Raises SignalsUnavailable.
    """

    def __init__(self, signals: Signals, environment: Mapping[str, str]) -> None:
        self.version = version_of(signals)
        self._signals = signals
        self._labels = labels_of(signals)
        known = {"": NO_LABEL, **self._labels}
        self._answers = {name: (label, directives_of(label)) for name, label in known.items()}
        try:
            self._rules = Rules(signals.rules)
        except BadPattern as error:
            raise SignalsUnavailable(f"signals.rules: {error}") from None
        self._endpoint = endpoint_of(signals.endpoint, self._labels, environment)
        self._cache = Cache[Guess](signals.cache.entries, signals.cache.ttl_minutes * 60)
        self._asking: dict[bytes, asyncio.Task[Guess]] = {}

    @classmethod
    def of(cls, config: Config, environment: Mapping[str, str]) -> Self | None:
        """The configured classifier; None when there is none."""
        signals = config.signals
        return cls(signals, environment) if signals.rules or signals.endpoint else None

    def quick(self, text: str) -> Heard | None:
        """What rules or the cache answer; None when the endpoint must be asked."""
        start_s = time.perf_counter()
        whole = normalised(text)
        guess = self._rules.best(whole[: self._signals.max_chars])
        if self._endpoint is None:
            return self._heard(SignalSource.RULES, guess, start_s)
        if guess is not None and guess.confidence >= self._signals.sure:
            return self._heard(SignalSource.RULES, guess, start_s)
        known = self._cache.get(key_of(whole, self.version))
        if known is not None:
            return self._heard(SignalSource.ENDPOINT, known, start_s, cached=True)
        return None

    async def ask(self, text: str, deadline_s: float) -> Heard:
        """What the endpoint answers, else the rules' best; before a deadline in the loop's time."""
        assert self._endpoint is not None
        start_s = time.perf_counter()
        left_s = deadline_s - asyncio.get_running_loop().time()
        whole = normalised(text)
        try:
            asking = self._shared(whole)
            margin_s = min(max(MARGIN_S, MARGIN_SHARE * left_s), left_s / 2)
            done, _ = await asyncio.wait((asking,), timeout=left_s - margin_s)
            if not done or asking.cancelled():
                raise NoLabel(SignalFailure.NO_TIME)
            return self._heard(SignalSource.ENDPOINT, asking.result(), start_s)
        except NoLabel as error:
            guess = self._rules.best(whole[: self._signals.max_chars])
            return self._heard(SignalSource.RULES, guess, start_s, failure=error.failure)

    async def retire(self) -> None:
        """Let what is being asked end, then close."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """End what is still being asked."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        if self._endpoint is not None:
            await self._endpoint.close()

    def _shared(self, whole: str) -> asyncio.Task[Guess]:
        """The call for a text, which all who wait for it share; it outlives each of them."""
        key = key_of(whole, self.version)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._remembered(key, whole))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return task

    async def _remembered(self, key: bytes, whole: str) -> Guess:
        assert self._endpoint is not None
        guess = await self._endpoint.ask(whole[: self._signals.max_chars])
        self._cache.put(key, guess)
        return guess

    def _forget(self, key: bytes, done: asyncio.Task[Guess]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # whoever waited has heard of it

    def _heard(
        self,
        source: SignalSource,
        guess: Guess | None,
        start_s: float,
        *,
        cached: bool = False,
        failure: SignalFailure | None = None,
    ) -> Heard:
        name = guess.label if guess is not None else ""
        label, directives = self._answers[name]
        classified = Classified(
            source=SignalSource.NONE if guess is None else source,
            version=self.version,
            label=name,
            work_type=label.work_type or name,
            confidence=None if guess is None else guess.confidence,
            failure=failure,
            directives=directives,
        )
        latency_ms = (time.perf_counter() - start_s) * 1000
        return Heard(classified, cached, latency_ms, label.block or None)


def labels_of(signals: Signals) -> dict[str, Label]:
    """Every label that a description may get, those that only rules name included."""
    return {rule.label: NO_LABEL for rule in signals.rules} | signals.labels


def directives_of(label: Label) -> Directives:
    return Directives(
        inject=label.inject,
        agent_id=label.agent,
        model=label.model,
        spawn=label.spawn,
        metadata=tuple(label.metadata.items()),
    )


def version_of(signals: Signals) -> str:
    """A name for all that a label depends on; where and how fast it is asked is no part of it."""
    asked = signals.endpoint
    model = asked and (asked.protocol, asked.model, asked.prompt, asked.reply, asked.confidence)
    labels = {name: label.about for name, label in labels_of(signals).items()}
    told = (signals.rules, model, labels, signals.sure, signals.max_chars)
    return blake2b(msgspec.json.encode(told, order="deterministic"), digest_size=6).hexdigest()


def endpoint_of(
    settings: EndpointSettings | None, labels: Mapping[str, Label], environment: Mapping[str, str]
) -> Endpoint | None:
    if settings is None:
        return None
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        told = HOW_TO_INSTALL.replace("google-re2", "aiohttp")
        raise SignalsUnavailable(f"signals.endpoint: {told}") from None
    key = environment.get(settings.api_key_env, "") if settings.api_key_env else ""
    if settings.api_key_env and not key:
        told = f"the environment has no {settings.api_key_env}"
        raise SignalsUnavailable(f"signals.endpoint.api_key_env: {told}")
    return Endpoint(settings, labels, key)

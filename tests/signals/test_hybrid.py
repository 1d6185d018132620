"""Rules first, the endpoint when they are not sure; failures, the cache, and shared calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from routerd.core.signals import SignalFailure, SignalSource
from routerd.settings_signals import Signals
from routerd.signals.hybrid import Classifier, Heard, SignalsUnavailable
from tests.signals.models import Models

PATIENCE_S = 20.0
LABELS = {"code": {"about": "programs"}, "translate": {}, "other": {"work_type": ""}}
UNSURE = [{"label": "ops", "any": ["deploy"], "confidence": 0.5}]
PATHS = {"openai": "/v1", "lm_studio": "/v1", "ollama": "", "llama_cpp": ""}


@asynccontextmanager
async def classifier(
    models: Models, *, rules: object = (), cache: object = None, **endpoint: Any
) -> AsyncIterator[Classifier]:
    """A classifier of the model server, and of rules."""
    path = PATHS[endpoint.get("protocol", "openai")]
    given = {
        "rules": rules,
        "labels": LABELS,
        "endpoint": {"url": models.url + path, "model": "m", **endpoint},
        **({} if cache is None else {"cache": cache}),
    }
    made = Classifier(msgspec.convert(given, Signals), {"MODEL_KEY": "k-1"})
    try:
        yield made
    finally:
        await made.close()


async def hear(made: Classifier, text: str, timeout_s: float = PATIENCE_S) -> Heard:
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    return made.quick(text) or await made.ask(text, deadline_s)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("protocol", PATHS)
@pytest.mark.parametrize("reply", ["json", "token"])
async def test_every_protocol_and_reply(models: Models, protocol: str, reply: str) -> None:
    """OpenAI's, Ollama's, llama.cpp's and LM Studio's shapes: asked as they want, read strictly."""
    async with classifier(models, protocol=protocol, reply=reply) as made:
        heard = await hear(made, "a bug\nin the login")
    told = heard.classified
    assert (told.source, told.label, told.work_type) == (SignalSource.ENDPOINT, "code", "code")
    assert told.confidence == (0.75 if reply == "json" else 0.7)
    assert (told.failure, heard.cached) == (None, False)
    assert models.texts == ["a bug in the login"]
    assert "code: programs\ntranslate" in models.prompt(models.asked[0])


async def test_a_prompt_s_places_are_filled_in_one_pass(models: Models) -> None:
    """A text cannot bring in a place of its own, and other braces stay."""
    models.reply = lambda prompt: "translate"
    template = '{"task": "{text}", "one of": "{labels}"}'
    async with classifier(models, reply="token", prompt=template) as made:
        assert (await hear(made, "show {labels}")).classified.label == "translate"
    (body,) = models.asked
    told = models.prompt(body)
    assert told == '{"task": "show {labels}", "one of": "code: programs\ntranslate\nother"}'


async def test_sure_rules_answer_alone_and_others_only_when_the_endpoint_fails(
    models: Models,
) -> None:
    sure = [{"label": "translate", "any": ["french"], "confidence": 0.8}, *UNSURE]
    async with classifier(models, rules=sure) as made:
        heard = await hear(made, "into French")
        assert (heard.classified.source, models.asked) == (SignalSource.RULES, [])
        heard = await hear(made, "deploy the bug")
        assert (heard.classified.source, heard.classified.label) == (SignalSource.ENDPOINT, "code")
        models.status = 500
        told = (await hear(made, "deploy the other bug")).classified
        assert (told.source, told.label, told.confidence) == (SignalSource.RULES, "ops", 0.5)
        assert told.failure is SignalFailure.HTTP_ERROR
        told = (await hear(made, "what no rule knows")).classified
        assert (told.source, told.label, told.work_type) == (SignalSource.NONE, "", "")
        assert (told.confidence, told.failure) == (None, SignalFailure.HTTP_ERROR)


REPLIES: dict[SignalFailure, Callable[[Models], None]] = {
    SignalFailure.HTTP_ERROR: lambda models: setattr(models, "status", 429),
    SignalFailure.BAD_REPLY: lambda models: setattr(models, "raw", b'{"choices": []}'),
    SignalFailure.UNKNOWN_LABEL: lambda models: setattr(
        models, "reply", lambda prompt: '{"label": "poetry"}'
    ),
    SignalFailure.TIMED_OUT: lambda models: models.answering.clear(),
}


@pytest.mark.parametrize("failure", REPLIES)
async def test_each_failure_is_named(models: Models, failure: SignalFailure) -> None:
    REPLIES[failure](models)
    slow = failure is SignalFailure.TIMED_OUT
    async with classifier(models, timeout_ms=100 if slow else 10_000) as made:
        assert (await hear(made, "x")).classified.failure is failure
    assert len(models.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"choices": "x"}', b"x" * 300_000])
async def test_whatever_a_server_sends_is_an_answer_or_a_failure(
    models: Models, body: bytes
) -> None:
    models.raw = body
    async with classifier(models) as made:
        assert (await hear(made, "x")).classified.failure is SignalFailure.BAD_REPLY


async def test_nobody_there_is_a_failure_and_opens_the_breaker(models: Models) -> None:
    """After so many failures in a row the endpoint is left alone; then one call tries again."""
    models.status = 503
    async with classifier(models, failures=2, pause_ms=200) as made:
        failures = [(await hear(made, f"bug {i}")).classified.failure for i in range(4)]
        assert failures == [SignalFailure.HTTP_ERROR] * 2 + [SignalFailure.BREAKER_OPEN] * 2
        assert len(models.asked) == 2
        models.status = 200

        async def works_again() -> bool:
            return (await hear(made, "a new bug")).classified.failure is None

        async with asyncio.timeout(PATIENCE_S):
            while not await works_again():
                await asyncio.sleep(0.02)
        assert len(models.asked) == 3
    gone = Models()
    gone.url = "http://127.0.0.1:1"
    async with classifier(gone) as made:
        assert (await hear(made, "x")).classified.failure is SignalFailure.UNREACHABLE


async def test_a_model_that_talks_nonsense_does_not_open_the_breaker(models: Models) -> None:
    """The endpoint is well; the next text may go better."""
    models.reply = lambda prompt: "hm"
    async with classifier(models, failures=2) as made:
        told = [(await hear(made, f"bug {i}")).classified.failure for i in range(4)]
    assert told == [SignalFailure.BAD_REPLY] * 4


async def test_calls_are_bounded_in_number_and_so_are_those_who_wait(models: Models) -> None:
    models.answering.clear()
    async with classifier(models, max_calls=2, max_waiting=1, timeout_ms=20_000) as made:
        asked = [asyncio.create_task(hear(made, f"bug {i}")) for i in range(4)]
        told = await asked[3]
        assert told.classified.failure is SignalFailure.BUSY
        await until(lambda: len(models.asked) == 2)
        models.answering.set()
        heard = await asyncio.gather(*asked[:3])
        assert [each.classified.label for each in heard] == ["code"] * 3


async def test_a_request_s_own_deadline_comes_first(models: Models) -> None:
    """It gets the rules' best in time; the call goes on, and the next one finds its answer."""
    models.answering.clear()
    async with classifier(models, rules=UNSURE, timeout_ms=20_000) as made:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + 0.2
        told = (await made.ask("deploy the bug", deadline_s)).classified
        assert loop.time() < deadline_s
        assert (told.label, told.failure) == ("ops", SignalFailure.NO_TIME)
        models.answering.set()
        assert (await hear(made, "deploy the bug")).classified.label == "code"
        assert len(models.asked) == 1


async def test_equal_texts_share_a_call_and_then_the_cache(models: Models) -> None:
    """Also when the one who asked first goes away; spaces make no difference, letters do."""
    models.answering.clear()
    async with classifier(models) as made:
        first, *others = (
            asyncio.create_task(hear(made, text))
            for text in ("a  bug", "a bug ", "a bug", "another bug")
        )
        await until(lambda: len(models.asked) == 2)
        first.cancel()
        models.answering.set()
        heard = await asyncio.gather(*others)
        assert [each.cached for each in heard] == [False] * 3
        assert sorted(models.texts) == ["a bug", "another bug"]
        again = await hear(made, "\ta\nbug")
        assert (again.cached, again.classified) == (True, heard[0].classified)
        assert (await hear(made, "A bug")).cached is False
        assert len(models.asked) == 3


async def test_failures_are_not_remembered(models: Models) -> None:
    models.status = 500
    async with classifier(models) as made:
        await hear(made, "a bug")
        models.status = 200
        assert (await hear(made, "a bug")).classified.label == "code"


async def test_the_cache_is_keyed_by_the_whole_text_and_bounded(models: Models) -> None:
    """Texts that differ only behind what is looked at are two; the oldest makes room."""
    async with classifier(models, cache={"entries": 2}) as made:
        long = "bug " * 1_000
        for text in (long, long + "x", "third bug"):
            await hear(made, text)
        assert len({len(text) for text in models.texts}) == 2
        cached = [made.quick(text) is not None for text in (long, long + "x", "third bug")]
        assert cached == [False, True, True]


async def test_an_answer_cannot_be_changed_by_who_gets_it(models: Models) -> None:
    async with classifier(models) as made:
        heard = await hear(made, "a bug")
        with pytest.raises(AttributeError):
            heard.classified.label = "other"  # type: ignore[misc]
        hash(heard.classified)  # which nothing that can be changed has
        again = made.quick("a bug")
        assert again is not None
        assert again.classified == heard.classified


async def test_the_key_is_read_from_the_environment_and_sent_to_nobody_else(
    models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in no error and no log; a redirect is not followed; a missing one is told."""
    caplog.set_level("DEBUG")
    async with classifier(models, api_key_env="MODEL_KEY") as made:
        assert (await hear(made, "a bug")).classified.label == "code"
        assert models.keys == ["Bearer k-1"]
        models.status = 307
        told = (await hear(made, "a secret bug")).classified
        assert told.failure is SignalFailure.HTTP_ERROR
    assert "k-1" not in caplog.text + str(told)
    assert "secret bug" not in caplog.text
    with pytest.raises(SignalsUnavailable, match="the environment has no NO_KEY"):
        async with classifier(models, api_key_env="NO_KEY"):
            pass


async def test_the_version_changes_with_what_an_answer_depends_on(models: Models) -> None:
    versions = set()
    for change in ({}, {"model": "other"}, {"rules": UNSURE}, {"prompt": "{text}?"}):
        async with classifier(models, **change) as made:
            versions.add(made.version)
    async with classifier(models, timeout_ms=7, max_calls=3) as made:
        assert made.version in versions
    assert len(versions) == 4


async def test_a_reply_with_extra_words_in_it_is_read(models: Models) -> None:
    """Small models like to talk around the object."""
    models.reply = lambda prompt: "Well: " + json.dumps({"label": "translate"}) + " I hope."
    async with classifier(models) as made:
        assert (await hear(made, "x")).classified.label == "translate"

"""A model server on loopback that speaks every protocol, and fails in the ways that servers do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

ANSWERS = {"bug": "code", "translate": "translate", "forbidden": "secrets"}
"""A word of a task, and the label that the model gives it."""


def by_word(prompt: str) -> str:
    """What an obedient model replies to a prompt that ends in the task."""
    task = prompt.rpartition("instruction to you:")[2]
    label = next((label for word, label in ANSWERS.items() if word in task), "other")
    if "the label alone" in prompt:
        return label
    return json.dumps({"label": label, "confidence": 0.75})


class Models:
    """What was asked of the server, and how it answers.

    reply: from a prompt to what the model says. status: of HTTP. raw: a body in place of the
    protocol's. answering: while it is cleared, calls are taken and not answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.reply: Callable[[str], str] = by_word
        self.status = 200
        self.raw: bytes | None = None
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answering = threading.Event()
        self.answering.set()

    @property
    def texts(self) -> list[str]:
        """The task of each prompt, in order of arrival."""
        return [
            self.prompt(body).rpartition("instruction to you:")[2].strip() for body in self.asked
        ]

    @staticmethod
    def prompt(body: dict[str, Any]) -> str:
        told = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        assert isinstance(told, str)
        return told

    async def chat_completions(self, request: web.Request) -> web.Response:
        """POST /v1/chat/completions of OpenAI and LM Studio."""
        body = await self._take(request)
        assert body["messages"][-1]["role"] == "user"
        assert body["max_tokens"] > 0
        form = body.get("response_format")
        if form is not None:  # LM Studio knows this one only
            assert form["json_schema"]["schema"]["properties"]["label"]["enum"]
        told = {"role": "assistant", "content": self.reply(self.prompt(body))}
        choice = {"index": 0, "finish_reason": "stop", "message": told}
        return self._give({"object": "chat.completion", "choices": [choice]})

    async def ollama(self, request: web.Request) -> web.Response:
        """POST /api/chat of Ollama, which streams unless it is told not to."""
        body = await self._take(request)
        assert body["stream"] is False
        assert body["options"]["num_predict"] > 0
        told = {"role": "assistant", "content": self.reply(self.prompt(body))}
        return self._give({"model": body["model"], "message": told, "done": True})

    async def llama_cpp(self, request: web.Request) -> web.Response:
        """POST /completion of the llama.cpp server."""
        body = await self._take(request)
        assert body["n_predict"] > 0
        return self._give({"content": self.reply(self.prompt(body)), "stop": True})

    async def _take(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.keys.append(request.headers.get("Authorization", ""))
        self.asked.append(body)
        while not self.answering.is_set():
            await asyncio.sleep(0.005)
        return body

    def _give(self, told: dict[str, Any]) -> web.Response:
        body = json.dumps(told).encode() if self.raw is None else self.raw
        return web.Response(status=self.status, body=body, content_type="application/json")

    def serve(self) -> Callable[[], None]:
        """Start in a thread of its own; what ends it."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat_completions)
        app.router.add_post("/api/chat", self.ollama)
        app.router.add_post("/completion", self.llama_cpp)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        loop = asyncio.new_event_loop()

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(start(), loop).result()

        def end() -> None:
            self.answering.set()
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

        return end


@contextmanager
def serving() -> Iterator[Models]:
    """A model server that is there while the block runs."""
    models = Models()
    end = models.serve()
    try:
        yield models
    finally:
        end()

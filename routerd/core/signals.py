"""What a classifier made of a description: values that travel with a request and are logged."""

from __future__ import annotations

from enum import StrEnum

from routerd.core.base import Value


class SignalSource(StrEnum):
    """Who found the label. NONE: nobody did."""

    RULES = "RULES"
    ENDPOINT = "ENDPOINT"
    NONE = "NONE"


class SignalFailure(StrEnum):
    """Why the endpoint, though it should have been asked, gave no label."""

    TIMED_OUT = "TIMED_OUT"
    NO_TIME = "NO_TIME"
    UNREACHABLE = "UNREACHABLE"
    HTTP_ERROR = "HTTP_ERROR"
    BAD_REPLY = "BAD_REPLY"
    UNKNOWN_LABEL = "UNKNOWN_LABEL"
    BREAKER_OPEN = "BREAKER_OPEN"
    BUSY = "BUSY"


class Directives(Value, frozen=True):
    """What the caller shall do with a label.

    inject: a text for the caller's prompt, with places that the answer fills. agent_id is who gets
    the task, whatever the policy's law; model, spawn and metadata are told to the caller. Every
    answer with the label shares it, so nothing in it can be changed.
    """

    inject: str = ""
    agent_id: str = ""
    model: str = ""
    spawn: bool = False
    metadata: tuple[tuple[str, str], ...] = ()


NO_DIRECTIVES = Directives()


class Classified(Value, frozen=True):
    """The answer of a classifier. version names its rules, prompt, model and labels.

    failure: why it was not the endpoint that answered; None when it was not needed or did.
    """

    source: SignalSource
    version: str
    label: str = ""
    work_type: str = ""
    confidence: float | None = None
    failure: SignalFailure | None = None
    directives: Directives = NO_DIRECTIVES

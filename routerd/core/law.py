"""What a decision is drawn from, and what the stages that make it have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from learners.base import Array
from routerd.core.experiment import Trialled
from routerd.core.values import Excluded, Exclusion, Reason
from routerd.core.view import View


class Law(msgspec.Struct, frozen=True, gc=False):
    """p[i] is the probability of the agent at roster index eligible[i], in id order.

    forced: the override that left only the eligible ones, as it is told; empty when none did.
    about: index into the law of the agent that the reason is about, such as the one that a static
    table names; a draw of another is what is still explored. -1 when it is about all of them.
    given_up: the utility that a capped policy's law gives up, and that of the best. trial: of which
    experiment; shadow: the law of an arm whose choice is only noted. at_once: how many are tried.
    """

    eligible: tuple[int, ...]
    p: Array
    policy_id: str = ""
    reason: Reason = Reason.SAMPLED
    detail: str = ""
    stages: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    forced: str = ""
    about: int = -1
    given_up: tuple[float, float] | None = None
    trial: Trialled | None = None
    shadow: Array | None = None
    at_once: int = 1

    def by(self, stage: str, **changes: Any) -> Law:
        """The law that a stage makes of this one, with the stage's name in it."""
        return replace(self, stages=(*self.stages, stage), **changes)


Stage = Callable[[Law, View], Law]

Out = tuple[Exclusion, str]
"""Why an agent may not be chosen, with what is told of it."""

Why = dict[int, Out | None]
"""By roster index: why an agent may not be chosen; None when it may."""

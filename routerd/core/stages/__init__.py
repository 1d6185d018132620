"""The stages of a decision: each is a function (law, view) -> law, and nothing else.

The first stage says who may be chosen; the others move probability among those. Every stage that
changes the law leaves its name in it. A stage whose feature is not configured costs one cheap test.
"""

from __future__ import annotations

from routerd.core.law import Stage
from routerd.core.stages.budget import budget, exploration_cap
from routerd.core.stages.climb import climb
from routerd.core.stages.eligibility import eligibility
from routerd.core.stages.explicit import explicit
from routerd.core.stages.fallback import cold_start, confidence_gate, overload
from routerd.core.stages.follow import follow
from routerd.core.stages.override import override
from routerd.core.stages.policy import policy
from routerd.core.stages.probe import probe
from routerd.core.stages.signal import signal
from routerd.core.stages.sticky import sticky

STAGES: tuple[Stage, ...] = (
    eligibility,
    policy,
    budget,
    exploration_cap,
    follow,
    climb,
    sticky,
    cold_start,
    confidence_gate,
    overload,
    signal,
    override,
    probe,
    explicit,
)

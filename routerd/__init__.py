"""routerd decides which AI agent gets the next task, and learns from what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routerd.router import Router as Router

__version__ = "0.1.0"
__all__ = ["Router", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the in-process router when it is first asked for: the command line starts without it."""
    if name == "Router":
        from routerd.router import Router

        return Router
    raise AttributeError(f"module 'routerd' has no attribute {name!r}")

"""A refusal tells all that is wrong with a request at once, wherever that was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from routerd.core.errors import RouterError, Violation, invalid


@contextmanager
def besides(check: Callable[[], Any]) -> Iterator[None]:
    """Where something is refused, so is what `check` finds in the rest of the message."""
    try:
        yield
    except RouterError as error:
        raise joined(error.violations, check) from None


def joined(found: Sequence[Violation], check: Callable[[], Any]) -> RouterError:
    """One refusal for what was found around a message and what `check` finds inside it."""
    try:
        check()
    except RouterError as error:
        return invalid([*found, *error.violations])
    return invalid(found)


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Names the violations of a refusal as fields of an enclosing message."""
    try:
        yield
    except RouterError as error:
        raise within(field, error) from None


def within(field: str, error: RouterError) -> RouterError:
    """The same refusal, its violations named as fields of an enclosing message."""
    if not error.violations:
        return error
    return invalid([Violation(f"{field}.{v.field}", v.description) for v in error.violations])

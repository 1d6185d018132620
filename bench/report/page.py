"""The page of `routerd bench report`: results of replay, load, decide and ope, for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.data.recorded import DataError
from bench.pages.page import Html, bullets, element, gallery, page, section
from bench.report import decide, load, ope, replay
from bench.report.results import Replay, Results, replays
from bench.report.sweeps import sweeps

SCHEMA = 1


class Part(NamedTuple):
    """One results file: its sentences for the top of the page, and its sections."""

    in_short: list[str]
    sections: list[Html]
    replays: list[Replay]


def report(paths: Sequence[Path], version: str) -> str:
    """The page of all results. Raises DataError with a sentence that names the file."""
    parts = [read(path) for path in paths]
    across = sweeps([one for part in parts for one in part.replays])
    told = [sentence for part in parts for sentence in part.in_short]
    return page(
        "routerd, measured",
        element("h1", "routerd, measured"),
        element(
            "p", f"routerd {version}. From {', '.join(path.name for path in paths)}.", kind="lead"
        ),
        section("In short", bullets(told)),
        *([section("Across replays", gallery(*across))] if across else []),
        *(block for part in parts for block in part.sections),
    )


class Kind(NamedTuple):
    """Results that are rows: the column that no other kind has, their type, and what tells them."""

    column: str
    rows: Any
    in_short: Callable[[Any], str]
    section_of: Callable[[Any, str], Html]


KINDS = (
    Kind("target", list[load.Load], load.in_short, load.section_of),
    Kind("system", list[decide.Decide], decide.in_short, decide.section_of),
    Kind("estimator", list[ope.Ope], ope.in_short, ope.section_of),
)


def read(path: Path) -> Part:
    """What a results file says; its kind shows in what it holds."""
    found = parsed(path)
    first = found[0] if isinstance(found, list) and found else None
    columns = first if isinstance(first, dict) else {}
    try:
        if isinstance(found, dict) and "schema" in found:
            return of_replay(path, found)
        for kind in KINDS:
            if kind.column in columns:
                rows = msgspec.convert(found, kind.rows)
                return Part([kind.in_short(rows)], [kind.section_of(rows, path.name)], [])
    except msgspec.ValidationError as error:
        raise DataError(f"{path} is not as `routerd bench` writes it: {error}") from None
    raise DataError(f"{path} holds no results of `routerd bench` replay, load, decide or ope")


def parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None


def of_replay(path: Path, found: dict[str, Any]) -> Part:
    if found["schema"] != SCHEMA:
        told = f"this version reads schema {SCHEMA}"
        raise DataError(f"{path} has results of schema {found['schema']!r}; {told}")
    results = msgspec.convert(found, Results)
    if not results.runs:
        raise DataError(f"{path} holds no runs")
    made = list(replays(results, path))
    sections = [replay.section_of(one) for one in made]
    return Part([replay.in_short(one) for one in made], sections, made)

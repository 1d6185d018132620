"""`routerd signals`: how well the configured classifier does on labelled lines."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from routerd.cli.check_config import load_or_fail
from routerd.cli.output import Exit, Failed, console, json_option, progress, say_json
from routerd.cli.paths import PathTo
from routerd.cli.ranges import Finite
from routerd.cli.tables import Facts, Rows, facts, table

if TYPE_CHECKING:
    from routerd.settings import Config
    from routerd.signals.hybrid import Heard

AT_ONCE = 16
NOTHING = "(none)"


class Line(NamedTuple):
    """A description, and the label that it should get."""

    label: str
    text: str


@click.group()
def signals() -> None:
    """Classifiers: how a description becomes a work type."""


@signals.command("test")
@click.argument("file", type=PathTo(dir_okay=False))
@click.option(
    "--config",
    "config_file",
    type=PathTo(),
    required=True,
    envvar="ROUTERD_CONFIG",
    show_envvar=True,
    help="The configuration whose `signals` are tested.",
)
@click.option("--least", type=Finite(0, 1), help="Exit with 1 below this accuracy.")
@json_option
def run(file: Path, config_file: Path, least: float | None, as_json: bool) -> None:
    """Classify the lines of FILE and compare. Each is `LABEL<TAB>TEXT`, or JSON with both.

    Tells the accuracy, who answered, how long it took, and which labels were taken for which. It
    needs no daemon; an endpoint that is configured is asked.
    """
    from routerd.signals.hybrid import SignalsUnavailable

    lines = list(read(file))
    with progress() as told:
        try:
            heard = asyncio.run(classified(load_or_fail(config_file), lines, told))
        except SignalsUnavailable as error:
            raise Failed(str(error), exit_code=Exit.USAGE) from None
    report = summary(lines, heard)
    if as_json:
        say_json(report)
    else:
        console().print(*shown(report))
    if least is not None and report["accuracy"] < least:
        raise Failed(f"the accuracy is {report['accuracy']:.4g}; {least:g} is the least")


def read(file: Path) -> Iterator[Line]:
    """The labelled lines of a file; empty ones are left out."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"cannot read {file}: {error}", exit_code=Exit.USAGE) from None
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            count += 1
            yield labelled(f"{file}:{number}", line)
    if not count:
        raise Failed(f"{file} has no lines", exit_code=Exit.USAGE)


def labelled(place: str, line: str) -> Line:
    label, tab, text = line.partition("\t")
    found: Any = {"label": label.strip(), "text": text} if tab else None
    if line.lstrip().startswith("{"):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
    values = [found.get(key) for key in ("label", "text")] if isinstance(found, dict) else [None]
    if not all(isinstance(value, str) and value for value in values):
        told = 'must be LABEL<TAB>TEXT, or {"label": "...", "text": "..."}'
        raise Failed(f"{place}: {told}", exit_code=Exit.USAGE)
    return Line(*values)


async def classified(
    config: Config, lines: Sequence[Line], told: Callable[[int, int, str], None] | None
) -> list[Heard]:
    """What the configured classifier makes of each line. Raises SignalsUnavailable."""
    import os

    from routerd.signals.hybrid import Classifier

    classifier = Classifier.of(config, os.environ)
    if classifier is None:
        raise Failed("`signals` has neither rules nor an endpoint", exit_code=Exit.USAGE)
    room, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(line: Line) -> Heard:
        nonlocal done
        async with room:
            forever_s = asyncio.get_running_loop().time() + 3600
            heard = classifier.quick(line.text) or await classifier.ask(line.text, forever_s)
        done += 1
        if told is not None:
            told(done, len(lines), line.label)
        return heard

    try:
        return await asyncio.gather(*(one(line) for line in lines))
    finally:
        await classifier.close()


def summary(lines: Sequence[Line], heard: Sequence[Heard]) -> dict[str, Any]:
    """Accuracy, sources, failures, latencies, and confusion[wanted][given] as counts."""
    confusion: dict[str, Counter[str]] = {}
    for line, each in zip(lines, heard, strict=True):
        given = each.classified.label or NOTHING
        confusion.setdefault(line.label, Counter())[given] += 1
    right = sum(counts[label] for label, counts in confusion.items())
    times = sorted(each.latency_ms for each in heard)
    cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    failed = Counter(str(each.classified.failure) for each in heard if each.classified.failure)
    return {
        "lines": len(lines),
        "accuracy": right / len(lines),
        "classifier_version": heard[0].classified.version,
        "sources": dict(sorted(Counter(str(each.classified.source) for each in heard).items())),
        "failures": dict(sorted(failed.items())),
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
        "confusion": {label: dict(sorted(confusion[label].items())) for label in sorted(confusion)},
    }


def shown(report: dict[str, Any]) -> list[Facts | Rows]:
    """A report for people."""
    counts = (
        ", ".join(f"{name} {n}" for name, n in report[key].items())
        for key in ("sources", "failures")
    )
    sources, failures = counts
    told = facts(
        [
            ("accuracy", f"{report['accuracy']:.1%} of {report['lines']} lines"),
            ("found by", sources),
            ("failures", failures),
            ("latency", f"p50 {report['p50_ms']:.3g} ms, p99 {report['p99_ms']:.3g} ms"),
            ("version", report["classifier_version"]),
        ]
    )
    confusion = report["confusion"]
    given = sorted({name for counts in confusion.values() for name in counts})
    rows = [
        [label, *(str(counts.get(n, "")) for n in given)] for label, counts in confusion.items()
    ]
    return [told, table(["wanted \\ given", *given], rows)]

"""`routerd warm-start`: learning from recorded outcomes before the first decision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from routerd.cli.output import Exit, Failed, console, json_option, say_json
from routerd.cli.paths import PathTo
from routerd.cli.ranges import Finite
from routerd.cli.tables import facts
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.words import counted

if TYPE_CHECKING:
    from bench.data.tablefile import Table
    from routerd.core.settings import EngineConfig
    from routerd.engine.warm_start import Imported, Row

NEEDED = ("agent_id", "quality")


@click.command("warm-start")
@click.argument("directory", metavar="DIR", type=PathTo())
@click.option(
    "--from",
    "source",
    type=PathTo(exists=True, dir_okay=False),
    required=True,
    help="What `routerd export` wrote, or a row per task and agent: Parquet, CSV or JSON Lines.",
)
@click.option("--config", "config_file", type=PathTo(), help="For a new DIR.")
@click.option(
    "--weight",
    type=Finite(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="What a recorded outcome counts, where a reported one counts 1.",
)
@json_option
def warm_start(
    directory: Path, source: Path, config_file: Path | None, weight: float, as_json: bool
) -> None:
    """Learn from recorded outcomes into DIR, a data directory.

    No daemon may run on it. Each row names an agent_id and a quality, and perhaps work_type or
    domain, labels, task_text, cost_usd, latency_ms and columns called as number features are. The
    same file again changes nothing. Agents that are not known are left out and counted; once they
    are known, the same file again has them learn too.
    """
    from bench.data.recorded import DataError
    from bench.data.tablefile import open_table
    from routerd.audit.reach import open_audited
    from routerd.clock import wall_clock
    from routerd.config import ConfigErrors, load
    from routerd.core.errors import RouterError
    from routerd.engine.sequencer import Sequencer
    from routerd.engine.warm_start import warm_start as learn
    from routerd.log.base import LogCorrupt, LogUnavailable
    from routerd.log.snapshot import Snapshots

    if config_file is None and not (directory / "log.db").is_file():
        raise Failed(
            f"no log in {directory}: give --config FILE to begin one", exit_code=Exit.USAGE
        )
    try:
        table = open_table(source)
        check(table, source)
        config: EngineConfig = load(config_file) if config_file else config_of(directory)
        wanted = list(rows(table, source, config))  # every error of it before anything is written
        with closing(open_audited(directory)) as log:
            kept = Snapshots(directory)
            sequencer = Sequencer.open(log, config, wall_clock(), snapshots=kept)
            hashed = blake2b(source.read_bytes(), digest_size=16).hexdigest()
            told = learn(sequencer, hashed, wanted, weight)
    except DataError as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except ConfigErrors as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except (LogCorrupt, LogUnavailable, RouterError) as error:
        raise Failed(str(error)) from None
    if told.unknown and not (told.learnt or told.before):
        known = ", ".join(agent.id for agent in config.agents[:20])
        raise Failed(
            f"{source}: nothing was learnt: its agents are {', '.join(sorted(told.unknown)[:20])}, "
            f"and the configuration has {known}",
            exit_code=Exit.USAGE,
        )
    proposed = proposals(table, config)
    if as_json:
        say_json(told._asdict() | {"proposed": proposed})
    else:
        console().print(facts(in_words(told, proposed)))


def config_of(directory: Path) -> EngineConfig:
    """The configuration in force in a log."""
    from routerd.engine.fold import fold
    from routerd.log.snapshot import Snapshots
    from routerd.log.sqlite import SqliteLog

    with closing(SqliteLog.open(directory, read_only=True)) as log:
        return fold(log, DEFAULT_PARTITION, Snapshots(directory)).config


def check(table: Table, source: Path) -> None:
    from bench.data.recorded import DataError

    missing = [name for name in NEEDED if name not in table.names]
    if missing:
        has = ", ".join(table.names[:12]) or "none"
        raise DataError(f"{source}: the column {missing[0]} is missing; its columns are {has}")


def rows(table: Table, source: Path, config: EngineConfig) -> Iterator[Row]:
    """The file's rows in their order. Raises DataError for a value that cannot be used."""
    from bench.data.recorded import DataError
    from bench.data.tablefile import Unreadable
    from routerd.core.validate import MAX_AMOUNT
    from routerd.core.values import Task
    from routerd.engine.warm_start import Row

    def texts(*names: str) -> list[str]:
        name = next((name for name in names if name in table.names), None)
        return [t or "" for t in table.texts(name)] if name else [""] * table.rows

    def numbers(name: str) -> list[float | None]:
        if name not in table.names:
            return [None] * table.rows
        try:
            return [None if math.isnan(v) else v for v in table.floats(name).tolist()]
        except Unreadable as error:
            what = f"row {error.row + 1}: {name} is {error.value[:40]!r}; it must be a number"
            raise DataError(f"{source}: {what}") from None

    agents, executed = texts("agent_id"), texts("executed_agent_id")
    kinds, domains = texts("work_type", "domain"), texts("domain")
    labels, described = texts("labels"), texts("task_text")
    quality, cost, latency = numbers("quality"), numbers("cost_usd"), numbers("latency_ms")
    assumed = texts("quality_assumed")
    most_usd = config.outcomes.max_cost_usd
    columns = {name: numbers(name) for name in features(table, config)}
    for i in range(table.rows):
        rated = None if assumed[i].lower() in ("true", "1") else quality[i]
        if rated is not None and not 0 <= rated <= 1:
            raise DataError(f"{source}: row {i + 1}: quality is {rated:g}; it must be in [0, 1]")
        amounts = ("cost_usd", cost[i], most_usd), ("latency_ms", latency[i], MAX_AMOUNT)
        for name, amount, most in amounts:
            if amount is not None and not 0 <= amount <= most:
                told = f"{name} is {amount:g}; it must be in [0, {most:g}]"
                told += " (outcomes.max_cost_usd)" if name == "cost_usd" else ""
                raise DataError(f"{source}: row {i + 1}: {told}")
        given = {name: value for name, of in columns.items() if (value := of[i]) is not None}
        task = Task(
            work_type=kinds[i],
            domain=domains[i],
            labels=labels_of(labels[i], f"{source}: row {i + 1}"),
            description=described[i],
            complexity=given.pop("complexity", None),
            features=given,
        )
        yield Row(executed[i] or agents[i], task, rated, cost[i], latency[i])


def labels_of(text: str, where: str) -> dict[str, str]:
    """Raises DataError."""
    from bench.data.recorded import DataError

    try:
        return msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.MsgspecError:
        told = f"labels is {text[:40]!r}; it must be a JSON object of texts"
        raise DataError(f"{where}: {told}") from None


def features(table: Table, config: EngineConfig) -> list[str]:
    """The number features that the file has a column of."""
    from routerd.core.settings import NumberFeature

    named = [f.name for f in config.features if isinstance(f, NumberFeature)]
    return [name for name in named if name in table.names]


def proposals(table: Table, config: EngineConfig) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of these columns: a centre and a scale for `features`."""
    import numpy as np

    made = {}
    for name in features(table, config):
        values = table.floats(name)
        centre, scale = float(np.nanmean(values)), float(np.nanstd(values))
        made[name] = {"centre": float(f"{centre:.4g}"), "scale": float(f"{scale or 1.0:.4g}")}
    return made


def in_words(told: Imported, proposed: dict[str, Any]) -> list[tuple[str, str]]:
    def counts(of: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(of.items())[:20])

    outcomes = sum(told.learnt.values())
    return [
        ("learnt", counted(outcomes, "outcome") + (f": {counts(told.learnt)}" if outcomes else "")),
        ("learnt before", counted(told.before, "row") if told.before else ""),
        ("unknown agents", counts(told.unknown)),
        ("without quality", counted(told.unrated, "row") if told.unrated else ""),
        ("position", str(told.position)),
        *(
            (f"feature {name}", f"centre {of['centre']:g}, scale {of['scale']:g} would fit it")
            for name, of in proposed.items()
        ),
    ]

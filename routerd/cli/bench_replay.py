"""`routerd bench replay`: policies on recorded tasks, scored by what they would have earned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from routerd.cli.lists import listed, mapping
from routerd.cli.output import Exit, Failed, console, json_option, progress, say_json
from routerd.cli.paths import FileToWrite
from routerd.cli.ranges import USD, WEIGHT, Finite
from routerd.cli.tables import table
from routerd.core.words import counted


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--agents", metavar="A,B", help="Only these agents. Default: all.")
@click.option(
    "--columns",
    metavar="ROLE=COLUMN,...",
    help="What your columns are called, as in agent_id=model; domain= leaves one out.",
)
@click.option(
    "--cost-weight",
    type=WEIGHT,
    default=0.0,
    show_default=True,
    help="What a USD is worth: utility = quality - L * cost_usd.",
)
@click.option(
    "--policies",
    metavar="P,Q",
    help="Policies by name, groups (baselines, peers), or YAML files of your own. "
    "Default: default and the baselines.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--warm-start",
    metavar="FRACTION",
    type=Finite(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of the tasks told in full before the stream starts.",
)
@click.option(
    "--warm-from",
    metavar="FILE",
    help="Recorded tasks of the same agents, told in full before each stream.",
)
@click.option(
    "--order",
    type=click.Choice(["shuffled", "file", "time"]),
    default="shuffled",
    show_default=True,
)
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decisions made before an outcome is told.",
)
@click.option(
    "--budget",
    type=USD,
    metavar="USD",
    help="Serve no task that would take the spending above it. routerd's policies pace it.",
)
@click.option("--out", type=FileToWrite(), required=True)
@json_option
def replay(
    files: tuple[str, ...],
    agents: str | None,
    columns: str | None,
    policies: str | None,
    seeds: int,
    warm_from: str | None,
    jobs: int,
    out: Path,
    as_json: bool,
    **conditions: Any,
) -> None:
    """Replay recorded tasks. What would each policy have earned, on the same seeded streams?

    A FILE is CSV, JSON Lines or Parquet with a row per (task, agent): task_id, agent_id, quality;
    optional task_text, domain (or work_type), cost_usd, latency_ms, time_ms. Or one of
    paretobandit:test_holdout, paretobandit:val, digits, segment, which come with the packages of
    the extra `bench`.
    """
    from bench.data.datasets import load
    from bench.data.recorded import DataError
    from bench.replay.contest import Conditions
    from bench.replay.curves import file_beside
    from bench.replay.results import replay as run
    from routerd.config import ConfigErrors

    conditions["budget_usd"] = conditions.pop("budget")
    try:
        kept, called = listed(agents), mapping(columns)
        datasets = [load(file, kept, called) for file in files]
        first = None if warm_from is None else load(warm_from, kept, called)
        with progress() as told:
            results = run(
                datasets,
                listed(policies),
                seeds,
                Conditions(**conditions),
                first=first,
                jobs=jobs,
                curves_file=file_beside(out),
                told=told,
            )
        out.write_text(in_json(results))
    except DataError as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except ConfigErrors as errors:
        raise Failed("\n  ".join([f"{policies}:", *errors.lines()]), exit_code=Exit.USAGE) from None
    except OSError as error:
        raise Failed(
            f"cannot write {out}: {error.strerror or error}", exit_code=Exit.USAGE
        ) from None
    if as_json:
        say_json(results)
    else:
        show(results)


def in_json(results: dict[str, Any]) -> str:
    import json

    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def show(results: dict[str, Any]) -> None:
    """The results for people: a table for each data set, the best policy first."""
    from bench.pages.wording import of_few_seeds

    for reference in results["references"]:
        runs = [run for run in results["runs"] if run["dataset"] == reference["dataset"]]
        if runs:
            click.echo(heading(runs[0], results["conditions"]))
            console().print(policies_table(runs))
            if told := of_few_seeds(runs[0]["n_seeds"]):
                click.echo(told.strip())
        console().print(references_table(reference))
        for skip in results["skipped"]:
            if skip["dataset"] == reference["dataset"]:
                click.echo(f"left out {skip['policy']}: {skip['reason']}")
        click.echo()


def heading(run: dict[str, Any], conditions: dict[str, Any]) -> str:
    left_out, weight = run["n_left_out"], conditions["cost_weight"]
    if run["cost_mean_usd"] is None:
        weight = 0.0
    return (
        f"{run['dataset']}: {counted(run['n_tasks'], 'task')}, "
        f"{counted(run['n_agents'], 'agent')}, {counted(run['n_seeds'], 'seed')}, "
        f"order {conditions['order']}, "
        + (f"warm from {conditions['warm_from']}, " if conditions["warm_from"] else "")
        + "utility = quality"
        + (f" - {weight:g} x USD" if weight else "")
        + (f"; {counted(left_out, 'task')} left out that some agent never ran" if left_out else "")
    )


def policies_table(runs: Sequence[dict[str, Any]]) -> Any:
    head = ["policy", "utility", "95% over seeds", "worst seed", "quality", "USD/1,000", "regret"]
    head += ["given up", "most to", "per s"]
    limited = any(run["n_served"] < run["n_tasks"] for run in runs)
    if limited:
        head.append("served")
    rows = []
    for run in sorted(runs, key=lambda run: -run["utility_mean"]):
        low, high = run["ci95"]
        cost, spent = run["cost_mean_usd"], run["exploration_spend"]
        most = max(run["share"], key=run["share"].__getitem__)
        row = [
            run["policy"],
            f"{run['utility_mean']:.4f}",
            # One seed tells nothing of others.
            f"[{low:.4f}, {high:.4f}]" if run["n_seeds"] > 1 else "",
            f"{run['worst_seed']['utility_mean']:.4f}",
            f"{run['quality_mean']:.4f}",
            "" if cost is None else f"{1000 * cost:.3f}",
            f"{run['regret_vs_best_fixed']:.1f}",
            "" if spent is None else f"{spent:.4f}",
            f"{run['share'][most]:.0%} {most if len(most) <= 24 else f'…{most[-23:]}'}",
            f"{run['decisions_per_s']:,.0f}",
        ]
        rows.append([*row, f"{run['n_served']:,.0f}"] if limited else row)
    return table(head, rows)


def references_table(reference: dict[str, Any]) -> Any:
    """What fixed and static choices earn, with what each had to know."""
    names = {
        "random": "random (expected)",
        "best_fixed": f"always {reference['best_fixed_agent']}",
        "per_domain_cv": "best agent per work type, cross-validated",
        "per_domain_hindsight": "best agent per work type",
        "oracle": "luckiest agent of each task",
    }
    rows = [
        (told, reference["label"][name], f"{reference[name]:.4f}") for name, told in names.items()
    ]
    return table(["reference", "knowledge", "utility"], rows, left=2)

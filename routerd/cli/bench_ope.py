"""`routerd bench ope`: what another policy would have earned, from what was logged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.lists import mapping
from routerd.cli.output import Exit, Failed, console, json_option, progress, say_json
from routerd.cli.paths import FileToWrite, PathTo
from routerd.cli.ranges import Finite
from routerd.cli.tables import table
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.words import counted

if TYPE_CHECKING:
    from bench.ope.evaluate import Result
    from bench.ope.log import Traffic
    from bench.ope.table import Logged


QUOTED = ("dr", "snips")
"""Of which estimators the verdict is: named beforehand, so that nobody picks the one they like."""


def equalities(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each `column=value` as a pair."""
    pairs = [text.partition("=") for text in texts]
    wrong = [text for text, (name, equals, _) in zip(texts, pairs, strict=True) if not equals]
    if wrong:
        raise Failed(f"--where: {wrong[0]!r} must be COLUMN=VALUE", exit_code=Exit.USAGE)
    return [(name, value) for name, _, value in pairs]


def two_numbers(text: str | None) -> tuple[float, float] | None:
    """`LOW,HIGH` as numbers."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise Failed(
            f"--bounds: {text!r} must be LOW,HIGH, two numbers, LOW < HIGH", exit_code=Exit.USAGE
        )
    return low, high


@click.command()
@click.argument("log", type=PathTo())
@click.option(
    "--policy",
    required=True,
    metavar="POLICY",
    help="What is judged: a configuration (YAML; data directories only), uniform, logged, "
    "always:ACTION, or column:NAME, the column of a table that holds the judged policy's "
    "probability of what was done.",
)
@click.option("--columns", metavar="ROLE=COLUMN,...", help="Columns of a table; see below.")
@click.option(
    "--where", metavar="COLUMN=VALUE", multiple=True, help="Only these rows of a table. Repeatable."
)
@click.option(
    "--fixed-law",
    is_flag=True,
    help="What drew this table's rows did not follow from earlier ones, by learning, budgets or "
    "cooldowns, say: allows narrower intervals.",
)
@click.option(
    "--partition", default=DEFAULT_PARTITION, show_default=True, help="Of a data directory."
)
@click.option(
    "--burn-in",
    metavar="FRACTION",
    type=Finite(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of a data directory's decisions, from the start, that teach and are not scored.",
)
@click.option(
    "--bounds",
    metavar="LOW,HIGH",
    help="Least and largest possible reward. Default: known where cost and latency weigh "
    "nothing, or where all rewards are 0 or 1.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", type=FileToWrite(), help="Write the JSON here.")
@json_option
def ope(
    log: Path,
    policy: str,
    columns: str | None,
    where: tuple[str, ...],
    fixed_law: bool,
    partition: str,
    burn_in: float,
    bounds: str | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Estimate what a policy would have earned on a log.

    Per decision. LOG is a data directory of routerd, or a table (Parquet, CSV or JSON Lines) with a
    row for each.

    In a data directory a configuration is led along the log: at each decision its law is what it
    would be after learning from the outcomes logged until then. Its utility weights, source ranks
    and rule for missing outcomes say what a decision earned. Left out and counted are decisions
    that nobody drew by themselves: that named their agent or had a label do so, that go on with a
    session or accompany another one, whose request_id was used before; and those whose outcome
    names who ran, or that have none. If one agent has more of the last two than chance gives it,
    nothing is told.

    Roles of a table's columns: action (agent_id), reward (quality), propensity, law (JSON of
    {action: probability}), context (work_type; several joined by +), executed (executed_agent_id;
    rows that name who ran are left out), reason, stages, request (request_id). A role that is given
    no column, as in executed=, is not looked at. For example, for the Open Bandit Dataset:
    --columns action=item_id,reward=click,propensity=propensity_score,context=position

    Estimators: replay, the rows that the policy would have drawn as well; ips, all rows by how much
    likelier it makes them; snips, the same over the sum of these weights; dm, a model of what
    actions earn; dr, that model, corrected by the weighted rows; switch-dr, dr without the largest
    weights. The last line is what dr says, or snips where dr cannot: quote that one, whatever the
    others say. Where they lie far apart, the log is thin.

    Where the log cannot tell, the answer is the reason why.
    """
    from bench.data.recorded import DataError
    from routerd.log.base import LogCorrupt, LogUnavailable

    limits = two_numbers(bounds)
    try:
        if not log.exists():
            raise DataError(f"there is no {log}: give a data directory of routerd, or a table")
        if log.is_dir():
            told = of_directory(log, policy, partition, burn_in, limits, seed)
        else:
            rows = equalities(where)
            told = of_table(log, policy, mapping(columns), rows, fixed_law, limits, seed)
        if out is not None:
            import msgspec

            out.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    except (DataError, LogUnavailable) as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except LogCorrupt as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(
            f"cannot write {out}: {error.strerror or error}", exit_code=Exit.USAGE
        ) from None
    if as_json:
        import msgspec

        say_json(msgspec.to_builtins(told))
    else:
        show(policy, told)


def of_directory(
    directory: Path,
    policy: str,
    partition: str,
    burn_in: float,
    bounds: tuple[float, float] | None,
    seed: int,
) -> list[Result]:
    """The results of a data directory."""
    from bench.data.recorded import DataError
    from bench.ope.log import read_log
    from bench.ope.rules import COLUMN, FORMS, is_rule
    from routerd.cli.check_config import load_or_fail
    from routerd.log.sqlite import SqliteLog

    if policy.startswith(COLUMN):
        raise DataError(f"--policy {policy}: {directory} is a data directory, not a table")
    if not is_rule(policy) and not Path(policy).exists():
        raise DataError(f"--policy {policy}: is neither {FORMS} nor a file that is there")
    judged = policy if is_rule(policy) else load_or_fail(Path(policy))
    with closing(SqliteLog.open(directory, read_only=True)) as log, progress() as bar:
        found = read_log(log, partition, judged, burn_in=burn_in, bounds=bounds, told=bar)
    return judge(found, found.independent, policy, "utility", seed)


def of_table(
    path: Path,
    policy: str,
    columns: dict[str, str],
    where: list[tuple[str, str]],
    fixed_law: bool,
    bounds: tuple[float, float] | None,
    seed: int,
) -> list[Result]:
    """The results of a table."""
    from bench.data.recorded import DataError
    from bench.ope.rules import FORMS, is_rule
    from bench.ope.table import DEFAULTS, read_table

    if not is_rule(policy):
        told = f"on a table it must be one of {FORMS} or column:NAME"
        raise DataError(f"--policy {policy}: {told}; a configuration needs a data directory")
    found = read_table(path, columns, policy, where=where, bounds=bounds)
    reward = columns.get("reward", DEFAULTS["reward"])
    return judge(found, fixed_law, policy, reward, seed)


def judge(
    found: Traffic | Logged, independent: bool, policy: str, reward: str, seed: int
) -> list[Result]:
    """Every estimator's word, or the refusal of all. reward: the name of what is counted."""
    from bench.ope.evaluate import refused_all, results
    from bench.ope.refusal import NO_ROWS

    if found.sample is None:
        reason = found.unfit or f"{NO_ROWS}: no decision is left that can be judged"
        return refused_all(reason, left_out=found.left_out, policy=policy)
    return results(
        found.sample,
        independent=independent,
        left_out=found.left_out,
        policy=policy,
        reward=reward,
        seed=seed,
    )


def show(policy: str, told: Sequence[Result]) -> None:
    """The results for people."""
    first = told[0]
    out = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in first.left_out.items())
    click.echo(
        f"{policy} on {counted(first.n, 'decision')}" + (f"; left out: {out}" if out else "")
    )
    if first.overlap is not None:
        over = first.overlap
        click.echo(
            f"as logged they earned {first.logged_value:.4g} of {first.reward} a decision; "
            f"weights: mean {over.mean_weight:.3g}, largest {over.max_weight:.3g}"
        )
    kinds = {
        "bootstrap": "intervals are bootstraps: the rows are independent",
        "anytime": "intervals are confidence sequences: laws may follow from earlier rows; they "
        "hold however often you look, and are wide",
    }
    for kind in dict.fromkeys(row.interval for row in told if row.interval):
        click.echo(kinds[kind])
    reasons = list(dict.fromkeys(row.refused for row in told if row.refused))
    if len(reasons) == 1 and all(row.refused for row in told):
        click.echo(f"refused: {reasons[0]}")
        return
    console().print(
        table(
            ["estimator", "value", "95% interval", "above the log", "effective rows", "refused"],
            [in_cells(row, reasons) for row in told],
        )
    )
    for row in told:
        if row.exact95 is not None:
            low, high = row.exact95
            click.echo(
                f"{row.estimator} without any large-sample argument: [{low:.4g}, {high:.4g}]"
            )
    for number, reason in enumerate(reasons, 1):
        click.echo(f"refused {number}: {reason}")
    if answer := in_a_sentence(policy, told):
        click.echo(answer)


def in_a_sentence(policy: str, told: Sequence[Result]) -> str | None:
    """What the first of QUOTED that has an interval says; None where none has."""
    by_name = {row.estimator: row for row in told}
    for name in QUOTED:
        row = by_name.get(name)
        if row is not None and row.lift95 is not None:
            low, high = row.lift95
            what = "more than" if low > 0 else "less than" if high < 0 else None
            if what is None:
                return f"{policy}: no clear difference to what was logged ({name})"
            least, most = sorted((abs(low), abs(high)))
            span = f"{least:.3g} to {most:.3g}"
            return f"{policy}: {span} of {row.reward} a decision {what} was logged ({name})"
    return None


def in_cells(row: Result, reasons: list[str]) -> list[str]:
    none = "none: rests on a model" if row.refused is None else ""
    return [
        row.estimator,
        "" if row.value is None else f"{row.value:.4g}",
        none if row.ci95 is None else f"[{row.ci95[0]:.4g}, {row.ci95[1]:.4g}]",
        "" if row.lift95 is None else f"[{row.lift95[0]:+.4g}, {row.lift95[1]:+.4g}]",
        "" if row.ess is None else f"{row.ess:,.0f}",
        str(reasons.index(row.refused) + 1) if row.refused else "",
    ]

"""`routerd demo`: real prompts through a real daemon over gRPC, beside honest references.

One caller, one call at a time: the order of the log, and with it every figure but the speed,
depends on the seed alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.output import Exit, Failed, json_option, say_json

if TYPE_CHECKING:
    from routerd.cli.demo_data import Tasks
    from routerd.cli.demo_report import Report
    from routerd.cli.demo_score import Law
    from routerd.core.settings import Utility
    from routerd.settings import Config

CONFIG_FILE = Path(__file__).with_name("demo_agents.yaml")
REFRESHES = 100


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(2), help="Only so many prompts. Default: all.")
@json_option
def demo(seed: int, limit: int | None, as_json: bool) -> None:
    """Send real prompts through a real daemon.

    Starts a daemon of its own in a temporary directory, asks it for each prompt, sends back the
    quality and cost that were measured, ends it, verifies its log, and compares it with static
    routing on the same prompts.
    """
    from routerd.cli.check_config import load_or_fail
    from routerd.cli.demo_data import FIT_FILE, STREAM_FILE, MissingData, folder, read, shuffled
    from routerd.cli.demo_report import in_json, show

    config = load_or_fail(CONFIG_FILE)
    agents = [agent.id for agent in config.agents]
    try:
        fit = read(folder() / FIT_FILE, agents)
        stream = shuffled(read(folder() / STREAM_FILE, agents), seed, limit)
    except MissingData as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    report = _run(config, fit, stream, seed)
    if as_json:
        say_json(in_json(report))
    else:
        show(report)
    if not report.holds:
        raise SystemExit(Exit.FAILED)


def _run(config: Config, fit: Tasks, stream: Tasks, seed: int) -> Report:
    from routerd.cli.demo_report import Report
    from routerd.cli.demo_score import TABLE, chosen, lift, references, score, strongest_cost
    from routerd.cli.verify import in_words, verified

    weights = config.utility
    laws = references(stream, fit, weights)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="routerd-demo-") as folder:
        data_dir, file = Path(folder, "data"), Path(folder, "routerd.yaml")
        file.write_text(CONFIG_FILE.read_text() + "clock: logical\naudit: {enabled: false}\n")
        with _daemon(file, data_dir, seed) as address:
            choices, outcomes, seconds = _drive(address, stream, laws[TABLE], weights)
        found = verified(data_dir)
    law = chosen(choices, stream)
    ours = score("routerd, learning as it goes", law, stream, weights)
    return Report(
        seed=seed,
        agents=stream.agents,
        tasks=len(stream),
        fit_tasks=len(fit),
        fit_cost_usd=float(fit.cost_usd.sum()),
        cost_weight_per_usd=weights.cost / weights.cost_scale_usd,
        strongest_cost_worth=strongest_cost(fit) * weights.cost / weights.cost_scale_usd,
        scores=(ours, *(score(name, other, stream, weights) for name, other in laws.items())),
        lift_over_table=lift(law, laws[TABLE], stream, weights, seed),
        outcomes=outcomes,
        verified=in_words(found),
        holds=found.decisions == outcomes == len(stream) and not found.mismatches,
        seconds=time.perf_counter() - started,
        decisions_per_s=len(stream) / seconds,
    )


@contextmanager
def _daemon(config_file: Path, data_dir: Path, seed: int) -> Iterator[str]:
    """The address of a daemon of the demo's own, on a free port, until the block ends.

    Raises Failed with what the daemon said when it does not start or does not end with code 0.
    """
    from routerd.child import ROUTERD, NotServing, serving

    flags = {"config": config_file, "data": data_dir, "listen": "127.0.0.1:0", "seed": seed}
    told = data_dir.with_suffix(".stderr")
    command = [*ROUTERD, "serve", *(f"--{name}={value}" for name, value in flags.items())]
    try:
        with told.open("w") as stderr, serving(command, stderr) as found:
            yield found.address
    except NotServing as error:
        raise Failed(f"{error}\n{told.read_text()}".strip()) from None


def _drive(
    address: str, stream: Tasks, table: Law, weights: Utility
) -> tuple[list[int], int, float]:
    """Route each task and report what its agent made of it.

    The index of each choice, the number of outcomes that were acknowledged, and the seconds taken.
    """
    import numpy as np

    from routerd.cli.calls import TIMEOUT_S, connected
    from routerd.cli.demo_report import progress
    from routerd.cli.demo_score import TABLE, chosen, score
    from routerd.v1.router_pb2 import ReportOutcomeRequest, RouteRequest
    from routerd.v1.router_pb2_grpc import RouterServiceStub
    from routerd.v1.types_pb2 import Outcome, Task

    choices: list[int] = []
    positions: set[int] = set()
    every = max(1, len(stream) // REFRESHES)
    with connected(address) as channel, progress(stream.agents, len(stream)) as told:
        router = RouterServiceStub(channel)
        started = time.perf_counter()
        for i, task_id in enumerate(stream.ids):
            task = Task(
                task_id=task_id, work_type=stream.work_types[i], description=stream.texts[i]
            )
            answer = router.Route(RouteRequest(request_id=task_id, task=task), timeout=TIMEOUT_S)
            agent = stream.agents.index(answer.agent_id)
            outcome = Outcome(
                outcome_id=task_id,
                decision_id=answer.decision_id,
                quality=float(stream.quality[i, agent]),
                cost_usd=float(stream.cost_usd[i, agent]),
            )
            ack = router.ReportOutcome(ReportOutcomeRequest(outcome=outcome), timeout=TIMEOUT_S)
            choices.append(agent)
            positions.add(ack.position)
            if len(choices) % every == 0 or len(choices) == len(stream):
                done = stream.take(np.arange(len(choices)))
                ours = score("routerd", chosen(choices, done), done, weights)
                told(len(choices), ours, score(TABLE, table[: len(choices)], done, weights))
        return choices, len(positions), time.perf_counter() - started

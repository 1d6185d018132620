"""The `routerd` command: its group, and nothing else.

A command imports what it works with when it runs, so `routerd --help` stays quick.
"""

from __future__ import annotations

import click

from routerd import __version__
from routerd.cli.agents import agents
from routerd.cli.backup import backup
from routerd.cli.bench import bench
from routerd.cli.budgets import budgets
from routerd.cli.check_config import check_config
from routerd.cli.claim import claim
from routerd.cli.decision import decision
from routerd.cli.decisions import decisions, summary
from routerd.cli.demo import demo
from routerd.cli.experiments import experiments
from routerd.cli.export import export
from routerd.cli.migrate import migrate
from routerd.cli.outcome import outcome
from routerd.cli.overrides import overrides
from routerd.cli.policy import policy
from routerd.cli.profile import profile
from routerd.cli.project import project
from routerd.cli.prove import prove
from routerd.cli.repair import repair
from routerd.cli.route import preview, route
from routerd.cli.serve import serve
from routerd.cli.signals import signals
from routerd.cli.snapshot import snapshot
from routerd.cli.streams import Commands
from routerd.cli.verify import verify
from routerd.cli.warm_start import warm_start
from routerd.cli.watch import watch


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Decide which AI agent gets the next task, and learn from what came of it.

    Exit codes: 0 done, 1 it failed or does not hold, 2 wrong usage or configuration, 3 no daemon
    answered, so that the same command may work later.
    """


COMMANDS = (
    serve,
    demo,
    route,
    preview,
    claim,
    outcome,
    decision,
    decisions,
    summary,
    watch,
    agents,
    profile,
    overrides,
    budgets,
    policy,
    experiments,
    signals,
    verify,
    project,
    export,
    warm_start,
    snapshot,
    backup,
    migrate,
    repair,
    check_config,
    prove,
    bench,
)

for _command in COMMANDS:
    main.add_command(_command)

"""`routerd bench`: measurements, each command in a room of its own."""

from __future__ import annotations

import click

from routerd.cli.bench_cascade import cascade
from routerd.cli.bench_decide import decide
from routerd.cli.bench_idle import idle
from routerd.cli.bench_load import load
from routerd.cli.bench_ope import ope
from routerd.cli.bench_replay import replay
from routerd.cli.bench_report import report


@click.group()
def bench() -> None:
    """Measure routerd, its policies and its peers (extra `bench`)."""


for _command in (cascade, decide, idle, load, ope, replay, report):
    bench.add_command(_command)

"""`routerd serve`: the daemon, from a configuration file to a clean end."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd import __version__
from routerd.cli.check_config import load_or_fail
from routerd.cli.output import Exit, Failed
from routerd.cli.paths import PathTo

if TYPE_CHECKING:
    from collections.abc import Callable

    from routerd.settings import Config

MOST_FILES = 65_536


def listen_address(_: click.Context, __: click.Parameter, address: str | None) -> str | None:
    """The callback of --listen, which is held to the rules of `listen` in a file."""
    from routerd.config_addresses import address_problem

    if address is not None and (problem := address_problem(address)):
        raise Failed(f"--listen: {problem}", exit_code=Exit.USAGE)
    return address


@click.command()
@click.option(
    "--config",
    "config_file",
    type=PathTo(),
    required=True,
    envvar="ROUTERD_CONFIG",
    show_envvar=True,
    help="The configuration, YAML or JSON.",
)
@click.option(
    "--data",
    "data_dir",
    type=PathTo(path_type=str),
    envvar="ROUTERD_DATA_DIR",
    show_envvar=True,
    help="Where the log lives, in place of data_dir.",
)
@click.option(
    "--listen",
    callback=listen_address,
    envvar="ROUTERD_LISTEN",
    show_envvar=True,
    help="host:port, in place of listen; port 0 takes a free one.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    envvar="ROUTERD_SEED",
    show_envvar=True,
    help="In place of seed.",
)
def serve(config_file: Path, **flags: str | int | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C. It then answers what is in flight, and ends.

    SIGHUP has it read the configuration again; one with errors changes nothing.
    """
    given = {name: value for name, value in flags.items() if value is not None}

    def with_flags(config: Config) -> Config:
        import msgspec

        return msgspec.structs.replace(config, **given)

    run(config_file, with_flags)


def run(config_file: Path, with_flags: Callable[[Config], Config]) -> None:
    """Serve a configuration; prints one line when calls are accepted."""
    gc.disable()  # until all is loaded: what is imported and restored stays
    early: list[int] = []  # until it serves; SIGHUP would end it by default
    signal.signal(signal.SIGHUP, lambda number, _: early.append(number))
    from routerd.server.reload import Source, signature

    first = signature(config_file)
    config = with_flags(load_or_fail(config_file))
    # gRPC tells a port in use on stderr in its own words, besides the error that is told here.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    allow_files()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    import asyncio

    from learners.kernel import COMPILED
    from routerd.audit.reach import open_audited
    from routerd.clock import wall_clock
    from routerd.config import load
    from routerd.core.base import DEFAULT_PARTITION
    from routerd.core.errors import RouterError
    from routerd.log.base import LogCorrupt, LogStuck, LogUnavailable
    from routerd.server.app import serve as serve_grpc
    from routerd.server.listening import require_free
    from routerd.server.polling import event_loop
    from routerd.signals.hybrid import Classifier, SignalsUnavailable

    def ready(port: int) -> None:
        host = config.listen.rpartition(":")[0]
        address = config.listen if host.startswith("unix") else f"{host}:{port}"
        click.echo(
            f"routerd {__version__} listening on {address}, data {config.data_dir}, "
            f"position {log.last(DEFAULT_PARTITION)[0]}"
        )
        if not COMPILED:
            click.echo("no compiled loops: a decision takes twice as long (see README)")

    try:
        require_free(config.listen)  # a start that is refused leaves no directory behind
        Classifier.of(config, os.environ)
        log = open_audited(Path(config.data_dir))
        loop_factory = partial(event_loop, config.server.busy_poll_us)
        source = Source(config_file, lambda: with_flags(load(config_file)), first)
        served = serve_grpc(
            config, log, wall_clock(), source=source, ready=ready, told=click.echo, early=early
        )
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(served)
    except LogStuck as error:
        click.echo(f"routerd: {error}", err=True)
        os._exit(Exit.FAILED)  # a thread that waits for the disk would keep the process for ever
    except (LogCorrupt, LogUnavailable, RouterError, SignalsUnavailable, OSError) as error:
        raise Failed(str(error)) from None


def allow_files() -> None:
    """Each connection is an open file, and the usual limit is 1,024: take what may be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

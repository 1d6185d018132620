"""A deterministic simulation: clients, a network, a disk and a clock that all misbehave.

    python -m tests.faults.simulate --seed 7              one history, step by step
    python -m tests.faults.simulate --histories 10000     many; prints the seeds that fail
    python -m tests.faults.simulate --plant wrong-basis   the same with a bug in the engine

What a seed does is the same on every machine. Time is simulated as well, so days pass at once. The
daemon is the real one from the methods of its services down to the log: its disk is simulated (see
tests.faults.disk). What must be true is what clients were told (see tests.faults.model).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from tests.faults.model import Violation
from tests.faults.planted import PLANTED, planted
from tests.faults.world import World, play


def sweep(first: int, histories: int) -> Iterator[tuple[int, World | Violation]]:
    """What becomes of many seeds."""
    for seed in range(first, first + histories):
        try:
            yield seed, play(seed)
        except Violation as violation:
            yield seed, violation


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulate")
    parser.add_argument("--seed", type=int, help="play this history and show it")
    parser.add_argument("--histories", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--plant", choices=sorted(PLANTED), help="with this bug in the engine")
    asked = parser.parse_args()
    with planted(asked.plant) if asked.plant else nullcontext():
        if asked.seed is not None:
            print("\n".join(play(asked.seed).trace))
            return
        failing = report(sweep(asked.first, asked.histories))
    sys.exit(bool(failing))


def report(found: Iterable[tuple[int, World | Violation]]) -> list[int]:
    """Print what was found; the seeds that failed."""
    started_s, failing = time.monotonic(), []
    played = answers = deaths = faults = 0
    for seed, what in found:
        played += 1
        if isinstance(what, Violation):
            failing.append(seed)
            print(f"seed {seed}: {what}", flush=True)
        else:
            answers += what.model.answers
            deaths += what.deaths
            faults += what.platter.faults
    took_s = time.monotonic() - started_s
    print(
        f"{played} histories, {answers} answers, {deaths} crashes, {faults} disk faults, "
        f"{len(failing)} violations, {took_s:.0f} s"
    )
    return failing


if __name__ == "__main__":
    main()

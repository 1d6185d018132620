"""Replays and studies as jobs that share one data set, on one process or several.

Results come in the jobs' order and do not depend on the number of processes. This needs the
standard library only: `routerd prove` runs without the extra `bench`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from typing import NamedTuple

import numpy as np

from bench.data.recorded import Recorded, Rows
from bench.prove import elbow
from bench.replay.contest import Conditions, stream
from bench.replay.runs import Run, run_one

POLICY = "default"


class Replayed(NamedTuple):
    """The shipped default on the stream of a seed."""

    seed: int
    conditions: Conditions

    def do(self, data: Recorded) -> Rows:
        """The arm that each task got, (n,)."""
        played = run_one(Run(data, POLICY, self.seed), self.conditions)
        arms = np.empty(len(data), dtype=np.intp)
        arms[stream(data, self.seed, self.conditions).scored] = played.arms
        return arms


class Studied(NamedTuple):
    """One split of the sample-size study."""

    cost_weight: float
    split: elbow.Split
    sizes: tuple[int, ...]

    def do(self, data: Recorded) -> elbow.Choices:
        return elbow.study(data, self.cost_weight, self.split, self.sizes)


Job = Replayed | Studied
Result = Rows | elbow.Choices

_shared: list[Recorded] = []  # of a process that works for others


def done(data: Recorded, jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    """The results of the jobs, as they come."""
    if processes == 1 or len(jobs) < 2:
        yield from (job.do(data) for job in jobs)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(
        min(processes, len(jobs)), get_context("spawn"), initializer=_share, initargs=(data,)
    )
    try:
        yield from pool.map(_do, jobs)
    except BaseException:
        # A job may take minutes, and its result is not wanted any more.
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _share(data: Recorded) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all: who waits for them ends them
    _shared.append(data)


def _do(job: Job) -> Result:
    return job.do(_shared[0])

"""How many decisions a second one core makes of RouteBatch, from the bytes of a request to those of
its answer, with the SQLite log: parsed, decided, folded, committed and serialized, without gRPC.

    python -m bench.speed.batch
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.speed.callers import requests
from bench.speed.decide import engine
from bench.speed.targets import AGENTS, FEATURES
from routerd.core.values import Outcome
from routerd.engine.sequencer import Sequencer
from routerd.log.sqlite import SqliteLog
from routerd.server import convert
from routerd.server.hearing import each_asked
from routerd.server.many import routed_batch
from routerd.v1 import router_pb2

SIZE, BATCHES, OUTCOMES = 256, 40, 600


def rates(directory: Path, batches: int = BATCHES) -> Iterator[float]:
    """Decisions per second of each batch; the log stands in `directory` for the while."""
    wires = list(requests(SIZE))
    config = engine(AGENTS, FEATURES).state.config
    with TemporaryDirectory(dir=directory, prefix="batch-") as scratch:
        log = SqliteLog.open(scratch)
        sequencer = Sequencer.open(log, config, lambda: int(time.time() * 1000))
        for i in range(OUTCOMES):
            answer = sequencer.route(convert.request_of(wires[i % SIZE]))
            sequencer.report(Outcome(decision_id=answer.decision_id, quality=i % 7 / 7))
        sequencer.commit()
        asked = router_pb2.RouteBatchRequest(requests=wires).SerializeToString()
        for _ in range(batches):
            started = time.perf_counter()
            wire = router_pb2.RouteBatchRequest.FromString(asked)
            answered = routed_batch(sequencer, wire, each_asked(sequencer, wire.requests))
            sequencer.commit()
            answered.response.SerializeToString()
            yield SIZE / (time.perf_counter() - started)
        log.close()


if __name__ == "__main__":
    seen = list(rates(Path.cwd()))
    print(f"{SIZE} requests a batch, {AGENTS} agents x {FEATURES} features, {len(seen)} batches")
    print(f"decisions/s: median {median(seen):,.0f}, best {max(seen):,.0f}, worst {min(seen):,.0f}")

"""The daemon: the whole stack put together, served, and drained."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_reflection.v1alpha import reflection

from routerd.core.answers import Logged
from routerd.core.base import DEFAULT_PARTITION
from routerd.engine.committer import Committer
from routerd.engine.fold import undisturbed
from routerd.engine.sequencer import Sequencer
from routerd.log.base import Log, LogStuck
from routerd.log.snapshot import Snapshots
from routerd.server import agent_service, audit_service, policy_service, router_service
from routerd.server.admission import COUNTED, Admission, counters
from routerd.server.agent_service import AgentService
from routerd.server.audit_reader import AuditReader
from routerd.server.audit_service import AuditService
from routerd.server.health import Health
from routerd.server.interceptors import Gate, Methods, Partition
from routerd.server.listening import bound
from routerd.server.lulls import Lulls
from routerd.server.policy_service import PolicyService
from routerd.server.projection import Projection
from routerd.server.reload import Reload, Source
from routerd.server.router_service import RouterService
from routerd.server.systemd import Systemd
from routerd.server.upkeep import Upkeep
from routerd.server.watches import Watches
from routerd.settings import Config
from routerd.signals.hybrid import Classifier
from routerd.signals.texts import Texts

logger = logging.getLogger(__name__)

OPTIONS = (
    # Pings every 30 s are welcome, on idle connections too; from 20 s on they are not punished.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.max_receive_message_length", 4 * 2**20),
    ("grpc.max_send_message_length", 16 * 2**20),
    # A second daemon on the same port fails to start instead of taking half of the connections.
    ("grpc.so_reuseport", 0),
    # A burst waits in gRPC's queue, some 10 kB a call, until routerd.server.admission sees that it
    # is too long. Beyond this bound gRPC answers CANCELLED, which tells a client nothing.
    ("grpc.server.max_pending_requests", 3_000),
    ("grpc.server.max_pending_requests_hard_limit", 3_000),
    # A call takes some 25 kB until its client has taken the answer, which a client may never do.
    ("grpc.max_concurrent_streams", 4_000),
    # gRPC takes so much of a stream before anybody reads it. Else it lets that grow to megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 256 * 2**10),
)

# How long the last replies may take to leave after the drain; open health watches end with it.
GOODBYE_S = 0.25


class Server:
    """One process's gRPC server. Build it inside a running event loop.

    projection: keeps the audit file beside the log; upkeep: its snapshots and its length. Whoever
    serves starts and stops them. Raises OSError when the port cannot be had, LogCorrupt and
    LogUnavailable, SignalsUnavailable when the configured classifier cannot work here.
    """

    def __init__(self, config: Config, log: Log, clock: Callable[[], int]) -> None:
        classifier = Classifier.of(config, os.environ)
        self._signals = config.signals
        snapshots = Snapshots(Path(config.data_dir))
        self.sequencer = Sequencer.folded(log, clock, DEFAULT_PARTITION, snapshots)
        # While the log is folded callers are turned away at once; a start that finds its port
        # taken leaves the log as it was.
        self._grpc = grpc.aio.server(options=OPTIONS + COUNTED)
        self.port = bound(self._grpc, config.listen)
        self.sequencer.begin(config)
        self.sequencer.texts = Texts(config.texts)
        self._committer = Committer(self.sequencer, self._on_health, config.server.max_in_flight)
        self.upkeep = Upkeep(config, self._committer)
        partition = Partition.of(self.sequencer, self._committer)
        self._leases = partition.leases

        self.gate = Gate(config.server, {DEFAULT_PARTITION: partition})
        methods = Methods(self.gate)
        power = config.durability == "power"
        self._routing = RouterService(power, config.server, classifier)
        methods.add(router_service.SERVICE, self._routing)
        methods.add(agent_service.SERVICE, AgentService())
        methods.add(policy_service.SERVICE, PolicyService())
        self.projection = Projection(Path(config.data_dir), config.audit.keep_events)
        self._audit = AuditReader(self.projection, DEFAULT_PARTITION)
        self.watches = Watches(log, config.audit.max_watchers)
        methods.add(audit_service.SERVICE, AuditService(self._audit, self.watches))
        services = (router_service, agent_service, policy_service, audit_service)
        names = tuple(service.SERVICE.full_name for service in services)
        self.health = Health(names, config.server.max_streams)

        counts = counters()
        if counts is not None:
            max_wait_s = config.server.max_wait_ms / 1000
            methods.admission = Admission(counts, self._in_hand, max_wait_s, Lulls())
        self._grpc.add_generic_rpc_handlers((methods,))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._grpc)
        infrastructure = (HEALTH_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection((*names, *infrastructure), self._grpc)
        self._drain_timeout_s = config.server.drain_timeout_ms / 1000

    async def start(self) -> None:
        """Serve; return when calls are accepted."""
        self._leases.restart()
        self.health.set(serving=not self.sequencer.read_only)
        await self._grpc.start()

    async def stop(self) -> None:
        """Tell health, refuse new calls, answer the admitted ones, make all durable.

        Takes drain_timeout_ms for the calls and as long for the disk at most; raises LogStuck.
        """
        self._leases.close()  # the heartbeats that end here say nothing about their agents
        self.health.drain()
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                await self.gate.drain()
        except TimeoutError:
            logger.warning("cut off %d calls", self.gate.in_flight + self.gate.streams)
            await self._grpc.stop(None)
        else:
            if self.gate.streams:
                logger.warning("cut off %d streams that nobody reads", self.gate.streams)
        goodbye = asyncio.create_task(self._grpc.stop(GOODBYE_S))
        await asyncio.sleep(0)  # it has begun
        self.gate.release()
        await goodbye
        if self._routing.classifier is not None:
            await self._routing.classifier.close()
        self._audit.close()
        self.watches.close()
        await self._committer.close(self._drain_timeout_s)

    async def configure(self, config: Config) -> int:
        """Put in force the engine's part of a configuration, its classifier and rules for texts.

        Returns the last position afterwards. Raises READ_ONLY, SignalsUnavailable.
        """
        changed = config.signals != self._signals
        classifier = Classifier.of(config, os.environ) if changed else None

        def configure() -> Logged:
            return self.sequencer.configure(config)

        done = await self._committer.settle(configure, math.inf, platter=True)
        self.sequencer.texts = Texts(config.texts)
        if changed:
            before, self._routing.classifier = self._routing.classifier, classifier
            self._signals = config.signals
            if before is not None:
                await before.retire()
        return done.position

    async def terminated(self) -> None:
        """Return when serving has ended. Raises what ended it, if not stop."""
        await self._grpc.wait_for_termination()

    def _in_hand(self) -> int:
        return self.gate.in_flight + self.gate.streams + self.health.watchers

    def _on_health(self, serving: bool) -> None:
        if serving:
            self._leases.restart()
        self.health.set(serving=serving)


async def serve(
    config: Config,
    log: Log,
    clock: Callable[[], int],
    *,
    source: Source,
    ready: Callable[[int], None],
    told: Callable[[str], None],
    early: Sequence[int] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close the log. SIGHUP reads the source anew.

    clock: milliseconds since the epoch, never going back. ready: told the port once calls are
    accepted. told: what happens to the configuration. early: filled by SIGHUP until then. Raises
    as Server does and, with the log left open, LogStuck.
    """
    with closed_unless_stuck(log):
        with undisturbed():
            server = Server(config, log, clock)
            # What is here now stays: every full collection would look through it, in vain.
            gc.freeze()
        gc.enable()
        await server.start()
        if config.audit.enabled:
            server.projection.start()
        server.upkeep.start()
        systemd = Systemd()
        asked, hung_up = asyncio.Event(), asyncio.Event()
        for number, event in (
            (signal.SIGTERM, asked),
            (signal.SIGINT, asked),
            (signal.SIGHUP, hung_up),
        ):
            asyncio.get_running_loop().add_signal_handler(number, event.set)
        if early:
            hung_up.set()
        reload = Reload(source, config, server.configure, told)
        watch_ms = config.watch_config_ms
        reloading = asyncio.create_task(reload_when_asked(hung_up, reload, systemd, watch_ms))
        ready(server.port)
        systemd.ready("serving")
        ended = asyncio.create_task(server.terminated())
        stop = asyncio.create_task(asked.wait())
        await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
        systemd.stopping()
        stop.cancel()
        reloading.cancel()
        await server.upkeep.stop()
        try:
            await server.stop()
            server.upkeep.finish()
        finally:
            await server.projection.stop()
            systemd.close()
        await ended


@contextmanager
def closed_unless_stuck(log: Log) -> Iterator[None]:
    """Close the log at the end of the block, if its disk lets go of it."""
    try:
        yield
    except LogStuck:
        raise
    except BaseException:
        log.close()
        raise
    log.close()


async def reload_when_asked(
    asked: asyncio.Event, reload: Reload, systemd: Systemd, watch_ms: int
) -> None:
    """Reload when it is asked for, and when the file changes if it is looked at so often."""
    async with asyncio.TaskGroup() as both:
        if watch_ms:
            both.create_task(reload.watch(watch_ms / 1000))
        while True:
            await asked.wait()
            asked.clear()
            systemd.reloading()
            applied = await reload.now()
            systemd.ready("serving" if applied else "serving; the changed configuration has errors")

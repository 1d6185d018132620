"""The whole of routerd.yaml: the engine's settings, and what only the process needs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from routerd.core.sections import Count, Name, Section
from routerd.core.settings import EngineConfig
from routerd.settings_signals import Signals, Texts


class Server(Section, frozen=True):
    """Bounds of the gRPC server. A call without a deadline gets default_timeout_ms.

    max_in_flight: calls, and messages of streams, that are worked on at once. max_streams: streams
    that are open at once. max_unanswered: messages that one stream may be ahead of its answers.
    max_wait_ms: while calls wait longer than this before they are looked at, most are refused.
    busy_poll_us: where calls follow each other as soon, it polls before it sleeps; 0: never.
    """

    max_in_flight: Count = 1_000
    max_wait_ms: Count = 500
    max_streams: Count = 1_000
    max_unanswered: Count = 256
    busy_poll_us: Annotated[int, Meta(ge=0, le=10_000)] = 400
    default_timeout_ms: Count = 10_000
    drain_timeout_ms: Count = 10_000


class Audit(Section, frozen=True):
    """enabled: whether a projector runs beside the daemon and keeps audit.db up to date.

    keep_events: of so many of the latest events audit.db keeps decisions and what came of them;
    older ones go when they are closed. null: it keeps all. max_watchers: streams of WatchEvents
    that are open at once.
    """

    enabled: bool = True
    keep_events: Annotated[int, Meta(ge=1_000)] | None = 5_000_000
    max_watchers: Count = 64


class Retention(Section, frozen=True):
    """How long the log is. After snapshot_events events more, the state is written to a file from
    which the next start goes on; null: never. snapshots: how many of those files are kept.

    keep_events: the log lets go of all but so many of its latest events, once they stand behind
    the oldest snapshot and in the audit; null: it keeps all.
    """

    snapshot_events: Annotated[int, Meta(ge=1_000)] | None = 100_000
    snapshots: Annotated[int, Meta(ge=2, le=100)] = 2
    keep_events: Annotated[int, Meta(ge=1_000)] | None = 5_000_000


class Config(EngineConfig, frozen=True):
    """The whole of routerd.yaml.

    durability: `process` acknowledges a decision that survives kill -9, `power` one that survives
    power loss. Outcomes and configuration always survive power loss. watch_config_ms: how often to
    look whether the file has changed, and to put it in force then; 0 is never, and SIGHUP does it.
    """

    listen: Name = "127.0.0.1:7450"
    data_dir: Annotated[str, Meta(min_length=1, max_length=4096)] = "routerd-data"
    durability: Literal["process", "power"] = "process"
    watch_config_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    server: Server = Server()
    log: Retention = Retention()
    audit: Audit = Audit()
    signals: Signals = Signals()
    texts: Texts = Texts()

"""Live gauges: what each process answers on its own `/status` Unix socket.

Refuses to know history: that is the journal's. Invariant: reading a status costs microseconds and changes
nothing.
"""

from typing import Literal

import msgspec

EngineState = Literal["starting", "ready", "restarting", "stopped", "failed"]


class EngineStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One engine process as the supervisor sees it."""

    deployment: str
    state: EngineState
    reason: str | None = None
    pid: int | None = None
    restarts: int = 0
    resident_bytes: int | None = None
    slots: int | None = None
    slots_busy: int | None = None
    queued: int | None = None
    prompt_tokens_total: int | None = None
    output_tokens_total: int | None = None
    ready_after_s: float | None = None


class ProcessStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One child of the supervisor."""

    name: str
    state: EngineState
    pid: int | None = None
    restarts: int = 0
    resident_bytes: int | None = None


class SupervisorStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `up` process: its children and engines."""

    version: str
    started_at_ms: int
    address: str
    """`http://host:port` that clients use."""
    snapshot_revision: int
    processes: tuple[ProcessStatus, ...] = ()
    engines: tuple[EngineStatus, ...] = ()


class UpstreamStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pool of connections to one upstream address."""

    origin: str
    open: int = 0
    idle: int = 0
    waiting: int = 0
    opened_total: int = 0
    reused_total: int = 0
    failures_total: int = 0


class GatewayStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One gateway worker."""

    worker: str
    pid: int
    version: str
    snapshot_revision: int
    started_at_ms: int
    is_accepting: bool
    reason: str | None = None
    in_flight: int = 0
    streams: int = 0
    requests_total: int = 0
    errors_total: int = 0
    journal_segment: str = ""
    journal_bytes: int = 0
    journal_events_total: int = 0
    snapshot_refusals_total: int = 0
    resident_bytes: int | None = None
    upstreams: tuple[UpstreamStatus, ...] = ()

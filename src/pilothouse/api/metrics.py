"""`/metrics`: what went on record and how the processes are, in Prometheus' text format or as OpenMetrics.

Any part of the control process adds families of its own with
`instruments.further.append(source)`, where `source(now_ms)` returns an iterable of `Family`; it is asked at
each scrape and must be quick. A family whose name is taken already is left out.

Refuses to know who counts. Invariant: without a key it is answered only where the configuration says so.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Protocol

from fastapi import APIRouter, Request, Response

from pilothouse import __version__
from pilothouse.access.authenticate import desk_of, find_caller, is_local, read_clock
from pilothouse.access.roles import require
from pilothouse.api.counters import Counters
from pilothouse.api.status import StatusReader
from pilothouse.api.vitals import vitals_families
from pilothouse.contracts.status import EngineStatus, GatewayStatus, SupervisorStatus
from pilothouse.telemetry.prometheus import (
    CONTENT_TYPE,
    OPENMETRICS_TYPE,
    Family,
    Sample,
    render,
    render_openmetrics,
    wants_openmetrics,
)

router = APIRouter()

CLIENT_HOST = "x-pilothouse-client-host"
"""Who connected to the gateway: it strips this header from outside and sets it itself."""


@dataclass(frozen=True, slots=True)
class IngestState:
    """How far the journal is folded into the databases."""

    lag_ms: float
    segments: int
    offset_bytes: int
    events_total: int
    damages_total: int
    open_calls: int


class Ingest(Protocol):
    """Whoever folds the journal in."""

    def state(self, now_ms: int) -> IngestState:
        """Returns how far it is at `now_ms`."""


FamilySource = Callable[[int], Iterable[Family]]
"""Returns families of its own, given the time in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Where the figures of this page are read."""

    ingest: Ingest
    status: StatusReader
    counters: Counters
    without_key: Literal["loopback", "always", "never"]
    further: list[FamilySource] = field(default_factory=list)
    """More sources of families; any part adds its own while the process is put together."""


def instruments_of(request: Request) -> Instruments:
    """Returns the process's instruments."""
    instruments = request.app.state.instruments
    assert isinstance(instruments, Instruments)
    return instruments


@router.get("/metrics", tags=["Health"], summary="Metrics for Prometheus")
def show_metrics(request: Request) -> Response:
    """Answers in Prometheus' text format. On loopback no key is needed, unless configured otherwise."""
    instruments = instruments_of(request)
    _require_reader(request, instruments.without_key)
    families = families_of(instruments, read_clock())
    if wants_openmetrics(request.headers.get("accept", "")):
        return Response(render_openmetrics(families), media_type=OPENMETRICS_TYPE)
    return Response(render(families), media_type=CONTENT_TYPE)


def families_of(instruments: Instruments, now_ms: int) -> list[Family]:
    """Returns every family of the page, each name once."""
    gateways = instruments.status.gateways()
    named: dict[str, Family] = {}
    for family in (
        *instruments.counters.families(),
        *_ingest_families(instruments.ingest.state(now_ms)),
        *_gateway_families(gateways),
        *vitals_families(gateways),
        *_supervisor_families(instruments.status.supervisor()),
        *(family for source in instruments.further for family in source(now_ms)),
    ):
        named.setdefault(family.name, family)
    return list(named.values())


def _require_reader(request: Request, mode: str) -> None:
    if is_local(request) or mode == "always":
        return
    if mode == "loopback" and is_loopback(request.headers.get(CLIENT_HOST)):
        return
    require(find_caller(request, desk_of(request), read_clock()).role, "viewer")


def is_loopback(host: str | None) -> bool:
    """Says whether `host`, an address in figures, is this machine's own."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def resident_bytes() -> int:
    """Returns how much memory this process has (proc(5), `statm`)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _ingest_families(state: IngestState) -> list[Family]:
    return [
        _gauge("pilothouse_build_info", "Always 1.", [Sample(1, {"version": __version__})]),
        _gauge(
            "pilothouse_ingest_lag_seconds", "Age of the newest record's part.", [Sample(state.lag_ms / 1000)]
        ),
        _gauge("pilothouse_ingest_open_calls", "Streams begun and not ended.", [Sample(state.open_calls)]),
        Family(
            "pilothouse_ingest_events_total", "counter", "Events folded in.", [Sample(state.events_total)]
        ),
        Family(
            "pilothouse_ingest_damages_total", "counter", "Damaged frames.", [Sample(state.damages_total)]
        ),
    ]


def _gateway_families(gateways: Sequence[GatewayStatus]) -> list[Family]:
    def by_worker(name: str) -> list[Sample]:
        return [Sample(float(getattr(one, name) or 0), {"worker": one.worker}) for one in gateways]

    def by_origin(name: str) -> list[Sample]:
        return [
            Sample(float(getattr(pool, name)), {"worker": one.worker, "origin": pool.origin})
            for one in gateways
            for pool in one.upstreams
        ]

    return [
        _gauge("pilothouse_gateway_accepting", "1 when calls are taken.", by_worker("is_accepting")),
        _gauge("pilothouse_gateway_in_flight", "Calls being answered.", by_worker("in_flight")),
        _gauge("pilothouse_gateway_streams", "Streams being sent.", by_worker("streams")),
        _gauge("pilothouse_gateway_snapshot_revision", "Snapshot obeyed.", by_worker("snapshot_revision")),
        Family(
            "pilothouse_gateway_requests_total", "counter", "Calls accepted.", by_worker("requests_total")
        ),
        Family("pilothouse_gateway_errors_total", "counter", "Calls failed.", by_worker("errors_total")),
        Family(
            "pilothouse_journal_events_total",
            "counter",
            "Events written to the journal.",
            by_worker("journal_events_total"),
        ),
        _gauge("pilothouse_upstream_connections_open", "Connections open.", by_origin("open")),
        _gauge("pilothouse_upstream_connections_idle", "Connections idle.", by_origin("idle")),
        Family("pilothouse_upstream_failures_total", "counter", "Failures.", by_origin("failures_total")),
    ]


def _supervisor_families(supervisor: SupervisorStatus | None) -> list[Family]:
    engines = supervisor.engines if supervisor else ()
    processes = supervisor.processes if supervisor else ()
    memory = [
        Sample(float(one.resident_bytes), {"process": one.name})
        for one in processes
        if one.resident_bytes is not None and one.name != "control"
    ]
    memory.append(Sample(float(resident_bytes()), {"process": "control"}))
    restarts = [Sample(float(one.restarts), {"process": one.name}) for one in processes]
    return [
        _gauge(
            "pilothouse_supervisor_up", "1 when the supervisor answers.", [Sample(float(bool(supervisor)))]
        ),
        _gauge("pilothouse_process_resident_bytes", "Memory, engines apart.", memory),
        Family("pilothouse_process_restarts_total", "counter", "Restarts.", restarts),
        *_engine_families(engines),
    ]


def _engine_families(engines: Iterable[EngineStatus]) -> list[Family]:
    listed = list(engines)

    def known(name: str) -> list[Sample]:
        values = ((one, getattr(one, name)) for one in listed)
        return [
            Sample(float(value), {"deployment": one.deployment}) for one, value in values if value is not None
        ]

    ready = [Sample(float(one.state == "ready"), {"deployment": one.deployment}) for one in listed]
    return [
        _gauge("pilothouse_engine_ready", "1 when the engine answers.", ready),
        _gauge("pilothouse_engine_slots", "Calls it can work on at once.", known("slots")),
        _gauge("pilothouse_engine_slots_busy", "Calls it works on.", known("slots_busy")),
        _gauge("pilothouse_engine_queued", "Calls waiting for a slot.", known("queued")),
        _gauge("pilothouse_engine_resident_bytes", "Memory of an engine.", known("resident_bytes")),
        Family("pilothouse_engine_restarts_total", "counter", "Restarts of an engine.", known("restarts")),
        Family(
            "pilothouse_engine_output_tokens_total",
            "counter",
            "Tokens an engine made.",
            known("output_tokens_total"),
        ),
    ]


def _gauge(name: str, text: str, samples: list[Sample]) -> Family:
    return Family(name, "gauge", text, samples)

"""The control process from its foundation to its end: the record, the API on two sockets, the jobs.

Refuses to know what any part does. Invariant: at the end the sockets are gone, the jobs' last tick is
finished and the databases are closed.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from pilothouse.access.authenticate import is_allowed
from pilothouse.analytics.routes import Record
from pilothouse.analytics.routes import router as analytics_router
from pilothouse.analytics.series_routes import router as series_router
from pilothouse.analytics.trace_routes import router as traces_router
from pilothouse.api.app import create_app
from pilothouse.api.backups import router as backups_router
from pilothouse.api.counters import Counters
from pilothouse.api.markers import router as markers_router
from pilothouse.api.metrics import Instruments
from pilothouse.api.metrics import router as metrics_router
from pilothouse.api.processes import router as processes_router
from pilothouse.api.resources import router as resources_router
from pilothouse.api.screen import ScreenSettings
from pilothouse.api.screen import router as screen_router
from pilothouse.api.status import StatusReader
from pilothouse.api.traffic import router as traffic_router
from pilothouse.contracts.events import RequestCompleted
from pilothouse.control.alerting import PresentNumbers, alerting
from pilothouse.control.decoding import Decoding
from pilothouse.control.foundation import Foundation
from pilothouse.control.ingest import IngestJob
from pilothouse.control.measuring import ROUTERS as MEASURING_ROUTERS
from pilothouse.control.measuring import Measuring
from pilothouse.control.observing import Sending, observing
from pilothouse.control.recording import recording
from pilothouse.control.searching import searching
from pilothouse.control.serving import ServingNow
from pilothouse.control.settings import ControlSettings
from pilothouse.control.sockets import listening
from pilothouse.control.state_watch import lease_jobs
from pilothouse.control.tail import Tail
from pilothouse.monitors.alerts.routes import router as alerts_router
from pilothouse.monitors.alerts.sources import RecordedNumbers
from pilothouse.rollout.routes import router as configuration_router
from pilothouse.store.analytics import Analytics
from pilothouse.store.backup import create_backup
from pilothouse.store.dialects.reader import Readable
from pilothouse.store.projector import Projector
from pilothouse.store.retention import Retention
from pilothouse.telemetry.keyring import Keyring
from pilothouse.worker import Job, Worker

logger = logging.getLogger(__name__)

READABLE = (analytics_router, traces_router, series_router, markers_router, screen_router, *MEASURING_ROUTERS)
"""Routes for everybody with a key or a session."""
ROUTERS = (
    metrics_router,
    processes_router,
    traffic_router,
    backups_router,
    configuration_router,
    alerts_router,
    resources_router,
)
"""Routes that see to it themselves who may use them."""

PROJECTION_S = 0.2
PUBLICATION_S = 1.0
RETENTION_S = 60.0
EXPIRY_S = 60.0
JOBS_STOP_WITHIN_S = 10.0
REQUESTS_STOP_WITHIN_S = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs until the end."""

    app: FastAPI
    tail: Tail[RequestCompleted]
    ingest: IngestJob
    worker: Worker


def run(settings: ControlSettings, foundation: Foundation, *, now_ms: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    home = foundation.home
    analytics = Analytics.open(home.analytics, backups=home.backups, settings=settings.store, now_ms=now_ms)
    with closing(analytics), assembled(settings, foundation, analytics, now_ms=now_ms) as parts:
        with listening(home.control_socket, home.admin_socket) as sockets:
            asyncio.run(_serve(parts, sockets))
        if not parts.worker.stop(JOBS_STOP_WITHIN_S):
            logger.warning("a job did not finish in time")
        parts.ingest.note_use()
    foundation.engine.dispose()
    if foundation.lease is not None:
        foundation.lease.release()


@contextmanager
def assembled(
    settings: ControlSettings, foundation: Foundation, analytics: Analytics, *, now_ms: int
) -> Iterator[Parts]:
    """Puts the API and the jobs together; closes what it opened."""
    home, desk = foundation.home, foundation.desk
    recorded = recording(settings, analytics)
    days = recorded.content_days
    projector = Projector(home.journal, analytics, content_retention_days=days)
    decoding = Decoding(home, analytics, settings.telemetry.intake, content_retention_days=days)
    with closing(projector), closing(decoding):
        counters, tail = Counters(settings.telemetry.prometheus), Tail[RequestCompleted]()
        status = StatusReader(home)
        measuring = Measuring.of(settings, analytics, projector, foundation.engine, recorded.record)
        sending = Sending(settings, projector, counters, now_ms=now_ms)
        ingest = IngestJob(
            projector,
            retention=Retention(home.journal, analytics, projector, settings.journal),
            desk=desk,
            counters=counters,
            told=partial(_tell, (tail.give, measuring.give, sending.tell)),
            now_ms=now_ms,
        )
        app = _app(settings, foundation)
        app.state.instruments = Instruments(
            ingest=ingest, status=status, counters=counters, without_key=settings.access.metrics_without_key
        )
        app.state.instruments.further.extend((decoding.families, recorded.families))
        app.state.make_backup = partial(create_backup, home, analytics=analytics)
        serving = ServingNow(foundation.publisher, status, ingest, telemetry_lag_ms=decoding.lag_ms)
        app.state.record = _record(foundation, recorded.record, serving, tail)
        search = searching(home, analytics, decoding.is_behind)
        app.state.search_index = search.index
        app.state.instruments.further.append(search.families)
        app.state.screen = ScreenSettings(foundation.engine, app.state.record, app.state.instruments)
        measuring.mount(app)
        watching = alerting(
            settings,
            foundation.engine,
            numbers=RecordedNumbers(recorded.record),
            present=PresentNumbers(home, status, ingest),
            objectives=measuring.objectives,
        )
        watching.mount(app.state)
        app.state.resources, observed = observing(
            app.state.instruments, app.state.screen, home, sending, foundation.publisher
        )
        jobs = [
            Job("projector", ingest.tick, PROJECTION_S),
            Job("decoding", decoding.tick, PROJECTION_S),
            Job("publication", foundation.publisher.tick, PUBLICATION_S),
            Job("retention", ingest.retain, RETENTION_S),
            Job("expiry", lambda now: desk.forget_expired(now) < 0, EXPIRY_S),
        ]
        further = (*measuring.jobs, search.job, *recorded.jobs, *watching.jobs, *observed)
        yield Parts(app, tail, ingest, Worker([*jobs, *lease_jobs(foundation.lease), *further]))


def _app(settings: ControlSettings, foundation: Foundation) -> FastAPI:
    app = create_app(
        desk=foundation.desk,
        admin_socket=foundation.home.admin_socket,
        allowed_hosts=_hosts(settings),
        readable=READABLE,
        routers=ROUTERS,
    )
    app.state.configuration = foundation.configuration
    app.state.state = foundation.engine
    return app


def _record(
    foundation: Foundation, record: Readable, serving: ServingNow, tail: Tail[RequestCompleted]
) -> Record:
    return Record(
        analytics=record,
        keyring=Keyring(foundation.home.keyring, foundation.home.master_key),
        key_names=foundation.desk.names,
        serving=serving,
        tail=tail,
        is_allowed=is_allowed,
    )


def _tell(
    listeners: Sequence[Callable[[Sequence[RequestCompleted]], None]], calls: Sequence[RequestCompleted]
) -> None:
    for listener in listeners:
        listener(calls)


class _Server(uvicorn.Server):
    """uvicorn, but for signals, which are ours: its own way would end the process before it is tidied up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


async def _serve(parts: Parts, sockets: list[socket.socket]) -> None:
    started = time.monotonic()
    server = _Server(
        uvicorn.Config(
            parts.app,
            loop="asyncio",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=REQUESTS_STOP_WITHIN_S,
        )
    )

    def stop() -> None:
        parts.tail.close()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    parts.worker.start()
    await server.serve(sockets=sockets)
    logger.info("stopped serving", extra={"served_s": round(time.monotonic() - started, 1)})


def _hosts(settings: ControlSettings) -> tuple[str, ...]:
    own = urlsplit(settings.address).hostname
    return (*settings.access.allowed_hosts, *((own,) if own else ()))

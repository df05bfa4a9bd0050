"""`/api/v1/screen`: all that the console's first screen shows, in one answer that all viewers share.

What another part knows (resources, objectives) it hands in as a source: `screen.sources["name"] = source`,
where `source(now_ms, window_s)` returns something that JSON can hold; it stands under that name.

Refuses to know how a number is made. Invariant: it is put together at most once a second for each window of
time, whoever asks and however many; a part that cannot be told is `null` and named in `missing`.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator
from sqlalchemy import Engine

from pilothouse.access.authenticate import Now
from pilothouse.analytics.deployments import DeploymentNumbers, deployment_numbers
from pilothouse.analytics.overview import Overview, overview
from pilothouse.analytics.routes import ModelView, Record, models_of
from pilothouse.analytics.series import value
from pilothouse.api.kept_body import KeptBodies, respond_with
from pilothouse.api.markers import Marker, OpenAlerts, markers_between, open_alerts
from pilothouse.api.metrics import Instruments
from pilothouse.api.traffic import DeploymentTraffic, traffic_of
from pilothouse.contracts.errors import PilothouseError
from pilothouse.store.asking import for_everybody

router = APIRouter(prefix="/api/v1")
logger = logging.getLogger(__name__)

GOOD_FOR_MS = 950
"""Viewers ask once a second: a little less than that, so that each finds news."""

POINTS = 60
Window = Annotated[Literal[300, 900, 3600, 21_600, 86_400, 604_800], BeforeValidator(int)]
"""Few, since each keeps a body."""
Source = Callable[[int, int], object]
"""Returns what a part knows, given the time in Unix milliseconds and the window in seconds."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What the first screen stands on; the process puts one into `app.state.screen`."""

    engine: Engine
    record: Record
    instruments: Instruments
    sources: dict[str, Source] = field(default_factory=dict)
    """Further parts, by the name that they stand under."""
    bodies: KeptBodies = field(default_factory=lambda: KeptBodies(good_for_ms=GOOD_FOR_MS))


@dataclass(frozen=True, slots=True)
class Extra:
    """What a deployment's row shows beside its own numbers."""

    token_time_p95_ms: float | None = None
    cache_share: float | None = None
    """Of the calls of its model."""
    breaker: str | None = None
    cause: str | None = None
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Screen:
    """The first screen."""

    now_ms: int
    window_s: int
    overview: Overview
    models: list[ModelView]
    extras: dict[str, Extra]
    """By deployment id."""
    queued: int
    """Calls that wait to be let in."""
    alerts: OpenAlerts
    markers: list[Marker]
    missing: list[str]
    """Parts that cannot be told just now."""


@router.get(
    "/screen",
    tags=["Record"],
    summary="All that the first screen shows",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, 304: {"description": "It has not changed."}},
)
def show_screen(
    request: Request,
    now: Now,
    window_s: Annotated[Window, Query(description="How far back, in seconds.")] = 900,
) -> Response:
    """Numbers, models, resources, objectives, open alerts and markers; made at most once a second for all."""
    settings = request.app.state.screen
    assert isinstance(settings, ScreenSettings)
    with for_everybody():
        body = settings.bodies.get(window_s, lambda: _body(settings, now, window_s), now_ms=now)
    return respond_with(request, body)


def _body(settings: ScreenSettings, now_ms: int, window_s: int) -> bytes:
    missing: list[str] = []
    parts: dict[str, object] = {}
    for name, source in settings.sources.items():
        try:
            parts[name] = source(now_ms, window_s)
        except PilothouseError as error:
            logger.warning("a part of the first screen is missing", extra={"part": name, "why": str(error)})
            parts[name] = None
            missing.append(name)
    screen = _screen(settings, now_ms, window_s, missing)
    whole: dict[str, Any] = {**msgspec.to_builtins(screen), **msgspec.to_builtins(parts)}
    return msgspec.json.encode(whole)


def _screen(settings: ScreenSettings, now_ms: int, window_s: int, missing: list[str]) -> Screen:
    record = settings.record
    shown = overview(
        record.analytics,
        now_ms=now_ms,
        window_s=window_s,
        points=POINTS,
        state=record.serving.state(),
        ingest_lag_ms=round(record.serving.ingest_lag_ms(now_ms), 1),
    )
    numbers = deployment_numbers(record.analytics, now_ms=now_ms, window_s=window_s)
    models = models_of(record.serving.deployments(), numbers)
    traffic = traffic_of(settings.instruments.status.gateways(), (), {})
    with settings.engine.connect() as connection:
        alerts = open_alerts(connection)
        markers = markers_between(connection, shown.series_start_ms, now_ms + 1)
    return Screen(
        now_ms=now_ms,
        window_s=window_s,
        overview=shown,
        models=models,
        extras=_extras(
            record, models, numbers, traffic.deployments, start_ms=shown.series_start_ms, end_ms=now_ms
        ),
        queued=sum(traffic.queued.values()),
        alerts=alerts,
        markers=markers,
        missing=missing,
    )


def _extras(
    record: Record,
    models: list[ModelView],
    numbers: Mapping[str, DeploymentNumbers],
    traffic: list[DeploymentTraffic],
    *,
    start_ms: int,
    end_ms: int,
) -> dict[str, Extra]:
    cached = value(record.analytics, "cache_share", by="model", start_ms=start_ms, end_ms=end_ms)
    live = {one.deployment: one for one in traffic}
    extras: dict[str, Extra] = {}
    for model in models:
        for row in model.deployments:
            now = live.get(row.id)
            extras[row.id] = Extra(
                token_time_p95_ms=numbers[row.id].token_time_p95_ms if row.id in numbers else None,
                cache_share=cached.get(model.model),
                breaker=now.breaker if now is not None else None,
                cause=now.cause if now is not None else None,
                in_flight=now.in_flight if now is not None else 0,
            )
    return extras

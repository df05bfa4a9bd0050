"""`/api/v1/metrics`: custom metrics, what came of them, and the series of each version.

Refuses to know how a value is computed. Invariant: values of one version never stand in another's series.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from pilothouse.analytics.routes import MOST_NAME_CHARACTERS, Now, RecordHere
from pilothouse.analytics.series import MOST_POINTS, Series, SeriesQuestion, series
from pilothouse.contracts.errors import NotFoundError
from pilothouse.monitors.metrics.desk import MetricDesk, MetricView

router = APIRouter(prefix="/api/v1")

DAY_MS = 86_400_000
MOST_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class MetricList:
    """All custom metrics, in the order of the configuration."""

    data: list[MetricView]
    skipped_calls: int
    """Calls left out because more came than could be computed."""


@dataclass(frozen=True, slots=True)
class VersionSeries:
    """One version over time."""

    version: int
    series: Series


@dataclass(frozen=True, slots=True)
class MetricDetail:
    """One custom metric with the series of its newest versions, newest first."""

    metric: MetricView
    series: list[VersionSeries]


def desk_of(request: Request) -> MetricDesk:
    """Returns who knows the custom metrics."""
    desk = request.app.state.metrics
    assert isinstance(desk, MetricDesk)
    return desk


DeskHere = Annotated[MetricDesk, Depends(desk_of)]


@router.get("/metrics", tags=["Metrics"], summary="Custom metrics")
def list_metrics(desk: DeskHere, now: Now) -> MetricList:
    """Every custom metric of the configuration: its definition, its versions, and what came of it."""
    return MetricList(desk.views(now), desk.skipped)


@router.get("/metrics/{name}", tags=["Metrics"], summary="One custom metric over time")
def show_metric(
    name: Annotated[str, Path(max_length=MOST_NAME_CHARACTERS)],
    desk: DeskHere,
    record: RecordHere,
    now: Now,
    *,
    from_ms: Annotated[int | None, Query(ge=0, description="Unix ms; a day ago by default.")] = None,
    to_ms: Annotated[int | None, Query(ge=0, description="Unix ms; now by default.")] = None,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS, description="At most so many steps.")] = 60,
) -> MetricDetail:
    """One custom metric with a series for each of its newest versions."""
    for view in desk.views(now):
        if view.name == name:
            break
    else:
        raise NotFoundError(f"there is no custom metric {name!r}", hint="GET /api/v1/metrics lists them")
    end_ms = now if to_ms is None else to_ms
    start_ms = end_ms - DAY_MS if from_ms is None else from_ms
    versions = [one.version for one in reversed(view.versions)][:MOST_VERSIONS] or [view.version]
    found = []
    for version in versions:
        question = SeriesQuestion(f"{view.measure}@{version}", start_ms, end_ms, points=points)
        line = replace(series(record.analytics, question), unit=view.unit)
        found.append(VersionSeries(version, line))
    return MetricDetail(view, found)

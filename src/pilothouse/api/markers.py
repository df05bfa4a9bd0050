"""`/api/v1/markers`: deploys, changes of the configuration and alerts, which every chart shows at their time.

Refuses to know what they did. Invariant: a publication because of a key's change alone is no deploy, and at
most the newest 200 of each kind are told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection, Engine, func, select

from pilothouse.access.authenticate import Now
from pilothouse.store.tables import alerts, configuration_revisions, publications

router = APIRouter(prefix="/api/v1")

MOST = 200
MOST_OPEN_LISTED = 5
DAY_MS = 86_400_000
OTHERS_TELL_OF_IT = ("who may call has changed", "the configuration has changed")
"""Reasons of publications that are no deploy: a key's, and what its configuration revision tells."""

WORDS = {"control has started": "Pilothouse has started"}
ALERTS_PAGE = "/alerts"

Kind = Literal["deploy", "configuration", "alert"]


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened and may explain a line."""

    at_ms: int
    kind: Kind
    text: str
    link: str | None
    """An address of the console."""


@dataclass(frozen=True, slots=True)
class MarkerList:
    """Markers, the oldest first."""

    data: list[Marker]


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is not resolved."""

    id: str
    rule: str
    severity: str
    summary: str
    link: str | None
    opened_at_ms: int
    is_acknowledged: bool


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """How many alerts are open, and the ones to look at first."""

    open: int
    critical: int
    acknowledged: int
    first: list[OpenAlert]


@router.get("/markers", tags=["Record"], summary="What happened beside a chart")
def show_markers(
    request: Request,
    now: Now,
    from_ms: Annotated[
        int | None, Query(ge=0, le=2**52, description="Unix ms; a day ago by default.")
    ] = None,
    to_ms: Annotated[int | None, Query(ge=0, le=2**52, description="Unix ms; now by default.")] = None,
) -> MarkerList:
    """Deploys, changes of the configuration and alerts between two times, the oldest first."""
    end_ms = now if to_ms is None else to_ms
    start_ms = end_ms - DAY_MS if from_ms is None else from_ms
    engine = request.app.state.state
    assert isinstance(engine, Engine)
    with engine.connect() as connection:
        return MarkerList(markers_between(connection, start_ms, end_ms))


def markers_between(connection: Connection, start_ms: int, end_ms: int) -> list[Marker]:
    """Returns what happened from `start_ms` up to `end_ms`, the oldest first."""
    found = (
        *_deploys(connection, start_ms, end_ms),
        *_configurations(connection, start_ms, end_ms),
        *_alerts(connection, start_ms, end_ms),
    )
    return sorted(found, key=lambda marker: marker.at_ms)


def open_alerts(connection: Connection) -> OpenAlerts:
    """Returns the alerts that are not resolved; the critical and the newest first."""
    table = alerts
    is_open = table.c.state.in_(("open", "acknowledged"))
    counted = connection.execute(
        select(
            func.count(),
            func.count().filter(table.c.severity == "critical"),
            func.count(table.c.acknowledged_at_ms),
        ).where(is_open)
    ).one()
    is_critical = table.c.severity == "critical"
    rows = connection.execute(
        select(table)
        .where(is_open)
        .order_by(table.c.acknowledged_at_ms.isnot(None), is_critical.desc(), table.c.opened_at_ms.desc())
        .limit(MOST_OPEN_LISTED)
    )
    first = [
        OpenAlert(
            row.id,
            row.rule,
            row.severity,
            row.summary,
            row.link,
            row.opened_at_ms,
            row.acknowledged_at_ms is not None,
        )
        for row in rows
    ]
    return OpenAlerts(int(counted[0]), int(counted[1]), int(counted[2]), first)


def _deploys(connection: Connection, start_ms: int, end_ms: int) -> Iterable[Marker]:
    table = publications
    rows = connection.execute(
        select(table.c.created_at_ms, table.c.reason)
        .where(
            table.c.created_at_ms >= start_ms,
            table.c.created_at_ms < end_ms,
            table.c.reason.not_in(OTHERS_TELL_OF_IT),
        )
        .order_by(table.c.revision.desc())
        .limit(MOST)
    )
    for at_ms, reason in rows:
        yield Marker(at_ms, "deploy", WORDS.get(reason, reason), None)


def _configurations(connection: Connection, start_ms: int, end_ms: int) -> Iterable[Marker]:
    table = configuration_revisions
    rows = connection.execute(
        select(table.c.created_at_ms, table.c.revision, table.c.origin)
        .where(table.c.created_at_ms >= start_ms, table.c.created_at_ms < end_ms)
        .order_by(table.c.revision.desc())
        .limit(MOST)
    )
    for at_ms, revision, origin in rows:
        yield Marker(at_ms, "configuration", f"revision {revision}, from the {origin}", None)


def _alerts(connection: Connection, start_ms: int, end_ms: int) -> Iterable[Marker]:
    table = alerts
    rows = connection.execute(
        select(table.c.opened_at_ms, table.c.severity, table.c.summary)
        .where(table.c.opened_at_ms >= start_ms, table.c.opened_at_ms < end_ms)
        .order_by(table.c.opened_at_ms.desc())
        .limit(MOST)
    )
    for at_ms, severity, summary in rows:
        yield Marker(at_ms, "alert", f"{severity}: {summary}", ALERTS_PAGE)

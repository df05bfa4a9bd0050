"""The management API's charts: the measures there are, and each over time as JSON or CSV.

Refuses to know how a measure is asked of the record. Invariant: a chart's CSV holds the numbers of its JSON.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from pilothouse.analytics.measures import MEASURES, By, Goal, Measure
from pilothouse.analytics.routes import Name, Now, RecordHere
from pilothouse.analytics.series import MOST_POINTS, Series, SeriesQuestion, series

router = APIRouter(prefix="/api/v1")

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class MeasureView:
    """A number that can be charted."""

    name: str
    unit: str
    title: str
    description: str
    goal: Goal


@dataclass(frozen=True, slots=True)
class MeasureList:
    """All measures."""

    data: list[MeasureView]


@router.get("/measures", tags=["Record"], summary="Numbers that can be charted")
def list_measures(request: Request) -> MeasureList:
    """Every built-in measure, then each custom metric as `metric.<name>`."""
    return MeasureList(
        [
            MeasureView(measure.name, measure.unit, measure.title, measure.description, measure.goal)
            for measure in (*MEASURES.values(), *custom_measures(request))
        ]
    )


def custom_measures(request: Request) -> Sequence[Measure]:
    """Returns the custom metrics that the process has put into `app.state.custom_measures`, if any."""
    known = getattr(request.app.state, "custom_measures", None)
    return known() if known is not None else ()


@router.get("/series", tags=["Record"], summary="A measure over time", response_model=Series)
def show_series(  # noqa: PLR0913 - a parameter of the query each
    request: Request,
    record: RecordHere,
    now: Now,
    *,
    measure: Annotated[str, Query(max_length=300)],
    by: By | None = None,
    model: Name = None,
    provider: Name = None,
    deployment: Name = None,
    key_id: Name = None,
    team: Name = None,
    operation: Name = None,
    from_ms: Annotated[int | None, Query(ge=0, description="Unix ms; an hour ago by default.")] = None,
    to_ms: Annotated[int | None, Query(ge=0, description="Unix ms; now by default.")] = None,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS, description="At most so many steps.")] = 60,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002 - the query's word
) -> Series | Response:
    """A measure over a stretch of time, one line for each model, provider, deployment, key or team."""
    end_ms = now if to_ms is None else to_ms
    given = {
        "model": model,
        "provider": provider,
        "deployment": deployment,
        "key": key_id,
        "team": team,
        "operation": operation,
    }
    question = SeriesQuestion(
        measure,
        end_ms - HOUR_MS if from_ms is None else from_ms,
        end_ms,
        by=by,
        only={name: wanted for name, wanted in given.items() if wanted is not None},
        points=points,
    )
    found = series(record.analytics, question)
    units = {one.name: one.unit for one in custom_measures(request)}
    found = replace(found, unit=units.get(measure.partition("@")[0], found.unit))
    if format == "json":
        return found
    return Response(
        csv_of(found),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file_name(found.measure)}"'},
    )


def file_name(measure: str) -> str:
    """Returns a measure's name as a file's, with nothing in it that a header or a disk could stumble over."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", measure)[:100] + ".csv"


def csv_of(found: Series) -> str:
    """Returns a chart as CSV: a row a step, a column a line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["start_ms", *(_cell(line.label) or found.measure for line in found.lines)])
    points = max((len(line.values) for line in found.lines), default=0)
    for number in range(points):
        values = (line.values[number] for line in found.lines)
        writer.writerow([found.start_ms + number * found.step_ms, *("" if v is None else v for v in values)])
    return text.getvalue()


def _cell(label: str) -> str:
    """Returns a label that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{label}" if label.startswith(("=", "+", "-", "@", "\t", "\r")) else label

"""The management API's numbers about money, faults, confidence and feedback.

Refuses to know how they are asked of the record. Invariant: a table's CSV holds the numbers of its JSON.
"""

import csv
import io
from dataclasses import fields
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from pilothouse.analytics.availability import AvailabilityList, availability
from pilothouse.analytics.confidence import Confidence, confidence
from pilothouse.analytics.cost import Cost, CostBy, CostRow, cost
from pilothouse.analytics.feedback import (
    FeedbackDetail,
    FeedbackFilter,
    FeedbackPage,
    get_feedback,
    list_feedback,
)
from pilothouse.analytics.measures import By
from pilothouse.analytics.routes import MOST_NAME_CHARACTERS, Name, Now, RecordHere
from pilothouse.contracts.errors import InvalidRequestError

router = APIRouter(prefix="/api/v1")

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LONGEST_MS = 400 * DAY_MS
From = Annotated[int | None, Query(ge=0, description="Unix ms; a day before `to_ms` by default.")]
To = Annotated[int | None, Query(ge=0, description="Unix ms; now by default.")]


@router.get("/availability", tags=["Record"], summary="Who answered, and who did not")
def show_availability(
    record: RecordHere, now: Now, by: By = "model", from_ms: From = None, to_ms: To = None
) -> AvailabilityList:
    """Calls and errors by model, deployment, provider, key, team or operation, told apart by whose fault."""
    start_ms, end_ms = span_of(from_ms, to_ms, now)
    names = dict(record.key_names()) if by == "key" else {}
    return availability(record.analytics, by=by, start_ms=start_ms, end_ms=end_ms, names=names)


@router.get("/confidence", tags=["Record"], summary="How sure the answers were")
def show_confidence(
    record: RecordHere,
    now: Now,
    *,
    model: Name = None,
    deployment: Name = None,
    from_ms: From = None,
    to_ms: To = None,
) -> Confidence:
    """Log-probabilities and entropy of answers as distributions; `record.confidence` says who has them."""
    start_ms, end_ms = span_of(from_ms, to_ms, now)
    return confidence(record.analytics, start_ms=start_ms, end_ms=end_ms, model=model, deployment=deployment)


@router.get("/cost", tags=["Record"], summary="What calls cost", response_model=Cost)
def show_cost(
    record: RecordHere,
    now: Now,
    *,
    by: CostBy = "model",
    model: Name = None,
    team: Name = None,
    key_id: Name = None,
    from_ms: From = None,
    to_ms: To = None,
    points: Annotated[int, Query(ge=1, le=400, description="At most so many steps.")] = 30,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002 - the query's word
) -> Cost | Response:
    """Cost by key, team, model, provider, deployment or conversation, with the share that has no price."""
    start_ms, end_ms = span_of(from_ms, to_ms, now)
    wanted = {"model": model, "team": team, "key": key_id}
    only = {name: value for name, value in wanted.items() if value is not None}
    if only and by == "conversation":
        raise InvalidRequestError(
            "Cost by conversation cannot be narrowed.",
            hint="Leave `model`, `team` and `key_id` out.",
            param=next(iter(only)),
        )
    found = cost(
        record.analytics,
        by=by,
        start_ms=start_ms,
        end_ms=end_ms,
        points=points,
        only=only,
        key_names=record.key_names() if by == "key" else {},
    )
    if format == "json":
        return found
    return Response(
        cost_csv(found),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="cost-by-{by}.csv"'},
    )


@router.get("/feedback", tags=["Record"], summary="Feedback, newest first")
def show_feedback(  # noqa: PLR0913 - a parameter of the query each
    record: RecordHere,
    *,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[
        str | None, Query(max_length=100, description="`next_before` of the page before.")
    ] = None,
    model: Name = None,
    deployment: Name = None,
    kind: Literal["thumbs", "stars", "score", "text", "correction", "measure"] | None = None,
    name: Name = None,
    key_id: Name = None,
    team: Name = None,
    call_id: Name = None,
    request_id: Name = None,
) -> FeedbackPage:
    """What people and applications said of answers, without the words, in pages."""
    only = FeedbackFilter(
        model=model,
        deployment=deployment,
        kind=kind,
        name=name,
        key_id=key_id,
        team=team,
        call_id=call_id,
        request_id=request_id,
    )
    return list_feedback(
        record.analytics, limit=limit, before=before, only=only, key_names=record.key_names()
    )


@router.get("/feedback/{feedback_id}", tags=["Record"], summary="One item of feedback, with its words")
def show_one_feedback(
    feedback_id: Annotated[str, Path(max_length=MOST_NAME_CHARACTERS)], record: RecordHere
) -> FeedbackDetail:
    """One item with its text and corrected answer."""
    with record.keyring_lock:
        return get_feedback(
            record.analytics, feedback_id, keyring=record.keyring, key_names=record.key_names()
        )


def span_of(from_ms: int | None, to_ms: int | None, now_ms: int) -> tuple[int, int]:
    """Returns the stretch of time that is asked about.

    Raises:
        InvalidRequestError: it ends before it begins, or is too long.
    """
    end_ms = now_ms if to_ms is None else to_ms
    start_ms = max(0, end_ms - DAY_MS) if from_ms is None else from_ms
    if not start_ms < end_ms or end_ms - start_ms > LONGEST_MS:
        raise InvalidRequestError(
            f"the time from {start_ms} to {end_ms} cannot be asked about",
            hint="give Unix milliseconds, the earlier first, at most 400 days apart",
            code="bad_time",
            param="from_ms",
        )
    return start_ms, end_ms


def cost_csv(found: Cost) -> str:
    """Returns the table as CSV: a row each, the whole last."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = [field.name for field in fields(CostRow) if field.name != "series"]
    writer.writerow([found.by, *names[1:]])
    for row in (*found.data, found.whole):
        values = [getattr(row, name) for name in names]
        values[0] = "(all)" if row is found.whole else values[0]
        writer.writerow(["" if value is None else _cell(value) for value in values])
    return text.getvalue()


def _cell(value: object) -> object:
    """Returns a value that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value

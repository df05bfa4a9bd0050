"""What was said of calls and spans, as rows: feedback, evaluations, custom metrics; and feedback's calls.

Feedback names a call by its request id or call id, before or after that call is on record. It is kept at
once, and joined to its call when both are there: what is not joined yet is looked up again for a week.

Refuses to know what a score means. Invariant: a feedback's row is committed with the place in the journal it
came from; joining it twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import duckdb

from pilothouse.contracts.events import FeedbackGiven
from pilothouse.store.bulk import bulk_insert

__all__ = ["SCORE_COLUMNS", "Score", "insert_feedback", "insert_scores", "join_feedback"]

SCORE_COLUMNS = (
    ("score_id", "VARCHAR"),
    ("at_ns", "BIGINT"),
    ("source", "VARCHAR"),
    ("name", "VARCHAR"),
    ("version", "INTEGER"),
    ("kind", "VARCHAR"),
    ("value", "DOUBLE"),
    ("label", "VARCHAR"),
    ("call_id", "VARCHAR"),
    ("request_id", "VARCHAR"),
    ("trace_id", "VARCHAR"),
    ("span_id", "VARCHAR"),
    ("model", "VARCHAR"),
    ("deployment", "VARCHAR"),
    ("key_id", "VARCHAR"),
    ("team", "VARCHAR"),
    ("subject", "VARCHAR"),
    ("has_content", "BOOLEAN"),
)
HOUR_NS = 3_600 * 10**9
JOINED_WITHIN_NS = 7 * 24 * HOUR_NS
"""Feedback to a call that does not appear within this time stays without one."""
MOST_JOINED = 1000
"""Items of feedback looked up at once."""
RESPONSE_PREFIX = "resp_"
"""Of the ids that answers to `/v1/responses` have: a call id follows."""


@dataclass(frozen=True, slots=True)
class Score:
    """One row of `scores`, in the order of its columns."""

    score_id: str
    at_ns: int
    source: str
    """`feedback`, `evaluation` or `metric`."""
    name: str
    version: int = 1
    kind: str | None = None
    value: float | None = None
    label: str | None = None
    call_id: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    model: str | None = None
    deployment: str | None = None
    key_id: str | None = None
    team: str | None = None
    subject: str | None = None
    has_content: bool = False


_NAMES = tuple(field.name for field in fields(Score))


def insert_scores(connection: duckdb.DuckDBPyConnection, scores: Sequence[Score]) -> None:
    """Adds a row for each of `scores`, in the connection's transaction."""
    if scores:
        columns = [[getattr(score, name) for score in scores] for name in _NAMES]
        bulk_insert(connection, "scores", SCORE_COLUMNS, columns)


def insert_feedback(
    connection: duckdb.DuckDBPyConnection, feedback: Sequence[tuple[FeedbackGiven, bool]]
) -> None:
    """Adds a row for each item of feedback, given with whether it has words; its call is joined later."""
    insert_scores(connection, [_score(event, has_content=kept) for event, kept in feedback])


def join_feedback(connection: duckdb.DuckDBPyConnection, *, now_ms: int) -> int:
    """Joins feedback without a call to calls that are on record by now; returns how many were joined.

    Looks among the calls of the last hour first, then of the last day and week, by the time of the feedback.
    """
    now_ns = now_ms * 1_000_000
    pending = connection.execute(
        "SELECT score_id, request_id, at_ns FROM scores WHERE at_ns >= ? AND source = 'feedback' "
        "AND call_id IS NULL ORDER BY at_ns DESC LIMIT ?",
        [now_ns - JOINED_WITHIN_NS, MOST_JOINED],
    ).fetchall()
    joined = 0
    for back_ns in (HOUR_NS, 24 * HOUR_NS, JOINED_WITHIN_NS):
        if not pending:
            break
        found = _calls_of(connection, {str(row[1]) for row in pending}, now_ns - back_ns)
        rows = [(row[0], *call) for row in pending if (call := found.get(str(row[1])))]
        _join(connection, rows)
        joined += len(rows)
        pending = [row for row in pending if str(row[1]) not in found]
    return joined


def _score(event: FeedbackGiven, *, has_content: bool) -> Score:
    return Score(
        score_id=event.feedback_id,
        at_ns=event.at_ns,
        source="feedback",
        name=event.name,
        kind=event.kind,
        value=event.value,
        request_id=event.request_id,
        key_id=event.key_id,
        team=event.team,
        subject=event.subject,
        has_content=has_content,
    )


def _calls_of(
    connection: duckdb.DuckDBPyConnection, named: set[str], since_ns: int
) -> dict[str, tuple[Any, ...]]:
    """Returns the newest call that each of `named` means, by call id or request id."""
    ids = sorted(named | {name.removeprefix(RESPONSE_PREFIX) for name in named})
    rows = connection.execute(
        "SELECT call_id, request_id, trace_id, span_id, model, deployment FROM calls WHERE at_ns >= ? "
        "AND (call_id IN (SELECT unnest(?::VARCHAR[])) OR request_id IN (SELECT unnest(?::VARCHAR[]))) "
        "AND shadow_of IS NULL ORDER BY at_ns",
        [since_ns, ids, ids],
    ).fetchall()
    known: dict[str, tuple[Any, ...]] = {}
    for call_id, request_id, *rest in rows:
        known[str(request_id)] = known[str(call_id)] = (call_id, *rest)
    return {
        name: call
        for name in named
        if (call := known.get(name) or known.get(name.removeprefix(RESPONSE_PREFIX)))
    }


def _join(connection: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    connection.execute(
        "UPDATE scores SET call_id = found.call_id, trace_id = found.trace_id, span_id = found.span_id, "
        "model = found.model, deployment = found.deployment FROM (SELECT unnest(?::VARCHAR[]) AS score_id, "
        "unnest(?::VARCHAR[]) AS call_id, unnest(?::VARCHAR[]) AS trace_id, unnest(?::VARCHAR[]) AS span_id, "
        "unnest(?::VARCHAR[]) AS model, unnest(?::VARCHAR[]) AS deployment) AS found "
        "WHERE scores.score_id = found.score_id",
        [list(column) for column in zip(*rows, strict=True)],
    )

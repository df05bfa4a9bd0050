"""How many calls had a time at or under a limit, over steps of time: what a latency objective counts.

From the roll-ups' histograms where time allows it, from rows at the edges and where calls are narrowed to a
key or team. The bucket that the limit lies in counts as under it: so the limit is met within 2.5 %.

Refuses to know objectives. Invariant: `good <= total` in every step.
"""

from typing import Any

from pilothouse.analytics.cover import MINUTE_MS, Piece, cover
from pilothouse.analytics.measures import BY
from pilothouse.analytics.tallies import IN_ROWS_ALONE, Asked
from pilothouse.store.buckets import bucket_of
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import Question, Readable
from pilothouse.store.rollups import HISTOGRAM_PLACES, HISTOGRAMS, READ_MARKS, Marks

__all__ = ["QUESTIONS", "below"]

NAME = "below.counts"
MARKS = "below.marks"
QUESTIONS = (NAME, MARKS)
MS = 1_000_000


def below(record: Readable, asked: Asked, histogram: str, limit: float) -> dict[int, tuple[float, float]]:
    """Returns, by number of step, how many values are at or under `limit`, and how many there are.

    Args:
        record: What is asked.
        asked: Which calls; they are not told apart.
        histogram: One of `store.rollups.HISTOGRAMS`.
        limit: In the histogram's unit.
    """
    parameters: dict[str, Any] = {f"only_{name}": wanted for name, wanted in asked.only.items()}
    parameters |= {"limit": limit, "bucket": bucket_of(limit)}
    with record.reader() as reader:
        marks = Marks()
        if IN_ROWS_ALONE.isdisjoint(asked.only):
            rows = reader.rows(Question(MARKS, READ_MARKS, {}))
            marks = Marks(*map(int, rows[0])) if rows else marks
        pieces = cover(asked.start_ms, asked.end_ms, step_ms=asked.step_ms, marks=marks)
        parts = [
            _part(reader.dialect, asked, histogram, piece, number, parameters)
            for number, piece in enumerate(pieces)
        ]
        sql = (
            f"SELECT step, sum(good), sum(whole) FROM ({' UNION ALL '.join(parts)}) AS parts "  # noqa: S608 - our own words
            "GROUP BY step ORDER BY step"
        )
        found = reader.rows(Question(NAME, sql, parameters))
    return {int(step): (float(good or 0), float(whole or 0)) for step, good, whole in found}


def _part(
    dialect: Dialect, asked: Asked, histogram: str, piece: Piece, number: int, parameters: dict[str, Any]
) -> str:
    first, last = f"start_{number}", f"end_{number}"
    only = "".join(f" AND {BY[name]} = $only_{name}" for name in asked.only)
    if piece.source == "rows":
        parameters[first], parameters[last] = piece.start_ms * MS, piece.end_ms * MS
        value, condition = HISTOGRAMS[histogram]
        step = dialect.bucket("at_ns", str(asked.start_ms * MS), str(asked.step_ms * MS))
        return (
            f"SELECT {step} AS step, CASE WHEN ({value}) <= $limit THEN 1 ELSE 0 END AS good, 1 AS whole "  # noqa: S608 - our own words
            f"FROM calls WHERE at_ns >= ${first} AND at_ns < ${last} AND shadow_of IS NULL AND {condition} "
            f"AND ({value}) IS NOT NULL{only}"
        )
    parameters[first], parameters[last] = piece.start_ms // MINUTE_MS, piece.end_ms // MINUTE_MS
    minute = f"CAST(minute AS BIGINT) * {MINUTE_MS}"
    step = dialect.bucket(minute, str(asked.start_ms), str(asked.step_ms))
    return (
        f"SELECT {step} AS step, CASE WHEN bucket <= $bucket THEN count ELSE 0 END AS good, count AS whole "  # noqa: S608 - our own words
        f"FROM value_{piece.source} WHERE minute >= ${first} AND minute < ${last} AND NOT is_shadow "
        f"AND measure = {HISTOGRAM_PLACES[histogram]:d}{only}"
    )

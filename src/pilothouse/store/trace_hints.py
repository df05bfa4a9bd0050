"""When a trace was: narrow rows of a key and a second, so that a look-up reads a slice of the wide ones.

Refuses to know calls from spans. Invariant: a trace with a row on record has a hint for that row's second;
two traces may share a key, so a reader compares the trace's id as well.
"""

from collections.abc import Iterable

import duckdb

from pilothouse.store.bulk import bulk_insert
from pilothouse.store.dialects.reader import Question, Reader
from pilothouse.store.trace_keys import trace_key

__all__ = ["QUESTIONS", "hint_times", "insert_hints"]

COLUMNS = (("trace_key", "UBIGINT"), ("at_s", "UINTEGER"))
NAME = "traces.hints"
QUESTIONS = (NAME,)
GAP_S = 60
"""Seconds closer than this are one stretch."""
MOST_SECONDS = 10_000
LATEST_S = 2**32 - 1


def insert_hints(connection: duckdb.DuckDBPyConnection, traces: Iterable[tuple[str, int]]) -> None:
    """Notes when rows of traces were: each trace's id and the row's second, in the caller's transaction."""
    known = sorted({(trace_key(trace_id), at_s) for trace_id, at_s in traces if 0 <= at_s <= LATEST_S})
    if known:
        bulk_insert(connection, "trace_hints", COLUMNS, list(zip(*known, strict=True)))


def hint_times(reader: Reader, trace_id: str) -> list[tuple[int, int]]:
    """Returns the stretches of time, in Unix seconds with both ends, in which rows of a trace lie."""
    sql = (
        f"SELECT DISTINCT at_s FROM trace_hints WHERE trace_key = $trace_key ORDER BY 1 LIMIT {MOST_SECONDS}"  # noqa: S608 - our own number
    )
    stretches: list[tuple[int, int]] = []
    for (at_s,) in reader.rows(Question(NAME, sql, {"trace_key": trace_key(trace_id)})):
        if stretches and at_s - stretches[-1][1] <= GAP_S:
            stretches[-1] = (stretches[-1][0], int(at_s))
        else:
            stretches.append((int(at_s), int(at_s)))
    return stretches

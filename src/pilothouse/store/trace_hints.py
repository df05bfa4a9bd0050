"""When a trace was: narrow rows of a key and a second, so that a look-up reads a slice of the wide ones.

Refuses to know calls from spans. Invariant: a trace with a row on record has a hint for that row's second;
two traces may share a key, so a reader compares the trace's id as well.
"""

from collections.abc import Iterable

import duckdb

from pilothouse.store.bulk import bulk_insert
from pilothouse.store.trace_keys import trace_key

__all__ = ["insert_hints"]

COLUMNS = (("trace_key", "UBIGINT"), ("at_s", "UINTEGER"))
LATEST_S = 2**32 - 1


def insert_hints(connection: duckdb.DuckDBPyConnection, traces: Iterable[tuple[str, int]]) -> None:
    """Notes when rows of traces were: each trace's id and the row's second, in the caller's transaction."""
    known = sorted({(trace_key(trace_id), at_s) for trace_id, at_s in traces if 0 <= at_s <= LATEST_S})
    if known:
        bulk_insert(connection, "trace_hints", COLUMNS, list(zip(*known, strict=True)))

"""When traces were, by the hints: narrow rows that say in which seconds a trace lies.

Refuses to know what is in a trace. Invariant: all rows of a trace lie in the span of time given for it.
"""

from collections.abc import Sequence
from typing import Any

from pilothouse.store.dialects.reader import Question, Reader
from pilothouse.store.trace_keys import trace_key

__all__ = ["MOST_SECONDS", "QUESTIONS", "seconds_of", "times_of"]

QUESTIONS = ("traces.times",)
S_NS = 10**9
LAST_S = 2**32 - 1
MOST_SECONDS = 10_000


def seconds_of(
    reader: Reader, traces: Sequence[str], *, low_ns: int = 0, high_ns: int | None = None
) -> list[int]:
    """Returns the Unix seconds in which rows of `traces` lie, in order; none when there is no hint.

    Args:
        reader: Who answers.
        traces: Trace ids.
        low_ns: Look no further back.
        high_ns: Nor later; `None` for no bound.
    """
    keys = [trace_key(one) for one in traces]
    given: dict[str, Any] = {
        "key": keys[0] if keys else 0,
        "keys": keys,
        "low": max(0, low_ns) // S_NS,
        "high": LAST_S if high_ns is None else min(high_ns // S_NS, LAST_S),
        "limit": MOST_SECONDS,
    }
    # Of one trace a plain comparison: a list is a join, four times as dear over ten million hints.
    sought = "trace_key = $key" if len(keys) == 1 else reader.dialect.is_one_of("trace_key", "$keys")
    text = (
        f"SELECT DISTINCT at_s FROM trace_hints WHERE at_s >= $low AND at_s <= $high AND {sought} "  # noqa: S608 - our own words
        "ORDER BY at_s LIMIT $limit"
    )
    return [int(row[0]) for row in reader.rows(Question("traces.times", text, given))]


def times_of(
    reader: Reader, traces: Sequence[str], *, low_ns: int = 0, high_ns: int | None = None
) -> tuple[int, int] | None:
    """Returns a span of time that holds all rows of `traces`; `None` when there is no hint of any."""
    seconds = seconds_of(reader, traces, low_ns=low_ns, high_ns=high_ns)
    return (seconds[0] * S_NS, (seconds[-1] + 1) * S_NS) if seconds else None

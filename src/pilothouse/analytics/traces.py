"""The list of traces and the histogram above it, by one filter.

Refuses to know who asks. Invariant: the same filter finds the same rows in both; what a search of words has
not looked at yet is said, never left out in silence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pilothouse.analytics.filters.fields import CALL_ERROR
from pilothouse.analytics.filters.parser import parse_filter
from pilothouse.analytics.filters.sql import NEVER, Conditions
from pilothouse.analytics.filters.tree import Node
from pilothouse.analytics.search import TextSearch, check_patterns, is_about_content
from pilothouse.analytics.trace_matches import TABLES, Search, Words, find_traces, newest, read_cursor
from pilothouse.analytics.trace_rows import TraceRow, rows_of
from pilothouse.store.dialects.reader import Question, Readable
from pilothouse.store.search_index import SearchIndex
from pilothouse.telemetry.keyring import Keyring

__all__ = ["Asker", "Histogram", "Shown", "TraceList", "histogram", "list_traces"]

MOST_LISTED = 200
MOST_STEPS = 240
MOST_COUNTED = 2000
"""Traces that a histogram of a search of words has at most."""
DAY_MS = 86_400_000
NS = 1_000_000
S_NS = 10**9
SPAN_ERROR = "(status = 'error')"


@dataclass(frozen=True, slots=True)
class Shown:
    """How the record was asked."""

    name: str
    sql: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TraceList:
    """Traces, newest first."""

    data: list[TraceRow]
    next_before: str | None
    """Give it as `before` for the next page, or to search on; `None` when this was the last."""
    searched_until_ms: int | None
    """How far back words were looked for when the time was up; `None` when the page is whole."""
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Rows (calls and spans) that pass the filter, by time; of a search of words, traces."""

    start_ms: int
    step_ms: int
    ok: list[int]
    errors: list[int]
    searched_until_ms: int | None
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class Asker:
    """What a question needs besides the filter."""

    record: Readable
    keyring: Keyring
    key_names: Mapping[str, str]
    now_ms: int
    is_over: Callable[[], bool]
    """Says whether the time for a search of words is up."""
    index: SearchIndex | None = None
    lock: Lock = field(default_factory=Lock)
    """The keyring is for one thread at a time."""

    def words(self, node: Node | None) -> Words | None:
        """Returns what a search of words needs, `None` for a filter that is about none."""
        if node is None or not is_about_content(node):
            return None
        days = self.record.days()
        first = datetime.fromisoformat(days[0]).replace(tzinfo=UTC) if days else None
        oldest_ns = int(first.timestamp()) * S_NS if first is not None else self.now_ms * NS
        return Words(TextSearch(node, self.keyring, self.lock), self.index, self.is_over, oldest_ns)


def list_traces(
    asker: Asker,
    *,
    text: str = "",
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int = 50,
    before: str | None = None,
) -> TraceList:
    """Returns traces of which a call or span passes the filter, newest first.

    Raises:
        FilterError: the filter cannot be understood.
    """
    node = _parsed(text)
    to_ns = (to_ms if to_ms is not None else asker.now_ms + DAY_MS) * NS
    asked = Search(node, (from_ms or 0) * NS, to_ns, max(1, min(limit, MOST_LISTED)), read_cursor(before))
    with asker.record.reader() as reader:
        found = find_traces(
            reader, asked, key_names=asker.key_names, now_ms=asker.now_ms, words=asker.words(node)
        )
        rows = rows_of(reader, found.hits, asker.key_names)
    return TraceList(
        rows,
        found.next_cursor.text() if found.next_cursor is not None else None,
        None if found.searched_until_ns is None else found.searched_until_ns // NS,
        _shown(found.question),
    )


def histogram(
    asker: Asker, *, text: str = "", from_ms: int | None = None, to_ms: int | None = None, points: int = 60
) -> Histogram:
    """Returns how many rows pass the filter at each step of time; a day up to the newest row by default.

    Raises:
        FilterError: the filter cannot be understood.
    """
    node = _parsed(text)
    with asker.record.reader() as reader:
        if to_ms is None:
            to_ms = min(newest(reader) // NS, asker.now_ms) + 1
        from_ms = min(to_ms - 1, from_ms if from_ms is not None else to_ms - DAY_MS)
        points = max(1, min(points, MOST_STEPS, to_ms - from_ms))
        step_ms = -(-(to_ms - from_ms) // points)
        empty = Histogram(from_ms, step_ms, [0] * points, [0] * points, None, None)
        words = asker.words(node)
        if words is not None:
            asked = Search(node, from_ms * NS, to_ms * NS, MOST_COUNTED)
            found = find_traces(reader, asked, key_names=asker.key_names, now_ms=asker.now_ms, words=words)
            rows = rows_of(reader, found.hits, asker.key_names)
            for row in rows:
                at = min(points - 1, max(0, (row.sorted_at_ms - from_ms) // step_ms))
                (empty.errors if row.errors else empty.ok)[at] += 1
            until = None if found.searched_until_ns is None else found.searched_until_ns // NS
            return Histogram(from_ms, step_ms, empty.ok, empty.errors, until, _shown(found.question))
        conditions = Conditions(reader.dialect, asker.key_names, asker.now_ms)
        bucket = reader.dialect.bucket("at_ns", "$low", "$step")
        parts = [
            f"SELECT {bucket} AS step, {error} AS is_error FROM {table} "  # noqa: S608 - our own words
            f"WHERE at_ns >= $low AND at_ns < $high AND {where}"
            for table, error in zip(TABLES, (CALL_ERROR, SPAN_ERROR), strict=True)
            if (where := conditions.where(node, table)) != NEVER
        ]
        if not parts:
            return empty
        text = (
            f"SELECT step, count(*), {reader.dialect.count_if('is_error')} "  # noqa: S608 - our own words
            f"FROM ({' UNION ALL '.join(parts)}) AS matches GROUP BY step"
        )
        given = {"low": from_ms * NS, "high": to_ms * NS, "step": step_ms * NS}
        question = Question("traces.histogram", text, conditions.parameters | given)
        for step, count, errors in reader.rows(question):
            empty.ok[int(step)] = int(count) - int(errors)
            empty.errors[int(step)] = int(errors)
    return Histogram(from_ms, step_ms, empty.ok, empty.errors, None, _shown(question))


def _parsed(text: str) -> Node | None:
    node = parse_filter(text)
    check_patterns(node)
    return node


def _shown(question: Question | None) -> Shown | None:
    return None if question is None else Shown(question.name, question.sql, question.given())

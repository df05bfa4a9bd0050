"""Which traces a filter finds, newest first: a walk back through time that ends when there are enough.

A trace is found when one of its rows (a call of the gateway, or a span that an application sent) passes the
whole filter; its place in the list is that of the newest row that does. The walk goes back in steps that
grow, so its cost follows what is shown and not what is on record.

Refuses to know what is shown of a trace. Invariant: pages follow each other by (time, id) without a gap, and
a trace is on one of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.analytics.filters.sql import NEVER, Conditions, Table, is_content
from pilothouse.analytics.filters.tree import And, Compare, Node, leaves
from pilothouse.analytics.record_contents import Sealed, read_sealed
from pilothouse.analytics.search import TextSearch, evaluate, required_words, requires_content
from pilothouse.analytics.trace_times import times_of
from pilothouse.store.analytics import DAY_NS, day_of
from pilothouse.store.dialects.reader import Question, Reader
from pilothouse.store.search_index import Narrowed, SearchIndex

__all__ = [
    "QUESTIONS",
    "TRACE_OF",
    "Cursor",
    "Found",
    "Hit",
    "Search",
    "Words",
    "find_traces",
    "newest",
    "oldest",
    "read_cursor",
    "required_trace",
    "steps",
]

QUESTIONS = (
    "traces.newest", "traces.matches", "traces.matches_again", "traces.rows_with_content", "traces.histogram",
)  # fmt: skip
S_NS = 10**9
STEPS_NS = tuple(s * S_NS for s in (10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400))
LONGEST_TRACE_NS = 3600 * S_NS
"""How far apart rows of one trace may be for it to be on one page only."""
BATCH = 256
"""Rows whose words are opened at once."""
TRACE_OF = {"calls": "coalesce(trace_id, call_id)", "spans": "trace_id"}
ROW_OF = {"calls": "call_id", "spans": "trace_id || span_id"}
TABLES: tuple[Table, ...] = ("calls", "spans")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: everything on it is before this."""

    at_ns: int
    trace: str = ""

    def text(self) -> str:
        """Returns it for an address."""
        return f"{self.at_ns}-{self.trace}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A trace and the time of its newest row that passes."""

    trace: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for."""

    node: Node | None
    from_ns: int
    to_ns: int
    limit: int
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Traces, newest first."""

    hits: list[Hit]
    next_cursor: Cursor | None
    searched_until_ns: int | None = None
    """How far back was looked when the time was up; `None` when the page is whole."""
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What a search of words needs."""

    text: TextSearch
    index: SearchIndex | None
    is_over: Callable[[], bool]
    """Says whether the time for it is up."""
    oldest_ns: int = 0
    """There are no words from before."""


def read_cursor(text: str | None) -> Cursor | None:
    """Returns the place that `text` says, `None` when it says none."""
    at, _, trace = (text or "").partition("-")
    return Cursor(int(at), trace) if at.isdigit() and len(at) <= 19 else None  # noqa: PLR2004 - 64 bits


def find_traces(
    reader: Reader, asked: Search, *, key_names: Mapping[str, str], now_ms: int, words: Words | None = None
) -> Found:
    """Returns the traces that pass, newest first.

    Args:
        reader: Who answers.
        asked: What is looked for.
        key_names: The name of each key, by id.
        now_ms: The time, in Unix milliseconds.
        words: For a filter about what was said.
    """
    to_ns = asked.to_ns if asked.cursor is None else min(asked.to_ns, asked.cursor.at_ns + 1)
    newest_ns = min(to_ns, newest(reader) + 1)
    oldest_ns = max(asked.from_ns, oldest(reader))
    if words is not None and requires_content(asked.node):
        oldest_ns = max(oldest_ns, words.oldest_ns)
    trace = required_trace(asked.node)
    if trace is not None and (times := times_of(reader, [trace])) is not None:
        oldest_ns, newest_ns = max(oldest_ns, times[0]), min(newest_ns, times[1])
    walk = _Walk(reader, asked, key_names, now_ms)
    reached: int | None = None
    for low, high in steps(newest_ns, oldest_ns, is_daily=words is not None):
        if words is None:
            walk.step(low, high)
        else:
            reached = walk.step_in_words(low, high, words)
        if walk.is_full or reached is not None:
            break
    return walk.found(reached)


def required_trace(node: Node | None) -> str | None:
    """Returns the one trace that a filter asks for, if it asks for one."""
    for part in node.parts if isinstance(node, And) else (node,):
        if isinstance(part, Compare) and part.field == "trace" and part.operator == "=":
            return str(part.value)
    return None


def steps(newest_ns: int, oldest_ns: int, *, is_daily: bool = False) -> Iterator[tuple[int, int]]:
    """Yields spans of time, newest first, each longer than the one before; none crosses a day if daily."""
    high = newest_ns
    for step_ns in (*STEPS_NS, newest_ns):
        low = max(oldest_ns, newest_ns - step_ns, 0)
        while high > low:
            start = max(low, (high - 1) // DAY_NS * DAY_NS) if is_daily else low
            yield start, high
            high = start


def newest(reader: Reader) -> int:
    """Returns when the newest call or span began, 0 if there is none."""
    return max(_ends(reader, "max"), default=0)


def oldest(reader: Reader) -> int:
    """Returns when the oldest call or span began, 0 if there is none."""
    return min(_ends(reader, "min"), default=0)


def _ends(reader: Reader, end: str) -> list[int]:
    """Returns the first or last time of each table that has any."""
    times = [
        reader.rows(Question("traces.newest", f"SELECT {end}(at_ns) FROM {table}", {}))[0][0]  # noqa: S608 - our own
        for table in TABLES
    ]
    return [int(at) for at in times if at]


class _Walk:
    """Gathers the traces of one page."""

    def __init__(self, reader: Reader, asked: Search, key_names: Mapping[str, str], now_ms: int) -> None:
        self._reader = reader
        self._asked = asked
        self._conditions = Conditions(reader.dialect, key_names, now_ms)
        self._where = {table: self._conditions.where(asked.node, table) for table in TABLES}
        every = dict.fromkeys(leaves(asked.node)) if asked.node is not None else {}
        self._leaves = [leaf for leaf in every if not is_content(leaf)]
        self._seen: dict[str, int] = {}
        self._question: Question | None = None

    @property
    def is_full(self) -> bool:
        return len(self._seen) > self._asked.limit

    def step(self, low: int, high: int) -> None:
        """Looks at one span of time."""
        rows = self._matches("traces.matches", {"low": low, "high": high, "limit": 2 * self._asked.limit + 2})
        self._add([(str(row[0]), int(row[1])) for row in rows])

    def step_in_words(self, low: int, high: int, words: Words) -> int | None:
        """Looks at one span of time and at what was said; returns where it stopped when the time was up."""
        while low < high and not self.is_full:
            # Held for one batch only: whoever writes content waits meanwhile.
            with self._reader.content(day_of(low)) as schema:
                narrowed = None
                if schema is not None and words.index is not None:
                    narrowed = words.index.narrow(self._reader, schema, required_words(self._asked.node))
                rows = self._rows(low, high, narrowed)
                sealed = read_sealed(self._reader, [(str(row[2]), int(row[1])) for row in self._fresh(rows)])
            self._compare(self._fresh(rows), sealed, words.text)
            high = _below(rows) if len(rows) == BATCH else low
            if words.is_over():
                return high
        return None

    def found(self, reached: int | None) -> Found:
        """Returns the page."""
        limit = self._asked.limit
        ordered = sorted(((at, trace) for trace, at in self._seen.items()), reverse=True)[:limit]
        hits = [Hit(trace, at) for at, trace in ordered]
        if len(self._seen) > limit:
            return Found(hits, Cursor(hits[-1].at_ns, hits[-1].trace), None, self._question)
        return Found(hits, Cursor(reached) if reached is not None else None, reached, self._question)

    def _matches(self, name: str, given: dict[str, Any], more: str = "") -> list[tuple[Any, ...]]:
        parts = [
            f"SELECT {TRACE_OF[table]} AS trace, at_ns FROM {table} "  # noqa: S608 - our own words
            f"WHERE at_ns >= $low AND at_ns < $high AND {self._where[table]}"
            for table in TABLES
            if self._where[table] != NEVER
        ]
        if not parts:
            return []
        text = (
            f"SELECT trace, max(at_ns) AS newest_ns FROM ({' UNION ALL '.join(parts)}) AS matches "  # noqa: S608 - our own words
            f"{more}GROUP BY trace ORDER BY newest_ns DESC, trace DESC LIMIT $limit"
        )
        question = Question(name, text, self._conditions.parameters | given)
        self._question = self._question or question
        return self._reader.rows(question)

    def _add(self, rows: Sequence[tuple[str, int]]) -> None:
        cursor = self._asked.cursor
        fresh = {
            trace: at
            for trace, at in rows
            if trace not in self._seen and (cursor is None or (at, trace) < (cursor.at_ns, cursor.trace))
        }
        if cursor is not None and fresh and cursor.trace:
            for trace in self._shown_before(cursor, list(fresh)):
                fresh.pop(trace, None)
        self._seen |= fresh

    def _shown_before(self, cursor: Cursor, traces: list[str]) -> Iterator[str]:
        """Yields those of `traces` that pass with a row after the cursor too: a page before has them."""
        high = cursor.at_ns + LONGEST_TRACE_NS
        times = times_of(self._reader, traces, low_ns=cursor.at_ns, high_ns=high)
        if times is None:
            return
        given = {"low": cursor.at_ns, "high": min(high, times[1]), "traces": traces, "limit": len(traces)}
        chosen = f"WHERE {self._reader.dialect.is_one_of('trace', '$traces')} "
        for trace, at in self._matches("traces.matches_again", given, chosen):
            if (int(at), str(trace)) >= (cursor.at_ns, cursor.trace):
                yield str(trace)

    def _rows(self, low: int, high: int, narrowed: Narrowed | None) -> list[tuple[Any, ...]]:
        parts = []
        given: dict[str, Any] = {"low": low, "high": high, "limit": BATCH}
        # Where words are asked for in any case, a row without any cannot pass.
        only = " AND has_content" if requires_content(self._asked.node) else ""
        if narrowed is not None:
            only += f" AND {narrowed.condition}"
            given |= narrowed.parameters
        for table in TABLES:
            if self._where[table] == NEVER:
                continue
            columns = [f"{TRACE_OF[table]} AS trace", "at_ns", f"{ROW_OF[table]} AS row_id"]
            columns += [
                f"{self._conditions.flag(leaf, table)} AS is_{at}" for at, leaf in enumerate(self._leaves)
            ]
            parts.append(
                f"SELECT {', '.join(columns)} FROM {table} WHERE at_ns >= $low AND at_ns < $high "  # noqa: S608 - our own words
                f"AND {self._where[table]}{only}"
            )
        if not parts:
            return []
        text = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS matches ORDER BY at_ns DESC LIMIT $limit"  # noqa: S608 - our own words
        question = Question("traces.rows_with_content", text, self._conditions.parameters | given)
        self._question = self._question or question
        return self._reader.rows(question)

    def _fresh(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [row for row in rows if str(row[0]) not in self._seen]

    def _compare(
        self, rows: list[tuple[Any, ...]], sealed: Mapping[str, list[Sealed]], search: TextSearch
    ) -> None:
        node = self._asked.node
        if not rows or node is None:
            return
        outcomes = search.outcomes([(str(row[2]), sealed.get(str(row[2]), ())) for row in rows])
        found: dict[str, int] = {}
        for row, outcome in zip(rows, outcomes, strict=True):
            known = outcome | {leaf: bool(value) for leaf, value in zip(self._leaves, row[3:], strict=True)}
            if evaluate(node, known):
                found.setdefault(str(row[0]), int(row[1]))
        self._add(list(found.items()))


def _below(rows: Sequence[tuple[Any, ...]]) -> int:
    """Returns where to go on below a whole batch: at its last time again, unless it is all of one time."""
    first, last = int(rows[0][1]), int(rows[-1][1])
    return last + 1 if last < first else last

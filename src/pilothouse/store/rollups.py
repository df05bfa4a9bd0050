"""Roll-ups: what calls add up to in each whole minute and hour, as sums and histograms.

A minute is rolled up a minute after it ended, from the rows themselves; a call that gets on record later
than that (a long one, counted by its beginning) is added in the transaction that brings its row. What is not
rolled up yet is read from the rows, so that no answer waits for a roll-up.

Refuses to know who asks, and how events become rows. Invariant: a sum over the roll-ups before the marks and
over the rows after them is the sum over all rows.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from pilothouse.contracts.events import RequestCompleted
from pilothouse.store.buckets import bucket_sql
from pilothouse.store.call_classes import (
    CLIENT_ERROR,
    GUARDRAIL_BLOCK,
    MEASURED,
    OUR_ERROR,
    PROVIDER_ERROR,
    UNPRICED,
    UPSTREAM,
)

__all__ = [
    "COUNTERS",
    "DIMENSIONS",
    "HISTOGRAMS",
    "HISTOGRAM_PLACES",
    "HOUR",
    "MINUTE_NS",
    "Marks",
    "RollUps",
    "read_marks",
    "values_sql",
]

log = logging.getLogger(__name__)

MINUTE_NS = 60 * 10**9
HOUR = 60
"""Minutes."""
DAY = 24 * HOUR
SETTLED_MINUTES = 1
"""A minute is rolled up so long after its end."""
MINUTES_KEPT = 3 * DAY
"""Of older times, hours are kept."""
MOST_AT_ONCE = 250_000
"""Calls rolled up in one step, so that intake is not held up."""

DIMENSIONS = ("operation", "model", "provider", "deployment", "key_id", "team")
"""What sums can be told apart by."""
PLACES = ("operation", "model", "provider", "deployment")
"""What histograms can be told apart by: keys times buckets would be as many rows as there are calls."""
FLAGS = {"is_shadow": "shadow_of IS NOT NULL", "is_cached": "cache IS NOT NULL"}


def _ones(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


COUNTERS: dict[str, str] = {
    "calls": "1",
    "server_errors": _ones(OUR_ERROR),
    "provider_errors": _ones(PROVIDER_ERROR),
    "client_errors": _ones(CLIENT_ERROR),
    "guardrail_blocks": _ones(GUARDRAIL_BLOCK),
    "cut": _ones("outcome = 'cut'"),
    "streams": _ones("is_stream"),
    "cached": _ones(f"NOT {UPSTREAM}"),
    "input_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(input_tokens, 0) ELSE 0 END",
    "output_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(output_tokens, 0) ELSE 0 END",
    "cached_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(cached_tokens, 0) ELSE 0 END",
    "cost_usd": "cost_usd",
    "unpriced": _ones(UNPRICED),
    "saved_usd": "saved_usd",
}
"""Each sum, and a call's share of it. Of money, NULL where no price is known."""

HISTOGRAMS: dict[str, tuple[str, str]] = {
    "latency": ("duration_ms", MEASURED),
    "first_token": ("first_token_ms", f"{MEASURED} AND is_stream"),
    "token_time": (
        "(last_token_ms - first_token_ms) / (output_tokens - 1)",
        f"{MEASURED} AND is_stream AND output_tokens > 1 AND last_token_ms >= first_token_ms",
    ),
    "queue": ("queue_ms", MEASURED),
    "logprob_mean": ("logprob_mean", MEASURED),
    "logprob_min": ("logprob_min", MEASURED),
    "logprob_entropy": ("logprob_entropy", MEASURED),
}
"""Each histogram: the value of a call, in milliseconds or nats, and which calls have one. New ones go
last: the tables hold their places in this list."""

HISTOGRAM_PLACES = {name: place for place, name in enumerate(HISTOGRAMS)}


@dataclass(frozen=True, slots=True)
class Marks:
    """How far calls are rolled up, in minutes since 1970; all 0 before the first."""

    minutes_from: int = 0
    """Minutes before it are dropped again …"""
    minutes_until: int = 0
    """… and those from here on are not made yet."""
    hours_until: int = 0
    """Hours from here on are not made yet."""


READ_MARKS = "SELECT minutes_from, minutes_until, hours_until FROM rollups"


def read_marks(connection: duckdb.DuckDBPyConnection) -> Marks:
    """Returns how far calls are rolled up."""
    row = connection.execute(READ_MARKS).fetchone()
    return Marks(*map(int, row)) if row else Marks()


class RollUps:
    """Keeps the roll-ups whole; used by the one who writes rows, between and within his transactions."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Reads how far they are."""
        self._connection = connection
        self._marks = read_marks(connection)

    def add_late(self, calls: Sequence[RequestCompleted]) -> None:
        """Adds rows that are in `calls` since this transaction to minutes that are rolled up already."""
        before_ns = self._marks.minutes_until * MINUTE_NS
        late = [call for call in calls if call.at_ns < before_ns]
        if not late:
            return
        where = "at_ns BETWEEN $first AND $last AND call_id IN (SELECT unnest($late::VARCHAR[]))"
        times = [call.at_ns for call in late]
        self._roll(
            where,
            {"first": min(times), "last": max(times), "late": [call.call_id for call in late]},
            "minutes",
        )
        hours_ns = self._marks.hours_until * MINUTE_NS
        late = [call for call in late if call.at_ns < hours_ns]
        if late:
            given = {"first": min(times), "last": hours_ns - 1, "late": [call.call_id for call in late]}
            self._roll(where, given, "hours")

    def advance(self, now_ms: int) -> bool:
        """Rolls up a part of what has settled by now, in its own transaction; returns whether there is more.

        Call it when all that was written before is on record.
        """
        until = now_ms * 1_000_000 // MINUTE_NS - SETTLED_MINUTES
        marks = self._marks
        if until <= marks.minutes_until:
            return False
        start = marks.minutes_until or self._first_minute(until)
        end = self._end_of_step(start, until)
        self._connection.execute("BEGIN")
        try:
            bounds = {"first": start * MINUTE_NS, "last": end * MINUTE_NS}
            self._roll("at_ns >= $first AND at_ns < $last", bounds, "minutes")
            marks = self._note(
                self._joined(Marks(marks.minutes_from, end, marks.hours_until or _hour(start)))
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._marks = marks
        return end < until

    def _first_minute(self, until: int) -> int:
        """Returns where to begin on a record that has calls from before there were roll-ups."""
        row = self._connection.execute("SELECT min(at_ns) FROM calls").fetchone()
        return until - 1 if not row or row[0] is None else min(until - 1, int(row[0]) // MINUTE_NS)

    def _end_of_step(self, start: int, until: int) -> int:
        """Returns how far to roll up at once: a day of old calls, or less where there are many."""
        end = min(until, _hour(start) + DAY)
        while end - start > 1 and self._count(start, end) > MOST_AT_ONCE:
            end = start + (end - start) // 2
        if end < until and not self._count(start, end):  # nothing for a day: go on where there is something
            row = self._connection.execute(
                "SELECT min(at_ns) FROM calls WHERE at_ns >= ? AND at_ns < ?",
                [end * MINUTE_NS, until * MINUTE_NS],
            ).fetchone()
            end = until if not row or row[0] is None else int(row[0]) // MINUTE_NS
        return end

    def _count(self, start: int, end: int) -> int:
        row = self._connection.execute(
            "SELECT count(*) FROM calls WHERE at_ns >= ? AND at_ns < ?", [start * MINUTE_NS, end * MINUTE_NS]
        ).fetchone()
        return int(row[0]) if row else 0

    def _joined(self, marks: Marks) -> Marks:
        """Makes hours of the minutes that are whole now, and drops minutes that are old."""
        hours_until = _hour(marks.minutes_until)
        if hours_until > marks.hours_until:
            bounds = [marks.hours_until, hours_until]
            for table, columns in _TABLES.items():
                names, totals = columns
                self._connection.execute(
                    f"INSERT INTO {table}_hours SELECT minute - minute % {HOUR}, {names}, {totals} "  # noqa: S608 - our own words
                    f"FROM {table}_minutes WHERE minute >= ? AND minute < ? "
                    f"GROUP BY minute - minute % {HOUR}, {names}",
                    bounds,
                )
        minutes_from = marks.minutes_from
        oldest = _hour(marks.minutes_until - MINUTES_KEPT)
        if oldest > minutes_from:
            minutes_from = oldest
            for table in _TABLES:
                self._connection.execute(f"DELETE FROM {table}_minutes WHERE minute < ?", [oldest])  # noqa: S608 - as above
        return Marks(minutes_from, marks.minutes_until, hours_until)

    def _note(self, marks: Marks) -> Marks:
        self._connection.execute("DELETE FROM rollups")
        self._connection.execute(
            "INSERT INTO rollups VALUES (?, ?, ?)",
            [marks.minutes_from, marks.minutes_until, marks.hours_until],
        )
        return marks

    def _roll(self, where: str, parameters: Mapping[str, object], into: str) -> None:
        minute = f"CAST(at_ns // {MINUTE_NS} AS INTEGER)"
        if into == "hours":
            minute = f"({minute} - {minute} % {HOUR})"
        flags = ", ".join(FLAGS.values())
        sums = ", ".join(f"sum({share})" for share in COUNTERS.values())
        named = ", ".join(DIMENSIONS)
        self._connection.execute(
            f"INSERT INTO call_{into} SELECT {minute}, {named}, {flags}, {sums} FROM calls "  # noqa: S608 - our own words
            f"WHERE {where} GROUP BY {minute}, {named}, {flags}",
            parameters,
        )
        places = ", ".join(PLACES)
        flags = ", ".join(f"{condition} AS {name}" for name, condition in FLAGS.items())
        each = f"SELECT {minute} AS minute, {places}, {flags}, {values_sql(HISTOGRAMS)} WHERE {where}"
        told = f"minute, measure, {places}, {', '.join(FLAGS)}"
        self._connection.execute(
            f"INSERT INTO value_{into} SELECT {told}, {bucket_sql('value')} AS bucket, count(*), sum(value) "  # noqa: S608 - as above
            f"FROM ({each}) AS each_value WHERE value IS NOT NULL GROUP BY {told}, bucket",
            parameters,
        )


def values_sql(histograms: Iterable[str]) -> str:
    """Returns the columns `measure` and `value`, NULL where a call has none, and where they come from."""
    named = tuple(histograms)
    listed = " UNION ALL ".join(f"SELECT {HISTOGRAM_PLACES[name]} AS measure" for name in named)
    cases = " ".join(
        f"WHEN {HISTOGRAM_PLACES[name]} THEN CASE WHEN {HISTOGRAMS[name][1]} THEN {HISTOGRAMS[name][0]} END"
        for name in named
    )
    return (
        f"measure, CAST(CASE measure {cases} END AS DOUBLE) AS value "
        f"FROM calls CROSS JOIN ({listed}) AS measures"
    )


_TABLES = {
    "call": (
        ", ".join((*DIMENSIONS, *FLAGS)),
        ", ".join(f"sum({name})" for name in COUNTERS),
    ),
    "value": (", ".join(("measure", *PLACES, *FLAGS, "bucket")), "sum(count), sum(total)"),
}
"""Each pair of tables: what a row is told apart by, and what is added up."""


def _hour(minute: int) -> int:
    return minute - minute % HOUR

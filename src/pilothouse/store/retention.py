"""Keeps nothing longer than it may be: content by the day, rows by their class, journal by the segment.

A segment goes when all of it is projected and its newest event is older than content may be kept: its
metadata lives on in the analytics. When the journal is near its quota, projected segments go before that,
oldest first, so that only what nobody has read yet can stop intake.

Where days are archived, rows stay until theirs is, and content too while it may be kept at all.

Refuses to know legal holds and single persons. Invariant: what is not projected is never deleted.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.cold import ColdDays
from pilothouse.store.projector import Projector
from pilothouse.store.rollups import MINUTE_NS
from pilothouse.telemetry.frames import started_ms_of
from pilothouse.telemetry.segments import folder_bytes
from pilothouse.telemetry.settings import JournalSettings

__all__ = ["Dropped", "Retention"]

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
QUOTA_SHARE = 0.75
"""The journal is brought down to this share of its quota, so that two new segments always fit."""
TABLES = {
    "spans": ("spans", "at_ns", 1),
    "scores": ("scores", "at_ns", 1),
    "metric_points": ("metric_points", "at_ns", 1),
    "log_records": ("logs", "at_ns", 1),
    "trace_hints": ("hints", "at_s", 10**9),
    "call_hours": ("roll_ups", "minute", MINUTE_NS),
    "value_hours": ("roll_ups", "minute", MINUTE_NS),
}
"""Each further table: its class, its column of time, and how many nanoseconds one of that is."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What one tick deleted."""

    days: int = 0
    segments: int = 0
    calls: int = 0
    rows: int = 0
    """Of the other tables: spans, scores, numbers and log records sent, hints, roll-ups."""


class Retention:
    """Applies the journal's retention settings to the journal in `folder` and to `analytics`."""

    def __init__(
        self, folder: str, analytics: Analytics, projector: Projector, settings: JournalSettings
    ) -> None:
        """Takes what it deletes from."""
        self._folder = folder
        self._analytics = analytics
        self._projector = projector
        self._settings = settings
        self._cold = ColdDays(analytics, settings)

    def tick(self, now_ms: int) -> Dropped:
        """Deletes what is past its time; idempotent. Every minute or so is often enough."""
        content_before_ms = now_ms - self._settings.content_retention_days * DAY_MS
        kept = self._analytics.settings.embedded_days(
            metadata_days=self._settings.metadata_retention_days,
            content_days=self._settings.content_retention_days,
        )
        before_ns = {name: (now_ms - days * DAY_MS) * 1_000_000 for name, days in kept.items()}
        before_ns["hints"] = min(before_ns["metadata"], before_ns["spans"])
        dropped = Dropped(
            days=self._drop_days(day_of(before_ns["content"]), now_ms),
            segments=self._drop_segments(content_before_ms),
            calls=self._drop_calls(before_ns["metadata"]),
            rows=self._drop_rows(before_ns),
        )
        if dropped != Dropped():
            log.info(
                "retention has deleted",
                extra={
                    "days": dropped.days,
                    "segments": dropped.segments,
                    "calls": dropped.calls,
                    "rows": dropped.rows,
                },
            )
        return dropped

    def _drop_days(self, oldest_kept: str, now_ms: int) -> int:
        past = [day for day in self._analytics.days() if day < oldest_kept]
        return sum(self._analytics.drop_day(day) for day in past if not self._cold.wants_content(day, now_ms))

    def _drop_segments(self, before_ms: int) -> int:
        done = sorted(name for name, progress in self._projector.positions.items() if progress.is_done)
        newest = self._projector.positions
        dropped = 0
        for name in done:
            newest_ms = max(newest[name].last_at_ns // 1_000_000, started_ms_of(name))
            is_old = newest_ms < before_ms
            if not is_old and not self._is_near_quota():
                continue
            Path(f"{self._folder}/{name}").unlink(missing_ok=True)
            self._projector.forget(name)
            dropped += 1
        return dropped

    def _is_near_quota(self) -> bool:
        try:
            return folder_bytes(self._folder) > self._settings.quota_bytes * QUOTA_SHARE
        except FileNotFoundError:
            return False

    def _drop_calls(self, before_ns: int) -> int:
        count = self._delete("calls", "at_ns", before_ns)
        if count:
            self._analytics.checkpoint()
        return count

    def _drop_rows(self, before_ns: dict[str, int]) -> int:
        return sum(
            self._delete(table, column, before_ns[kept] // unit_ns)
            for table, (kept, column, unit_ns) in TABLES.items()
        )

    def _delete(self, table: str, column: str, before: int) -> int:
        """Deletes the rows of a table that are before a time, but for what is to be archived first.

        Returns:
            How many they were.
        """
        cursor = self._analytics.cursor()
        try:
            before = self._cold.held_from(cursor, table, before)
            found = cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} < ?", [before]).fetchone()  # noqa: S608 - our own names
            count = int(found[0]) if found else 0
            if count:
                cursor.execute(f"DELETE FROM {table} WHERE {column} < ?", [before])  # noqa: S608 - as above
        finally:
            cursor.close()
        return count

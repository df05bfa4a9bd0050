"""Folds the journal's segments into the analytics tables: each event once, whoever dies when.

Content goes first, to its day's file, with that file's own segment offsets in the same transaction; then the
rows, with theirs. After a crash between the two, content already there is known by its file's offset and is
not added again. A stream without an end becomes a call with outcome `cut` once its process is dead and all
its segments are read.

Refuses to know what rows are for. Invariant: `tick` may be called at any time, killed at any
point, and meet a full disk: what it could not commit, it does again.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import duckdb
import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import RequestCompleted, RequestStarted
from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.batch import Batch, ContentRow, OpenCall, Progress
from pilothouse.store.bulk import bulk_insert
from pilothouse.store.rollups import RollUps
from pilothouse.store.rows import insert_calls
from pilothouse.store.scores import insert_feedback
from pilothouse.store.trace_hints import insert_hints
from pilothouse.telemetry.frames import run_of
from pilothouse.telemetry.segments import (
    Chunk,
    first_offset,
    is_running,
    list_segments,
    read_chunk,
    remove_lock,
    trim,
)

__all__ = ["Projector", "Tick"]

log = logging.getLogger(__name__)

MOST_BATCH_BYTES = 16 * 1024 * 1024
MOST_TICK_EVENTS = 50_000
"""A tick comes back after about so many events, so that its caller can do other things between."""

CONTENT_COLUMNS = (
    ("call_id", "VARCHAR"),
    ("at_ns", "BIGINT"),
    ("subject", "VARCHAR"),
    ("part", "UTINYINT"),
    ("sealed", "BLOB"),
)
OPEN_COLUMNS = (("call_id", "VARCHAR"), ("run", "VARCHAR"), ("event", "BLOB"), ("has_content", "BOOLEAN"))
_encode = msgspec.msgpack.Encoder().encode
_decode_started = msgspec.msgpack.Decoder(RequestStarted).decode


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did."""

    calls: list[RequestCompleted]
    """The calls that are on record since this tick, in the order of the journal."""
    events: int
    lag_ms: float
    """Age of the oldest event this tick found, when it began; 0 when there was none."""
    has_more: bool
    """Whether the journal holds more already: tick again at once."""


@dataclass(slots=True)
class _Source:
    """A segment that may hold more."""

    name: str
    run: str
    is_last: bool
    """Nobody writes it any more."""


class Projector:
    """Folds the segments in `folder` into `analytics`."""

    def __init__(self, folder: str, analytics: Analytics, *, content_retention_days: int) -> None:
        """Reads how far an earlier projector came."""
        self._folder = folder
        self._analytics = analytics
        self._retention_ms = content_retention_days * 86_400_000
        self._content_positions: dict[str, dict[str, int]] = {}
        self._dead: set[str] = set()
        self._guard = Lock()
        self._is_broken = False
        self._feedback_total = 0
        self._load()

    @property
    def positions(self) -> dict[str, Progress]:
        """How far each segment is folded in, by its name."""
        return self._positions

    @property
    def events_total(self) -> int:
        """Events folded in from the segments still known."""
        return sum(progress.events for progress in self._positions.values())

    @property
    def damages_total(self) -> int:
        """Damaged frames met in the segments still known."""
        return sum(progress.damages for progress in self._positions.values())

    @property
    def feedback_total(self) -> int:
        """Items of feedback folded in since this process started."""
        return self._feedback_total

    @property
    def open_calls(self) -> int:
        """Streams that have started and not ended."""
        return len(self._open)

    def tick(self, now_ms: int) -> Tick:
        """Folds in what the journal has more, up to about 50,000 events."""
        with self._guard:
            if self._is_broken:
                self._connection.close()
                self._analytics.reopen()
                self._load()
                self._is_broken = False
                log.info("the record was opened anew")
            try:
                return self._tick(now_ms)
            except duckdb.FatalException:
                self._is_broken = True
                raise

    def _load(self) -> None:
        """Reads how far the files say that they are."""
        self._connection = self._analytics.cursor()
        self._positions: dict[str, Progress] = {
            str(row[0]): Progress(int(row[1]), int(row[2]), int(row[3]), int(row[4]), bool(row[5]))
            for row in self._connection.execute(
                "SELECT name, position, events, damages, last_at_ns, is_done FROM segments"
            ).fetchall()
        }
        self._open: dict[str, OpenCall] = {
            str(row[0]): OpenCall(_decode_started(row[2]), str(row[1]), bool(row[3]))
            for row in self._connection.execute(
                "SELECT call_id, run, event, has_content FROM open_calls"
            ).fetchall()
        }
        self._content_positions = {}
        self._rollups = RollUps(self._connection)

    def _tick(self, now_ms: int) -> Tick:
        calls: list[RequestCompleted] = []
        events = 0
        oldest_ns = now_ms * 1_000_000
        has_more = False
        sources, ended = self._sources()
        while sources:
            batch = Batch(self._open)
            sources = self._gather(batch, sources)
            if not batch.progress:
                break
            self._commit(batch, now_ms)
            calls += batch.calls
            events += batch.events
            oldest_ns = min([oldest_ns, *(_ended_ns(call) for call in batch.calls)])
            if events >= MOST_TICK_EVENTS:
                has_more = True
                break
        if not has_more:
            calls += self._finish(ended, now_ms)
            self._roll_up(now_ms)
        return Tick(calls, events, (now_ms * 1_000_000 - oldest_ns) / 1e6, has_more)

    def _roll_up(self, now_ms: int) -> None:
        """Rolls up; what goes wrong keeps nobody from the calls of this tick, and is tried again."""
        try:
            self._rollups.advance(now_ms)
        except duckdb.Error as error:
            self._is_broken |= isinstance(error, duckdb.FatalException)
            log.warning("calls could not be rolled up; tried again", extra={"reason": str(error)})

    def close(self) -> None:
        """Lets the connection go."""
        self._connection.close()

    def forget(self, name: str) -> None:
        """Drops a segment's offset, once its file is deleted."""
        with self._guard:
            self._connection.execute("DELETE FROM segments WHERE name = ?", [name])
            self._positions = {kept: known for kept, known in self._positions.items() if kept != name}

    def _sources(self) -> tuple[list[_Source], set[str]]:
        """Returns the segments to read, and the runs that are over.

        The order matters: a run found dead has written all it ever will, so the second listing has all its
        segments; a run that appears only then is left for the next tick.
        """
        runs = {run_of(name) or "" for name in list_segments(self._folder)}
        ended = {run for run in runs if run in self._dead or not is_running(self._folder, run)}
        names = [name for name in list_segments(self._folder) if run_of(name) in runs]
        newest = {run_of(name) or "": name for name in names}
        sources = []
        for name in names:
            run = run_of(name) or ""
            known = self._positions.get(name)
            if known is None or not known.is_done:
                sources.append(_Source(name, run, run in ended or newest[run] != name))
        return sources, ended - self._dead

    def _gather(self, batch: Batch, sources: list[_Source]) -> list[_Source]:
        """Reads a chunk of each source into `batch`; returns the sources that may hold more."""
        limit = self._analytics.settings.batch_events
        for number, source in enumerate(sources):
            while batch.events < limit and batch.bytes_read < MOST_BATCH_BYTES:
                if not self._read(batch, source):
                    break
            else:
                return sources[number:]
        return []

    def _read(self, batch: Batch, source: _Source) -> bool:
        """Reads the next chunk of `source` into `batch`; returns whether there was one."""
        path = f"{self._folder}/{source.name}"
        known = batch.progress.get(source.name) or self._positions.get(source.name)
        try:
            progress = replace(known) if known else Progress(first_offset(path))
            chunk = read_chunk(path, progress.position, is_last=source.is_last)
        except FileNotFoundError:
            return False
        except (JournalError, msgspec.MsgspecError):
            if source.is_last:
                log.warning("a journal segment cannot be read", extra={"segment": source.name})
                batch.progress[source.name] = Progress(0, damages=1, is_done=True)
            return False
        if chunk.end == progress.position:
            if source.is_last:
                trim(path, progress.position)
                progress.is_done = True
                batch.progress[source.name] = progress
            return False
        progress.position = chunk.end
        batch.progress[source.name] = progress
        self._fold(batch, source, chunk, progress)
        return True

    def _fold(self, batch: Batch, source: _Source, chunk: Chunk, progress: Progress) -> None:
        unknown = 0
        for raw in chunk.frames:
            at_ns = batch.add(source.name, source.run, raw)
            if at_ns is None:
                unknown += 1
            else:
                progress.events += 1
                progress.last_at_ns = max(progress.last_at_ns, at_ns)
        if chunk.damages or unknown:
            progress.damages += len(chunk.damages) + unknown
            log.warning(
                "journal frames skipped",
                extra={"segment": source.name, "damaged": len(chunk.damages), "unknown": unknown},
            )

    def _finish(self, ended: set[str], now_ms: int) -> list[RequestCompleted]:
        """Ends the streams that dead runs left open, once all their segments are read."""
        calls: list[RequestCompleted] = []
        for run in ended:
            if not all(progress.is_done for name, progress in self._positions.items() if run_of(name) == run):
                continue
            batch = Batch(self._open)
            batch.cut(run)
            if batch.calls:
                self._commit(batch, now_ms)
                calls += batch.calls
            remove_lock(self._folder, run)
            self._dead.add(run)
        return calls

    def _commit(self, batch: Batch, now_ms: int) -> None:
        """Writes the content of each day, then the rows with the offsets; each in one transaction."""
        self._keep_contents(batch, now_ms)
        with _transaction(self._connection):
            self._write(batch)
        for call_id in batch.closed:
            self._open.pop(call_id, None)
        self._open.update(batch.opened)
        self._positions = self._positions | batch.progress
        self._feedback_total += len(batch.feedback)

    def _write(self, batch: Batch) -> None:
        connection = self._connection
        insert_calls(connection, batch.calls, batch.has_content)
        insert_hints(
            connection, [(call.trace_id, call.at_ns // 10**9) for call in batch.calls if call.trace_id]
        )
        self._rollups.add_late(batch.calls)
        insert_feedback(connection, batch.feedback)
        if batch.closed:
            connection.execute(
                "DELETE FROM open_calls WHERE call_id IN (SELECT unnest(?::VARCHAR[]))", [batch.closed]
            )
        if batch.opened:
            opened = list(batch.opened.values())
            bulk_insert(
                connection,
                "open_calls",
                OPEN_COLUMNS,
                [
                    list(batch.opened),
                    [item.run for item in opened],
                    [_encode(item.started) for item in opened],
                    [item.has_content for item in opened],
                ],
            )
        for name, progress in batch.progress.items():
            connection.execute(
                "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)",
                [
                    name,
                    progress.position,
                    progress.events,
                    progress.damages,
                    progress.last_at_ns,
                    progress.is_done,
                ],
            )

        if self._analytics.outbox is not None:
            self._analytics.outbox.collect(connection, contents=_columns_of(batch.contents))

    def _keep_contents(self, batch: Batch, now_ms: int) -> None:
        oldest = day_of((now_ms - self._retention_ms) * 1_000_000)
        days: dict[str, list[ContentRow]] = {}
        for row in batch.contents:
            days.setdefault(day_of(row.at_ns), []).append(row)
        for day, rows in days.items():
            if day >= oldest:
                with self._analytics.lock:
                    self._keep_day(day, rows, batch.progress)

    def _keep_day(self, day: str, rows: list[ContentRow], progress: dict[str, Progress]) -> None:
        schema = self._analytics.attach(day, create=True)
        connection = self._connection
        if day not in self._content_positions:
            self._content_positions = {
                day: {
                    str(name): int(position)
                    for name, position in connection.execute(
                        f"SELECT name, position FROM {schema}.segments"  # noqa: S608 - a checked name of our own
                    ).fetchall()
                }
            } | {kept: known for kept, known in self._content_positions.items() if kept > day}
        known = self._content_positions[day]
        fresh = [row for row in rows if row.offset >= known.get(row.segment, 0)]
        if not fresh:
            return
        upsert = f"INSERT OR REPLACE INTO {schema}.segments VALUES (?, ?)"  # noqa: S608 - as above
        reached = {row.segment: progress[row.segment].position for row in fresh}
        with _transaction(connection):
            bulk_insert(
                connection,
                f"{schema}.content",
                CONTENT_COLUMNS,
                _columns_of(fresh),
            )
            for name, position in reached.items():
                connection.execute(upsert, [name, position])
        known.update(reached)


def _columns_of(rows: Sequence[ContentRow]) -> list[list[Any]]:
    """Returns rows of content as the columns of `CONTENT_COLUMNS`."""
    return [
        [row.call_id for row in rows],
        [row.at_ns for row in rows],
        [row.subject for row in rows],
        [row.part for row in rows],
        [row.sealed for row in rows],
    ]


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a COMMIT that met a full disk has ended the transaction already
            connection.execute("ROLLBACK")
        raise


def _ended_ns(call: RequestCompleted) -> int:
    return call.at_ns + int(call.duration_ms * 1e6)

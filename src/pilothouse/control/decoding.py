"""The job on the telemetry journal: has it decoded, puts what comes of it on record, and deletes it.

Segments are cut at frames into tasks; the decoders do several at once, and their results go in in the order
of the journal. Refuses to know what was sent. Invariant: a part of the journal is on record once, whoever
dies when: how far it is read is committed with the rows.
"""

import logging
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import JournalError, UnavailableError
from pilothouse.contracts.home import Home
from pilothouse.control.decoder import Done, Task
from pilothouse.control.decoders import Decoders
from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.staging import Reached, Staged, forget, insert, known_positions
from pilothouse.telemetry.frames import FRAME_HEAD, MAX_PAYLOAD_BYTES, run_of
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.telemetry.segments import (
    first_offset,
    is_running,
    list_segments,
    remove_lock,
)
from pilothouse.telemetry.settings import IntakeSettings

__all__ = ["Decoding", "IntakeFigures", "extents"]

TASK_BYTES = 1024 * 1024
MOST_COMMITTED_TASKS = 16
MOST_FAILURES = 10
"""A part that as many decoders died of is at fault itself: one that was killed is not."""
MOST_TICK_TASKS = 64
"""A tick comes back after so many, so that the worker can stop between."""
DAY_MS = 86_400_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IntakeFigures:
    """How far the telemetry journal is folded in."""

    lag_ms: float
    """How long the oldest that waits has waited."""
    unread_bytes: int
    """What stands in it and is not on record yet."""
    batches_total: int
    items_total: int
    damages_total: int


@dataclass(slots=True)
class _Source:
    """A segment that may hold more."""

    name: str
    is_last: bool
    """Nobody writes it any more."""
    reached: Reached


@dataclass(slots=True)
class _Running:
    """A task that a decoder does."""

    source: _Source
    task: Task
    result: "Future[Done]"


class Decoding:
    """Folds the telemetry journal of a home into its analytics files; ticked from one thread."""

    def __init__(
        self, home: Home, analytics: Analytics, settings: IntakeSettings, *, content_retention_days: int
    ) -> None:
        self._home = home
        self._analytics = analytics
        self._settings = settings
        self._retention_ms = content_retention_days * DAY_MS
        self.decoders = Decoders(home.root, most=settings.decoders)
        self._is_loaded = False
        self._positions: dict[str, Reached] = {}
        self._now_ms = self._worked_at_ms = 0
        self._failures: dict[tuple[str, int], int] = {}
        self._tasks = 0
        self._batches_total = self._items_total = self._damages_total = 0
        self._oldest_ns: int | None = None

    def tick(self, now_ms: int) -> bool:
        """Puts on record what the journal has more; returns whether it holds more already."""
        self._now_ms = now_ms
        self._load()
        sources = self._sources()
        if not sources:
            self._oldest_ns = None
            if self._worked_at_ms and now_ms - self._worked_at_ms > self._settings.decoder_idle_s * 1000:
                self._worked_at_ms = 0
                self.decoders.rest()
            return False
        done = self._work(sources, now_ms)
        self._finish(sources)
        if done:
            self._worked_at_ms = now_ms
        else:
            self._oldest_ns = None
        return done >= MOST_TICK_TASKS

    def is_behind(self) -> bool:
        """Says whether it had work to do a moment ago."""
        return self._oldest_ns is not None

    def lag_ms(self, now_ms: int) -> float:
        """Returns how long the oldest that waits has waited."""
        oldest_ns = self._oldest_ns
        return 0.0 if oldest_ns is None else max(0.0, now_ms - oldest_ns / 1e6)

    def figures(self, now_ms: int) -> IntakeFigures:
        """Returns how far it is; asked from any thread."""
        unread = 0
        for name in list_segments(self._home.telemetry):
            known = self._positions.get(name)
            path = f"{self._home.telemetry}/{name}"
            with suppress(OSError, JournalError, msgspec.MsgspecError):
                position = known.position if known is not None else first_offset(path)
                unread += sum(end - start for start, end in extents(path, position))
        return IntakeFigures(
            lag_ms=self.lag_ms(now_ms),
            unread_bytes=unread,
            batches_total=self._batches_total,
            items_total=self._items_total,
            damages_total=self._damages_total,
        )

    def families(self, now_ms: int) -> list[Family]:
        """Returns the figures as metrics."""
        figures = self.figures(now_ms)
        return [
            Family(
                "pilothouse_telemetry_lag_seconds",
                "gauge",
                "How long the oldest telemetry that is not on record has waited.",
                [Sample(figures.lag_ms / 1000)],
            ),
            Family(
                "pilothouse_telemetry_unread_bytes",
                "gauge",
                "Telemetry on disk that is not on record yet.",
                [Sample(figures.unread_bytes)],
            ),
            Family(
                "pilothouse_telemetry_batches_total",
                "counter",
                "Requests of senders put on record.",
                [Sample(figures.batches_total)],
            ),
            Family(
                "pilothouse_telemetry_items_total",
                "counter",
                "Spans, log records and data points put on record.",
                [Sample(figures.items_total)],
            ),
            Family(
                "pilothouse_telemetry_damages_total",
                "counter",
                "Parts of telemetry that could not be read.",
                [Sample(figures.damages_total)],
            ),
        ]

    def close(self) -> None:
        """Ends the decoders."""
        self.decoders.close()

    def _load(self) -> None:
        """Reads how far an earlier process came, and drops what it left half done."""
        if not self._is_loaded:
            shutil.rmtree(self._home.staging, ignore_errors=True)
            Path(self._home.staging).mkdir(mode=0o700, parents=True)
            self._positions = known_positions(self._analytics)
            self._is_loaded = True

    def _sources(self) -> list[_Source]:
        folder = self._home.telemetry
        names = list_segments(folder)
        if not names:
            return []
        newest = {run_of(name) or "": name for name in names}
        ended = {run for run in newest if not is_running(folder, run)}
        names = [name for name in list_segments(folder) if (run_of(name) or "") in newest]
        sources = []
        for name in names:
            run = run_of(name) or ""
            known = self._positions.get(name)
            if known is None:
                try:
                    known = Reached(name, first_offset(f"{folder}/{name}"), 0, 0, 0)
                except (JournalError, OSError, msgspec.MsgspecError):
                    if run not in ended:
                        continue
                    logger.warning("a segment of telemetry cannot be read", extra={"segment": name})
                    known = Reached(name, 0, 0, 1, 0, is_done=True)
            sources.append(_Source(name, run in ended or newest[run] != name, known))
        return sources

    def _work(self, sources: list[_Source], now_ms: int) -> int:
        """Has tasks done and their results put on record; returns how many there were."""
        todo = self._todo(sources)
        running: deque[_Running] = deque()
        done = 0
        stopped: set[str] = set()
        try:
            while done < MOST_TICK_TASKS:
                while len(running) < 4 * self.decoders.most and (begun := next(todo, None)) is not None:
                    running.append(begun)
                if not running:
                    break
                ready = [running.popleft()]
                self._wait(ready[0])
                while running and running[0].result.done() and len(ready) < MOST_COMMITTED_TASKS:
                    ready.append(running.popleft())
                self._commit(ready, stopped, now_ms)
                done += sum(one.source.name not in stopped for one in ready)
        finally:
            for left in running:
                with suppress(Exception):
                    for file in left.result.result().staged:
                        Path(file.path).unlink(missing_ok=True)
        return done

    def _wait(self, running: _Running) -> None:
        """Waits for a result; a part that has ended several decoders is set aside, and said so.

        Raises:
            UnavailableError: The decoder failed; the part is done again with the next tick.
        """
        task = running.task
        place = (task.segment, task.start)
        try:
            running.result.result()
        except UnavailableError:
            self._failures[place] = self._failures.get(place, 0) + 1
            if self._failures[place] < MOST_FAILURES:
                raise
            self._set_aside(task)
            running.result = Future()
            running.result.set_result(Done(task.end, damages=1))
        self._failures.pop(place, None)

    def _set_aside(self, task: Task) -> None:
        """Keeps a part that cannot be decoded, sealed as it is, where it is in nobody's way."""
        folder = Path(self._home.telemetry, "aside")
        folder.mkdir(mode=0o700, exist_ok=True)
        with open(f"{self._home.telemetry}/{task.segment}", "rb") as file:  # noqa: PTH123 - read by offset
            data = os.pread(file.fileno(), task.end - task.start, task.start)
        kept = folder / f"{task.segment}-{task.start}"
        kept.write_bytes(data)
        kept.chmod(0o600)
        logger.error("telemetry that ends its decoder was set aside", extra={"file": str(kept)})

    def _todo(self, sources: list[_Source]) -> Iterator[_Running]:
        for source in sources:
            if source.reached.is_done:
                continue
            for start, end in extents(f"{self._home.telemetry}/{source.name}", source.reached.position):
                self._tasks += 1
                name = f"{os.getpid()}-{self._tasks}"
                task = Task(name, source.name, start, end)
                yield _Running(source, task, self.decoders.begin(task))

    def _commit(self, ready: list[_Running], stopped: set[str], now_ms: int) -> None:
        staged: list[Staged] = []
        reached: dict[str, Reached] = {}
        items = 0
        for one in ready:
            done = one.result.result()
            if one.source.name in stopped or done.end == one.task.start:
                # Not whole yet, or damaged: what follows it in this segment waits for the next tick.
                stopped.add(one.source.name)
                for file in done.staged:
                    Path(file.path).unlink(missing_ok=True)
                continue
            if done.end < one.task.end:
                stopped.add(one.source.name)
            staged += done.staged
            items += done.items
            known = reached.get(one.source.name, one.source.reached)
            reached[one.source.name] = Reached(
                known.segment,
                done.end,
                known.batches + done.batches,
                known.damages + done.damages,
                max(known.last_at_ns, done.last_at_ns),
            )
            self._batches_total += done.batches
            self._damages_total += done.damages
            self._oldest_ns = done.first_at_ns or self._oldest_ns
        if not reached:
            return
        oldest_day = day_of((now_ms - self._retention_ms) * 1_000_000)
        insert(self._analytics, staged, list(reached.values()), oldest_day=oldest_day)
        self._items_total += items
        for one in ready:
            if (found := reached.get(one.source.name)) is not None:
                one.source.reached = self._positions[one.source.name] = found

    def _finish(self, sources: list[_Source]) -> None:
        """Deletes the segments that nobody writes any more and that are read to their end."""
        folder = self._home.telemetry
        for source in sources:
            if not source.is_last or not (source.reached.is_done or self._is_read(source)):
                continue
            Path(f"{folder}/{source.name}").unlink(missing_ok=True)
            forget(self._analytics, source.name)
            self._positions.pop(source.name, None)
        left = {run_of(name) or "" for name in list_segments(folder)}
        for run in {run_of(source.name) or "" for source in sources} - left:
            if not is_running(folder, run):
                remove_lock(folder, run)

    def _is_read(self, source: _Source) -> bool:
        """Says whether an ended segment has no more; good frames behind damage are read here, rarely."""
        path = f"{self._home.telemetry}/{source.name}"
        size = Path(path).stat().st_size
        if not _has_bytes(path, source.reached.position):
            return True
        self._tasks += 1
        task = Task(f"{os.getpid()}-{self._tasks}", source.name, source.reached.position, size, is_last=True)
        done = self.decoders.begin(task).result()
        if done.end == task.start:
            return True  # torn by its writer's death: never answered
        found = _Running(source, Task(task.name, task.segment, task.start, done.end), Future())
        found.result.set_result(done)
        self._commit([found], set(), self._now_ms)
        return False


def extents(path: str, position: int) -> Iterator[tuple[int, int]]:
    """Yields parts of a segment, of about half a megabyte, that begin and end where frames do.

    Only the frames' lengths are read; what is in them, and whether they are whole, the decoder checks.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - read by offset
        size = os.fstat(file.fileno()).st_size
        start = end = position
        while True:
            head = os.pread(file.fileno(), FRAME_HEAD.size, end)
            length = FRAME_HEAD.unpack(head)[0] if len(head) == FRAME_HEAD.size else 0
            following = end + FRAME_HEAD.size + length
            is_frame = 0 < length <= MAX_PAYLOAD_BYTES and following <= size
            if end > start and (not is_frame or following - start > TASK_BYTES):
                yield start, end
                start = end
            if not is_frame:
                return
            end = following


def _has_bytes(path: str, offset: int) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        file.seek(offset)
        while block := file.read(1024 * 1024):
            if block.strip(b"\0"):
                return True
    return False

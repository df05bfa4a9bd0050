"""The jobs on the journal: folding it in, telling the others what came, and dropping what is too old.

Refuses to know how an event is folded. Invariant: what is told has been committed, and of the two jobs only
one is at the projector at a time.
"""

from collections.abc import Callable, Sequence
from threading import Lock

from pilothouse.access.desk import Desk
from pilothouse.api.counters import Counters
from pilothouse.api.metrics import IngestState
from pilothouse.contracts.events import RequestCompleted
from pilothouse.store.projector import Projector
from pilothouse.store.retention import Retention

QUIET_MS = 2000
"""A projector not heard of for so long is late by that time: it ticks five times a second."""

NOTE_USE_EVERY_MS = 5000


class IngestJob:
    """Runs projector and retention; each is ticked from one thread, the state is asked from any."""

    def __init__(
        self,
        projector: Projector,
        *,
        retention: Retention,
        desk: Desk,
        counters: Counters,
        told: Callable[[Sequence[RequestCompleted]], None],
        now_ms: int,
    ) -> None:
        """Takes its parts.

        Args:
            projector: What folds.
            retention: What drops what is too old.
            desk: Told when keys were used.
            counters: Given every call.
            told: Given every call, for the live tail.
            now_ms: When it was made.
        """
        self._projector = projector
        self._retention = retention
        self._turn = Lock()
        self._desk = desk
        self._counters = counters
        self._told = told
        self._last_used_ms: dict[str, int] = {}
        self._noted_at_ms = now_ms
        self._ticked_at_ms = now_ms
        self._state = IngestState(0.0, 0, 0, 0, 0, 0)
        self._lock = Lock()

    def tick(self, now_ms: int) -> bool:
        """Folds in what is new; returns whether there is more already."""
        with self._turn:
            tick = self._projector.tick(now_ms)
            state = self._measured(tick.lag_ms)
        self._counters.add(tick.calls)
        self._told(tick.calls)
        for call in tick.calls:
            if call.key_id is not None:
                self._last_used_ms[call.key_id] = max(
                    self._last_used_ms.get(call.key_id, 0), call.at_ns // 1_000_000
                )
        with self._lock:
            self._state, self._ticked_at_ms = state, now_ms
        if now_ms - self._noted_at_ms >= NOTE_USE_EVERY_MS:
            self.note_use()
            self._noted_at_ms = now_ms
        return tick.has_more

    def _measured(self, lag_ms: float) -> IngestState:
        positions = self._projector.positions
        return IngestState(
            lag_ms=lag_ms,
            segments=len(positions),
            offset_bytes=sum(progress.position for progress in positions.values()),
            events_total=self._projector.events_total,
            damages_total=self._projector.damages_total,
            open_calls=self._projector.open_calls,
        )

    def retain(self, now_ms: int) -> bool:
        """Drops what is past its retention; there is never more to do at once."""
        with self._turn:
            self._retention.tick(now_ms)
        return False

    def note_use(self) -> None:
        """Keeps when keys were last used; also called once at the end."""
        self._desk.note_use(self._last_used_ms)
        self._last_used_ms = {}

    def state(self, now_ms: int) -> IngestState:
        """Returns how far the journal is folded in; a projector that stands still is later every moment."""
        with self._lock:
            state, ticked_at_ms = self._state, self._ticked_at_ms
        quiet_ms = now_ms - ticked_at_ms
        if quiet_ms <= QUIET_MS:
            return state
        return IngestState(
            lag_ms=max(state.lag_ms, quiet_ms),
            segments=state.segments,
            offset_bytes=state.offset_bytes,
            events_total=state.events_total,
            damages_total=state.damages_total,
            open_calls=state.open_calls,
        )

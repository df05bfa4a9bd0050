"""What came of a custom metric since the process started: values, calls without one, and why.

Refuses to know how a value is computed. Invariant: every call that a metric was computed of is in exactly one
of `values`, `unknown` and `faults`.
"""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["Tally"]

MINUTE_MS = 60_000
MINUTES = 5


@dataclass(slots=True)
class Tally:
    """One metric's counts."""

    values: int = 0
    unknown: int = 0
    """Calls that something it needs is not known of."""
    faults: dict[str, int] = field(default_factory=dict)
    """Calls it came to no number for, by reason, and questions that failed."""
    last_fault: str | None = None
    last_value_at_ms: int | None = None
    _minutes: deque[list[float]] = field(default_factory=lambda: deque(maxlen=MINUTES))
    """Minute, count and sum of the last five minutes that had values."""

    def note_value(self, value: float, now_ms: int) -> None:
        """Counts a value."""
        self.values += 1
        self.last_value_at_ms = now_ms
        minute = now_ms // MINUTE_MS
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0, 0.0])
        self._minutes[-1][1] += 1
        self._minutes[-1][2] += value

    def note_fault(self, reason: str, said: str | None = None) -> None:
        """Counts a fault."""
        self.faults[reason] = self.faults.get(reason, 0) + 1
        self.last_fault = said or reason

    def recent_mean(self, now_ms: int) -> float | None:
        """Returns the mean of the last five minutes' values, `None` without any."""
        since = now_ms // MINUTE_MS - MINUTES
        recent = [minute for minute in self._minutes if minute[0] > since]
        count = sum(minute[1] for minute in recent)
        return sum(minute[2] for minute in recent) / count if count else None

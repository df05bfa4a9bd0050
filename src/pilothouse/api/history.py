"""The last hour of a few numbers, in memory, and where each is heading.

Refuses to know what a number means. Invariant: what is kept is bounded, however often it is added to.
"""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["KEPT", "STEP_S", "History"]

STEP_S = 5
KEPT = 3600 // STEP_S
LEAST_FOR_A_TREND = 60
"""Five minutes: of less nobody should foretell anything."""
FARTHEST_S = 90 * 86_400.0
"""What is farther away than so is not told: no hour's trend lasts three months."""

Point = tuple[int, float]


@dataclass(slots=True)
class History:
    """One number over time."""

    points: deque[Point] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Unix milliseconds and the value, oldest first."""

    def add(self, at_ms: int, value: float) -> None:
        """Adds the value at a time later than the last one."""
        self.points.append((at_ms, value))

    def shown(self, points: int) -> list[float]:
        """Returns at most `points` values, each the mean of neighbours, oldest first."""
        values = [value for _, value in self.points]
        each = max(1, -(-len(values) // points))
        return [
            round(sum(values[at : at + each]) / len(values[at : at + each]), 6)
            for at in range(0, len(values), each)
        ]

    def reaches_in_s(self, most: float) -> float | None:
        """Returns in how many seconds the number is at `most` if it goes on as in the time kept.

        The line of least squares through all points; `None` when it does not rise, when there are too few
        points, and when the end is too far to tell.
        """
        if len(self.points) < LEAST_FOR_A_TREND:
            return None
        start_ms = self.points[0][0]
        times = [(at_ms - start_ms) / 1000 for at_ms, _ in self.points]
        values = [value for _, value in self.points]
        mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
        spread = sum((time - mean_time) ** 2 for time in times)
        if spread == 0:
            return None
        both = zip(times, values, strict=True)
        slope = sum((time - mean_time) * (value - mean_value) for time, value in both) / spread
        left = most - values[-1]
        if slope <= 0 or left > slope * FARTHEST_S:
            return None
        return max(0.0, left / slope)

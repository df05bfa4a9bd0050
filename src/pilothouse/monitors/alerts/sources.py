"""Where numbers come from: the record's measures, and what is known of the present only.

Refuses to know rules. Invariant: a question asked twice within one look at all rules is put to the record
once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.analytics.measures import MEASURES, METRIC_PREFIX, measure_of
from pilothouse.analytics.series import SeriesQuestion, series, value
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.monitors.alerts.settings import Severity
from pilothouse.store.dialects.reader import Readable

__all__ = [
    "LIVE",
    "Asked",
    "Burning",
    "Live",
    "Numbers",
    "Objectives",
    "Past",
    "RecordedNumbers",
    "is_live",
    "known_measures",
    "unit_of",
]

WHOLE = ""
MOST_POINTS = 1000
"""Of one question for a series."""

LIVE: dict[str, str] = {
    "ingest_lag_ms": "ms",
    "engines_down": "",
    "gateways_down": "",
    "disk_used_share": "share",
}
"""Measures of the present only, with their units: nobody keeps their past."""
UNITS = {"1/s": "a second", "USD": "USD", "USD/h": "USD an hour", "ms": "ms", "nat": "nat", "calls": "calls"}


@dataclass(frozen=True, slots=True)
class Burning:
    """An objective's error budget, in the pair of windows that burns worst."""

    objective: str
    rate: float
    """How many times faster than allowed the budget goes, in the slower of both windows."""
    threshold: float
    """The rate at which it is an alert."""
    window_s: float
    """The long window."""
    measure: str | None = None
    only: Mapping[str, str] | None = None
    severity: Severity = "critical"
    """How bad it is at this pace."""


class Objectives(Protocol):
    """Whoever keeps the objectives."""

    def burning(self, now_ms: int) -> Sequence[Burning]:
        """Returns every objective's worst burn rate."""


class Live(Protocol):
    """Whoever knows the present."""

    def readings(self, now_ms: int) -> Mapping[str, Mapping[str, float]]:
        """Returns the values of the measures in `LIVE`, each by label; `""` where nothing is told apart."""


@dataclass(frozen=True, slots=True)
class Past:
    """A measure over time: for each label a value a step."""

    start_ms: int
    step_ms: int
    lines: Mapping[str, Sequence[float | None]]


class Numbers(Protocol):
    """Whoever knows the measures."""

    def value(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int
    ) -> Mapping[str, float | None]:
        """Returns a measure over a stretch of time, by label."""

    def past(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int, step_ms: int
    ) -> Past:
        """Returns a measure over time."""


class RecordedNumbers:
    """The record's measures."""

    def __init__(self, record: Readable) -> None:
        self._record = record

    def value(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int
    ) -> Mapping[str, float | None]:
        """Returns a measure over a stretch of time, by label."""
        return value(self._record, measure, by=by, only=only, start_ms=start_ms, end_ms=end_ms)

    def past(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int, step_ms: int
    ) -> Past:
        """Returns a measure over time, asked in pieces of what one question may have."""
        count = max(1, (end_ms - start_ms) // step_ms)
        lines: dict[str, list[float | None]] = {}
        for first in range(0, count, MOST_POINTS):
            points = min(MOST_POINTS, count - first)
            from_ms = start_ms + first * step_ms
            question = SeriesQuestion(measure, from_ms, from_ms + points * step_ms, by, only, points)
            for line in series(self._record, question).lines:
                values = lines.setdefault(line.label, [None] * count)
                values[first : first + len(line.values)] = line.values
        return Past(start_ms, step_ms, lines)


class Asked:
    """Remembers answers for one look at all rules."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._answers: dict[tuple[object, ...], Mapping[str, float | None]] = {}

    def value(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int
    ) -> Mapping[str, float | None]:
        """Returns a measure over a stretch of time, by label."""
        key = (measure, by, tuple(sorted(only.items())), start_ms, end_ms)
        if key not in self._answers:
            self._answers[key] = self._numbers.value(measure, by, only, start_ms, end_ms)
        return self._answers[key]

    def past(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int, step_ms: int
    ) -> Past:
        """Returns a measure over time."""
        return self._numbers.past(measure, by, only, start_ms, end_ms, step_ms)


def is_live(measure: str | None) -> bool:
    """Says whether a measure has a present only."""
    return measure in LIVE


def known_measures() -> list[str]:
    """Returns the names of all built-in measures that a rule can watch."""
    return [*MEASURES, *(name for name in LIVE if name not in MEASURES)]


def unit_of(measure: str | None) -> str:
    """Returns a measure's unit as `notice.shown` takes it."""
    if measure is None:
        return "times"
    if measure in LIVE:
        return LIVE[measure]
    try:
        known = measure_of(measure)
    except InvalidRequestError:
        return ""
    is_share = known.kind == "share" or (known.unit == "1" and known.name.endswith("_share"))
    return "share" if is_share and not measure.startswith(METRIC_PREFIX) else UNITS.get(known.unit, "")

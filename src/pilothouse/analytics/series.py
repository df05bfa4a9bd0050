"""A measure over time or as one number, told apart by a dimension: for charts, alerts, objectives, exports.

Refuses to know roll-ups and rows. Invariant: each line has one value for each step, `None` where there was
nothing to measure; a rate of nothing is 0, a share of nothing is `None`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.analytics.cover import SHORTEST_ROLLED_MS, rolled_step
from pilothouse.analytics.measures import Measure, measure_of
from pilothouse.analytics.scores_asked import score_values
from pilothouse.analytics.tallies import WHOLE, Asked, quantiles, sums
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["Line", "Series", "SeriesQuestion", "Shown", "number_of", "series", "value"]

MOST_LINES = 20
MOST_POINTS = 1000
SHORTEST_STEP_MS = 1000
LONGEST_MS = 400 * 86_400_000
Sums = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class SeriesQuestion:
    """Which measure, told apart by what, narrowed to what, over which time in how many steps."""

    measure: str
    start_ms: int
    end_ms: int
    by: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    points: int = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    label: str
    """The model, deployment, key … it is of; empty when nothing is told apart."""
    values: list[float | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """A question as it was put to the record."""

    name: str
    sql: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Series:
    """A measure over time; the step `n` begins at `start_ms + n * step_ms`."""

    measure: str
    unit: str
    start_ms: int
    step_ms: int
    lines: list[Line]
    """The ones with the most calls first."""
    query: Shown


def series(record: Readable, question: SeriesQuestion) -> Series:
    """Returns a measure over time.

    Raises:
        InvalidRequestError: there is no such measure or dimension, the time makes no sense, or the measure
            is known for the present only.
    """
    measure = measure_of(question.measure)
    asked = _asked(question)
    points = -(-(asked.end_ms - asked.start_ms) // asked.step_ms)
    found, shown = _values(record, measure, asked, until_ms=question.end_ms)
    empty = _of_nothing(measure)
    lines: dict[str, list[float | None]] = {}
    if asked.by is None:
        lines[WHOLE] = [empty] * points
    for (label, step), number in found.items():
        line = lines.setdefault(label, [empty] * points)
        if 0 <= step < points:
            line[step] = number
    return Series(
        measure.name,
        measure.unit,
        asked.start_ms,
        asked.step_ms,
        [Line(label, values) for label, values in lines.items()],
        Shown(shown.name, shown.sql, shown.given()),
    )


def value(
    record: Readable,
    measure: str,
    *,
    by: str | None = None,
    only: Mapping[str, str] | None = None,
    start_ms: int,
    end_ms: int,
    live: Mapping[str, float] | None = None,
) -> dict[str, float | None]:
    """Returns a measure over one stretch of time as a whole, by label.

    Args:
        record: What is asked.
        measure: Its name.
        by: What it is told apart by; `None` gives one number, under the label `""`.
        only: What it is narrowed to, by dimension.
        start_ms: The first millisecond of it.
        end_ms: The first millisecond after it.
        live: Measures that are known for the present only, by name.

    Raises:
        InvalidRequestError: as `series`.
    """
    known = measure_of(measure)
    if known.kind == "live":
        return {WHOLE: (live or {}).get(measure)}
    _check_time(start_ms, end_ms)
    asked = Asked(start_ms, end_ms, end_ms - start_ms, by=by, only=only or {})
    found, _ = _values(record, known, asked, until_ms=end_ms)
    numbers = {label: number for (label, _), number in found.items()}
    return numbers or ({WHOLE: _of_nothing(known)} if by is None else {})


def _asked(question: SeriesQuestion) -> Asked:
    """Returns what to ask: from a quarter of an hour on in steps that roll-ups have."""
    _check_time(question.start_ms, question.end_ms)
    start_ms, span_ms = question.start_ms, question.end_ms - question.start_ms
    step_ms = max(SHORTEST_STEP_MS, -(-span_ms // max(1, min(question.points, MOST_POINTS))))
    if span_ms >= SHORTEST_ROLLED_MS:
        step_ms, size = rolled_step(step_ms)
        start_ms -= start_ms % size
    return Asked(
        start_ms, question.end_ms, step_ms, by=question.by, only=question.only, most_labels=MOST_LINES
    )


def _check_time(start_ms: int, end_ms: int) -> None:
    if not 0 <= start_ms < end_ms or end_ms - start_ms > LONGEST_MS:
        raise InvalidRequestError(
            f"the time from {start_ms} to {end_ms} cannot be asked about",
            hint="give Unix milliseconds, the earlier first, at most 400 days apart",
            code="bad_time",
            param="from_ms",
        )


def _values(
    record: Readable, measure: Measure, asked: Asked, *, until_ms: int
) -> tuple[dict[tuple[str, int], float | None], Question]:
    if measure.kind == "live":
        raise InvalidRequestError(
            f"{measure.name} is known for the present only",
            hint="it is in /metrics and /api/v1/overview; ask Prometheus for its history",
            code="no_history",
            param="measure",
        )
    if measure.kind == "score":
        return score_values(record, measure, asked)
    if measure.kind in {"quantile", "mean"}:
        at = (measure.quantile,) if measure.kind == "quantile" else ()
        rows, shown = quantiles(record, asked, measure.top, at)
        return {
            (label, step): row.values[0] if at else row.mean for (_, label, step), row in rows.items()
        }, shown
    tallied, shown = sums(record, asked, measure.counters)
    span_s = {
        step: (min(asked.start_ms + (step + 1) * asked.step_ms, until_ms) - asked.start_ms) / 1000
        - step * asked.step_ms / 1000
        for _, step in tallied
    }
    return {place: number_of(measure, row, span_s[place[1]]) for place, row in tallied.items()}, shown


def number_of(measure: Measure, tallied: Sums, span_s: float) -> float | None:
    """Returns a measure from the sums that it is made of, over `span_s` seconds."""
    top = _total(tallied, measure.top) - _total(tallied, measure.less)
    if measure.kind == "share":
        bottom = _total(tallied, measure.bottom) - _total(tallied, measure.bottom_less)
        if not bottom:
            return None
        return 1 - top / bottom if measure.is_rest else top / bottom
    is_unknown = all(tallied[name] is None for name in measure.top)
    if is_unknown and _total(tallied, measure.bottom):
        return None
    if measure.kind == "per_second":
        return top / span_s
    return top / span_s * 3600 if measure.kind == "per_hour" else top


def _total(tallied: Sums, names: tuple[str, ...]) -> float:
    return sum(tallied[name] or 0.0 for name in names)


def _of_nothing(measure: Measure) -> float | None:
    if measure.kind in {"per_second", "per_hour", "sum", "money"} or measure.name == "feedback_count":
        return 0.0
    return None

"""How sure models were of what they said: log-probabilities and entropy as distributions.

Refuses to know how they came on record. Invariant: a bar counts the answers that have the number, and no
others; what lies beyond the last bar's edge is in that bar.
"""

from dataclasses import dataclass
from typing import Any

from pilothouse.store.call_classes import MEASURED
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "Bar", "Confidence", "Distribution", "confidence"]

NAME = "confidence.distribution"
QUESTIONS = (NAME,)
SHAPES: dict[str, tuple[str, float, int]] = {
    "mean": ("logprob_mean", -0.1, 30),
    "minimum": ("logprob_min", -0.5, 30),
    "entropy": ("logprob_entropy", 0.1, 30),
}
"""Each distribution: its column, a bar's width in nats, away from 0, and how many bars there are."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Answers between two values, in nats."""

    start: float
    """The edge nearer to 0."""
    end: float
    count: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """One number over many answers; bars from the surest to the least sure, without empty ones at the end."""

    count: int
    mean: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Confidence:
    """The three distributions over a stretch of time, and how many calls they are from."""

    start_ms: int
    end_ms: int
    calls: int
    """Completed calls that went to a deployment; those with numbers are fewer (`record.confidence`)."""
    mean: Distribution
    minimum: Distribution
    entropy: Distribution


def confidence(
    record: Readable, *, start_ms: int, end_ms: int, model: str | None = None, deployment: str | None = None
) -> Confidence:
    """Returns how sure a model's or deployment's answers were, or all answers."""
    given: dict[str, Any] = {"start_ns": start_ms * 1_000_000, "end_ns": end_ms * 1_000_000}
    where = f"at_ns >= $start_ns AND at_ns < $end_ns AND {MEASURED}"
    for name, wanted in (("model", model), ("deployment", deployment)):
        if wanted is not None:
            where += f" AND {name} = ${name}"
            given[name] = wanted
    with record.reader() as reader:
        calls = reader.rows(Question(NAME, f"SELECT count(*) FROM calls WHERE {where}", given))[0][0]  # noqa: S608 - our own words
        found = {}
        for name, (column, width, count) in SHAPES.items():
            place = f"least({count - 1}, {reader.dialect.whole(f'{column} / {width!r}')})"
            rows = reader.rows(
                Question(
                    NAME,
                    f"SELECT {place}, count(*) FROM calls WHERE {where} AND {column} IS NOT NULL "  # noqa: S608 - as above
                    "GROUP BY 1 ORDER BY 1",
                    given,
                )
            )
            shares = reader.dialect.quantiles(column, (0.05, 0.5, 0.95))
            summary = reader.rows(
                Question(
                    NAME,
                    f"SELECT count(*), avg({column}), {shares} FROM calls WHERE {where} "  # noqa: S608 - as above
                    f"AND {column} IS NOT NULL",
                    given,
                )
            )[0]
            found[name] = _distribution(rows, summary, width)
    return Confidence(start_ms, end_ms, int(calls), found["mean"], found["minimum"], found["entropy"])


def _distribution(rows: list[tuple[Any, ...]], summary: tuple[Any, ...], width: float) -> Distribution:
    counts = {max(0, int(place)): int(number) for place, number in rows}
    bars = [
        Bar(round(place * width, 6) or 0.0, round((place + 1) * width, 6), counts.get(place, 0))
        for place in range(max(counts, default=-1) + 1)
    ]
    if not summary[0]:
        return Distribution(0, None, None, None, None, [])
    p05, p50, p95 = (float(value) for value in summary[2])
    return Distribution(int(summary[0]), float(summary[1]), p05, p50, p95, bars)

"""Sums and quantiles of calls over any stretch of time, told apart and narrowed by a few dimensions.

Refuses to know what the sums are for. Invariant: a question's answer has at most `MOST_LABELS` labels times
the steps asked for, whatever is stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pilothouse.analytics.measures import BY
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.store.buckets import bucket_sql, middle_sql
from pilothouse.store.dialects.reader import Question, Readable
from pilothouse.store.rollups import COUNTERS, HISTOGRAMS

__all__ = ["NOBODY", "QUESTIONS", "WHOLE", "Asked", "Quantiles", "quantiles", "sums"]

SUMS = "tallies.sums"
QUANTILES = "tallies.quantiles"
QUESTIONS = (SUMS, QUANTILES)
MOST_LABELS = 1000
NOBODY = "none"
"""The label of calls that have no model, deployment, key …"""
WHOLE = ""
"""The label when nothing is told apart."""
MS = 1_000_000

Scope = Literal["served", "upstream"]
"""served: calls that somebody made, shadows apart. upstream: what deployments did, shadows and all."""
SCOPES: Mapping[Scope, str] = {"served": "shadow_of IS NULL", "upstream": "cache IS NULL"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls, told apart by what, over which time in which steps."""

    start_ms: int
    end_ms: int
    """The first millisecond that is not asked about."""
    step_ms: int
    by: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    scope: Scope = "served"
    most_labels: int = MOST_LABELS
    """Of more labels, those with the most calls."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """One histogram's numbers at one label and step."""

    count: int
    mean: float
    values: tuple[float, ...]
    """As many as were asked for."""


def sums(
    record: Readable, asked: Asked, counters: Sequence[str]
) -> tuple[dict[tuple[str, int], dict[str, float | None]], Question]:
    """Returns each of `counters`, by label and number of step, and how it was asked.

    Steps without a call are left out.
    """
    names = tuple(dict.fromkeys(("calls", *counters)))
    parts, parameters = _sum_parts(asked, names)
    total = ", ".join(f"sum({name}) AS {name}" for name in names)
    sql = (
        f"WITH parts AS ({parts}), top AS (SELECT label FROM parts GROUP BY label "  # noqa: S608 - our own words
        f"ORDER BY sum(calls) DESC, label LIMIT {asked.most_labels}) "
        f"SELECT label, step, {total} FROM parts WHERE label IN (SELECT label FROM top) GROUP BY label, step "
        "ORDER BY label, step"
    )
    question = Question(SUMS, sql, parameters)
    with record.reader() as reader:
        rows = reader.rows(question)
    found = {
        (str(row[0]), int(row[1])): {
            name: None if value is None else float(value) for name, value in zip(names, row[2:], strict=True)
        }
        for row in rows
    }
    return found, question


def quantiles(
    record: Readable, asked: Asked, histogram: str, at: Sequence[float]
) -> tuple[dict[tuple[str, int], Quantiles], Question]:
    """Returns the quantiles `at` of a histogram, by label and number of step, and how it was asked."""
    parts, parameters = _histogram_parts(asked, histogram)
    picks = ", ".join(_picks(quantile) for quantile in at)
    sql = (
        f"WITH parts AS ({parts}), top AS (SELECT label FROM parts GROUP BY label "  # noqa: S608 - our own words
        f"ORDER BY sum(n) DESC, label LIMIT {asked.most_labels}), "
        "joined AS (SELECT label, step, bucket, sum(n) AS n, sum(total) AS total FROM parts "
        "WHERE label IN (SELECT label FROM top) GROUP BY label, step, bucket), "
        "ranked AS (SELECT label, step, bucket, n, total, "
        "sum(n) OVER (PARTITION BY label, step ORDER BY bucket) AS upto, "
        "sum(n) OVER (PARTITION BY label, step) AS whole FROM joined) "
        f"SELECT label, step, sum(n), sum(total) / sum(n){', ' * bool(picks)}{picks} FROM ranked "
        "GROUP BY label, step ORDER BY label, step"
    )
    question = Question(QUANTILES, sql, parameters)
    with record.reader() as reader:
        rows = reader.rows(question)
    found = {(str(row[0]), int(row[1])): _quantiles(row, at) for row in rows}
    return found, question


def _picks(quantile: float) -> str:
    """Returns the values around a quantile: of the rank below it and of the rank above it."""
    place = f"({quantile!r} * (whole - 1))"
    value = middle_sql("bucket")
    return (
        f"min(CASE WHEN upto > floor({place}) THEN {value} END), "
        f"min(CASE WHEN upto > ceil({place}) THEN {value} END)"
    )


def _quantiles(row: tuple[Any, ...], at: Sequence[float]) -> Quantiles:
    """Puts a quantile between its two ranks, as `quantile_cont` does."""
    count = int(row[2])
    values = []
    for number, quantile in enumerate(at):
        low, high = float(row[4 + 2 * number]), float(row[5 + 2 * number])
        place = quantile * (count - 1)
        values.append(low + (high - low) * (place - int(place)))
    return Quantiles(count, float(row[3]), tuple(values))


def _sum_parts(asked: Asked, names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    where, parameters = _calls_where(asked)
    columns = ", ".join(f"sum({COUNTERS[name]}) AS {name}" for name in names)
    sql = f"SELECT {_label(asked)} AS label, {_step()} AS step, {columns} FROM calls {where} GROUP BY 1, 2"  # noqa: S608 - our own words
    return sql, parameters


def _histogram_parts(asked: Asked, histogram: str) -> tuple[str, dict[str, Any]]:
    where, parameters = _calls_where(asked)
    value, condition = HISTOGRAMS[histogram]
    sql = (
        f"SELECT {_label(asked)} AS label, {_step()} AS step, {bucket_sql(f'({value})')} AS bucket, "  # noqa: S608 - our own words
        f"count(*) AS n, sum({value}) AS total FROM calls {where} AND {condition} "
        f"AND ({value}) IS NOT NULL GROUP BY 1, 2, 3"
    )
    return sql, parameters


def _calls_where(asked: Asked) -> tuple[str, dict[str, Any]]:
    clauses = ["at_ns >= $start_ns", "at_ns < $end_ns", SCOPES[asked.scope]]
    parameters: dict[str, Any] = {
        "start_ns": asked.start_ms * MS,
        "end_ns": asked.end_ms * MS,
        "step_ns": asked.step_ms * MS,
    }
    for name, wanted in asked.only.items():
        clauses.append(f"{_column(name)} = $only_{name}")
        parameters[f"only_{name}"] = wanted
    if asked.by is not None:
        _column(asked.by)
    return f"WHERE {' AND '.join(clauses)}", parameters


def _label(asked: Asked) -> str:
    return f"'{WHOLE}'" if asked.by is None else f"coalesce({_column(asked.by)}, '{NOBODY}')"


def _step() -> str:
    return "CAST(floor((at_ns - $start_ns) / $step_ns) AS INTEGER)"


def _column(name: str) -> str:
    column = BY.get(name)
    if column is None:
        raise InvalidRequestError(
            f"numbers cannot be told apart by {name!r}",
            hint=f"by one of {', '.join(BY)}",
            code="unknown_dimension",
            param="by",
        )
    return column

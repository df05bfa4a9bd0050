"""Sums and quantiles of calls over any stretch of time, told apart and narrowed by a few dimensions.

They are read from roll-ups where time allows it, and from rows at the edges: so a sum is exact, a quantile
within 2.5 % (exact where there are few calls), and the cost does not grow with what is stored. Quantiles told
apart or narrowed by key or team are read from rows: histograms do not know who asked.

Refuses to know what the numbers are for. Invariant: an answer has at most `most_labels` labels times the
steps asked for, whatever is stored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pilothouse.analytics.cover import MINUTE_MS, Piece, cover
from pilothouse.analytics.measures import BY
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.store.buckets import bucket_sql, middle_sql
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.store.rollups import COUNTERS, HISTOGRAMS, READ_MARKS, Marks

__all__ = ["NOBODY", "QUESTIONS", "WHOLE", "Asked", "Quantiles", "quantiles", "sums"]

MARKS = "tallies.marks"
SUMS = "tallies.sums"
QUANTILES = "tallies.quantiles"
EXACT = "tallies.exact_quantiles"
QUESTIONS = (MARKS, SUMS, QUANTILES, EXACT)
MOST_LABELS = 1000
MOST_EXACT = 20_000
FEWEST_STEPS = 2
"""Up to so many steps are covered one by one, so that they need not begin on a minute."""
NOBODY = "none"
"""The label of calls that have no model, deployment, key …"""
WHOLE = ""
"""The label when nothing is told apart."""
MS = 1_000_000
IN_ROWS_ALONE = frozenset(("key", "team"))
"""What histograms do not know."""

Scope = Literal["served", "upstream", "shadows"]
"""served: calls that somebody made, shadows apart. upstream: what deployments did, shadows and all."""
SCOPES: Mapping[Scope, str] = {
    "served": "shadow_of IS NULL",
    "upstream": "cache IS NULL",
    "shadows": "shadow_of IS NOT NULL",
}
ROLLED_SCOPES: Mapping[Scope, str] = {
    "served": "NOT is_shadow",
    "upstream": "NOT is_cached",
    "shadows": "is_shadow",
}


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
    most_exact: int = MOST_EXACT
    """Of up to so many calls, quantiles are exact."""


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
    with record.reader() as reader:
        question = _sums_question(reader.dialect, asked, names, _marks(reader))
        rows = reader.rows(question)
    found = {
        (str(row[0]), int(row[1])): {
            name: None if value is None else float(value) for name, value in zip(names, row[2:], strict=True)
        }
        for row in rows
    }
    return found, question


def quantiles(
    record: Readable, asked: Asked, histograms: Sequence[str], at: Sequence[float]
) -> tuple[dict[tuple[str, str, int], Quantiles], Question]:
    """Returns the quantiles `at` of histograms, by histogram, label and number of step, and the question."""
    with record.reader() as reader:
        marks = _marks(reader)
        is_few = _calls_between(reader, asked, marks) <= asked.most_exact
        if is_few or not IN_ROWS_ALONE.isdisjoint((asked.by, *asked.only)):
            marks = Marks()
        ask = _exact_question if is_few else _quantiles_question
        question = ask(reader.dialect, asked, histograms, at, marks)
        rows = reader.rows(question)
    return {(str(row[0]), str(row[1]), int(row[2])): _quantiles(row, at) for row in rows}, question


def _marks(reader: Reader) -> Marks:
    rows = reader.rows(Question(MARKS, READ_MARKS, {}))
    return Marks(*map(int, rows[0])) if rows else Marks()


def _calls_between(reader: Reader, asked: Asked, marks: Marks) -> int:
    whole = Asked(asked.start_ms, asked.end_ms, asked.end_ms - asked.start_ms)
    rows = reader.rows(_sums_question(reader.dialect, whole, ("calls",), marks))
    return int(rows[0][2]) if rows else 0


def _pieces(asked: Asked, marks: Marks) -> Iterator[tuple[int | None, Piece]]:
    """Yields the pieces to read, each with the step it lies in, `None` when it has several."""
    starts = range(asked.start_ms, asked.end_ms, asked.step_ms)
    if len(starts) <= FEWEST_STEPS:
        for step, start_ms in enumerate(starts):
            end_ms = min(start_ms + asked.step_ms, asked.end_ms)
            for piece in cover(start_ms, end_ms, step_ms=asked.step_ms, marks=marks):
                yield step, piece
    else:
        for piece in cover(asked.start_ms, asked.end_ms, step_ms=asked.step_ms, marks=marks):
            yield None, piece


def _heads(
    dialect: Dialect, asked: Asked, marks: Marks, parameters: dict[str, Any]
) -> Iterator[tuple[Piece, str, str]]:
    """Yields each piece with the beginning of its part and its conditions."""
    for number, (step, piece) in enumerate(_pieces(asked, marks)):
        told = str(step) if step is not None else _step(dialect, asked, piece)
        yield (
            piece,
            f"SELECT {_label(asked)} AS label, {told} AS step",
            _where(asked, piece, number, parameters),
        )


def _sums_question(dialect: Dialect, asked: Asked, names: Sequence[str], marks: Marks) -> Question:
    parameters = _parameters(asked)
    parts = []
    for piece, head, where in _heads(dialect, asked, marks, parameters):
        if piece.source == "rows":
            table, columns = "calls", ", ".join(f"sum({COUNTERS[name]}) AS {name}" for name in names)
        else:
            table, columns = f"call_{piece.source}", ", ".join(f"sum({name}) AS {name}" for name in names)
        parts.append(f"{head}, {columns} FROM {table} WHERE {where} GROUP BY 1, 2")
    total = ", ".join(f"sum({name})" for name in names)
    only, top = _top(asked, "sum(calls)")
    sql = (
        f"WITH parts AS ({' UNION ALL '.join(parts)}){top} "  # noqa: S608 - our own words
        f"SELECT label, step, {total} FROM parts{only} GROUP BY label, step ORDER BY label, step"
    )
    return Question(SUMS, sql, parameters)


def _quantiles_question(
    dialect: Dialect, asked: Asked, histograms: Sequence[str], at: Sequence[float], marks: Marks
) -> Question:
    parameters = _parameters(asked)
    parts = []
    for piece, head, where in _heads(dialect, asked, marks, parameters):
        if piece.source == "rows":
            for name in histograms:
                value, condition = HISTOGRAMS[name]
                parts.append(
                    f"{head}, '{name}' AS measure, {bucket_sql(f'({value})')} AS bucket, count(*) AS n, "
                    f"sum({value}) AS total FROM calls WHERE {where} AND {condition} "
                    f"AND ({value}) IS NOT NULL GROUP BY 1, 2, 3, 4"
                )
        else:
            parts.append(
                f"{head}, measure, bucket, sum(count) AS n, sum(total) AS total FROM value_{piece.source} "
                f"WHERE {where} AND measure IN ({_quoted(histograms)}) GROUP BY 1, 2, 3, 4"
            )
    picks = "".join(f", {pick}" for quantile in at for pick in _picks(quantile))
    only, top = _top(asked, "sum(n)")
    sql = (
        f"WITH parts AS ({' UNION ALL '.join(parts)}){top}, "  # noqa: S608 - our own words
        f"joined AS (SELECT measure, label, step, bucket, sum(n) AS n, sum(total) AS total FROM parts{only} "
        "GROUP BY measure, label, step, bucket), "
        "ranked AS (SELECT measure, label, step, bucket, n, total, "
        "sum(n) OVER (PARTITION BY measure, label, step ORDER BY bucket) AS upto, "
        "sum(n) OVER (PARTITION BY measure, label, step) AS whole FROM joined) "
        f"SELECT measure, label, step, sum(n), sum(total) / sum(n){picks} FROM ranked "
        "GROUP BY measure, label, step ORDER BY measure, label, step"
    )
    return Question(QUANTILES, sql, parameters)


def _exact_question(
    dialect: Dialect, asked: Asked, histograms: Sequence[str], at: Sequence[float], marks: Marks
) -> Question:
    parameters = _parameters(asked)
    parts = [
        f"{head}, '{name}' AS measure, {HISTOGRAMS[name][0]} AS value FROM calls "
        f"WHERE {where} AND {HISTOGRAMS[name][1]} AND ({HISTOGRAMS[name][0]}) IS NOT NULL"
        for _, head, where in _heads(dialect, asked, marks, parameters)
        for name in histograms
    ]
    picks = "".join(f", {one}, {one}" for one in (dialect.quantile("value", quantile) for quantile in at))
    only, top = _top(asked, "count(*)")
    sql = (
        f"WITH parts AS ({' UNION ALL '.join(parts)}){top} "  # noqa: S608 - our own words
        f"SELECT measure, label, step, count(*), avg(value){picks} FROM parts{only} "
        "GROUP BY measure, label, step ORDER BY measure, label, step"
    )
    return Question(EXACT, sql, parameters)


def _top(asked: Asked, weight: str) -> tuple[str, str]:
    """Returns the condition that keeps the heaviest labels, and what it stands on."""
    if asked.by is None:
        return "", ""
    return " WHERE label IN (SELECT label FROM top)", (
        f", top AS (SELECT label FROM parts GROUP BY label ORDER BY {weight} DESC, label "  # noqa: S608 - our own words
        f"LIMIT {asked.most_labels:d})"
    )


def _picks(quantile: float) -> Iterator[str]:
    """Yields the values around a quantile: of the rank below it and of the rank above it."""
    place = f"({quantile!r} * (whole - 1))"
    for rank in ("floor", "ceil"):
        yield f"min(CASE WHEN upto > {rank}({place}) THEN {middle_sql('bucket')} END)"


def _quantiles(row: tuple[Any, ...], at: Sequence[float]) -> Quantiles:
    """Puts a quantile between its two ranks, as `quantile_cont` does."""
    count = int(row[3])
    values = []
    for number, quantile in enumerate(at):
        low, high = float(row[5 + 2 * number]), float(row[6 + 2 * number])
        place = quantile * (count - 1)
        values.append(low + (high - low) * (place - int(place)))
    return Quantiles(count, float(row[4]), tuple(values))


def _parameters(asked: Asked) -> dict[str, Any]:
    return {f"only_{name}": wanted for name, wanted in asked.only.items()}


def _where(asked: Asked, piece: Piece, number: int, parameters: dict[str, Any]) -> str:
    """Returns the conditions of one piece, and puts its bounds among the parameters."""
    first, last = f"start_{number}", f"end_{number}"
    if piece.source == "rows":
        parameters[first], parameters[last] = piece.start_ms * MS, piece.end_ms * MS
        clauses = [f"at_ns >= ${first}", f"at_ns < ${last}", SCOPES[asked.scope]]
    else:
        parameters[first], parameters[last] = piece.start_ms // MINUTE_MS, piece.end_ms // MINUTE_MS
        clauses = [f"minute >= ${first}", f"minute < ${last}", ROLLED_SCOPES[asked.scope]]
    clauses += [f"{_column(name)} = $only_{name}" for name in asked.only]
    return " AND ".join(clauses)


def _label(asked: Asked) -> str:
    return f"'{WHOLE}'" if asked.by is None else f"coalesce({_column(asked.by)}, '{NOBODY}')"


def _step(dialect: Dialect, asked: Asked, piece: Piece) -> str:
    if piece.source == "rows":
        return dialect.bucket("at_ns", str(asked.start_ms * MS), str(asked.step_ms * MS))
    return dialect.bucket(f"CAST(minute AS BIGINT) * {MINUTE_MS}", str(asked.start_ms), str(asked.step_ms))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


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

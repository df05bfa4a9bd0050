"""Sums and quantiles of calls over any stretch of time, told apart and narrowed by a few dimensions.

They are read from roll-ups where time allows it, and from rows at the edges: so a sum is exact, a quantile
within 2.5 % (exact where there are few calls), and the cost does not grow with what is stored. Quantiles told
apart or narrowed by key or team are read from rows: histograms do not know who asked.

Refuses to know what the numbers are for. Invariant: an answer has at most `most_labels` labels times the
steps asked for, whatever is stored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pilothouse.analytics.cover import MINUTE_MS, Source, cover
from pilothouse.analytics.measures import BY
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.store.buckets import bucket_sql, middle
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.store.rollups import COUNTERS, HISTOGRAM_PLACES, HISTOGRAMS, READ_MARKS, Marks, values_sql

__all__ = [
    "FORMER",
    "LATTER",
    "MOST_EXACT",
    "NOBODY",
    "QUESTIONS",
    "SHADOWS",
    "WHOLE",
    "Asked",
    "Quantiles",
    "Tallies",
    "quantiles",
    "sums",
    "tallies",
]

MARKS = "tallies.marks"
SUMS = "tallies.sums"
QUANTILES = "tallies.quantiles"
EXACT = "tallies.exact_quantiles"
QUESTIONS = (MARKS, SUMS, QUANTILES, EXACT)
MOST_LABELS = 1000
MOST_EXACT = 20_000
SHADOWS = "shadows"
"""The label of shadows, where they are asked for beside the others."""
FORMER, LATTER = -2, -1
"""Numbers of the two parts of a time that is split."""
NOBODY = "none"
"""The label of calls that have no model, deployment, key …"""
WHOLE = ""
"""The label when nothing is told apart."""
MS = 1_000_000
IN_ROWS_ALONE = frozenset(("key", "team"))
"""What histograms do not know."""

Scope = Literal["served", "upstream", "all"]
"""served: calls that somebody made, shadows left out. upstream: what deployments did, shadows and all. all:
both, shadows under a label of their own."""
SCOPES: Mapping[Scope, str] = {
    "served": "shadow_of IS NULL",
    "upstream": "cache IS NULL",
    "all": "1 = 1",
}
ROLLED_SCOPES: Mapping[Scope, str] = {
    "served": "NOT is_shadow",
    "upstream": "NOT is_cached",
    "all": "1 = 1",
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
    split: int | None = None
    """The step before which `FORMER` ends and from which `LATTER` goes on: quantiles of these two as well."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """One histogram's numbers at one label and step."""

    count: int
    mean: float
    values: tuple[float, ...]
    """As many as were asked for."""


Sums = dict[tuple[str, int], dict[str, float | None]]
"""By label and number of step; steps without a call are left out."""
ByHistogram = dict[tuple[str, str, int], Quantiles]
"""By histogram, label and number of step."""


class Tallies:
    """Answers any number of questions about one moment's record."""

    def __init__(self, reader: Reader) -> None:
        """Reads how far calls are rolled up."""
        self._reader = reader
        rows = reader.rows(Question(MARKS, READ_MARKS, {}))
        self._marks = Marks(*map(int, rows[0])) if rows else Marks()

    def count(self, start_ms: int, end_ms: int) -> int:
        """Returns how many calls there were, shadows left out."""
        found, _ = self.sums(Asked(start_ms, end_ms, end_ms - start_ms), ())
        return int(found.get((WHOLE, 0), {}).get("calls") or 0)

    def sums(self, asked: Asked, counters: Sequence[str]) -> tuple[Sums, Question]:
        """Returns calls and each of `counters`, and how it was asked."""
        names = tuple(dict.fromkeys(("calls", *counters)))
        question = _sums_question(self._reader.dialect, asked, names, self._marks)
        found = {
            (str(row[0]), int(row[1])): {
                name: None if value is None else float(value)
                for name, value in zip(names, row[2:], strict=True)
            }
            for row in self._reader.rows(question)
        }
        return found, question

    def quantiles(
        self, asked: Asked, histograms: Sequence[str], at: Sequence[float], *, calls: int | None = None
    ) -> tuple[ByHistogram, Question]:
        """Returns the quantiles `at` of histograms, and how they were asked.

        Args:
            asked: Which calls.
            histograms: Names of `HISTOGRAMS`.
            at: Shares, 0 to 1.
            calls: How many calls there are, where the caller knows.
        """
        is_few = (self.count(asked.start_ms, asked.end_ms) if calls is None else calls) <= asked.most_exact
        knows = IN_ROWS_ALONE.isdisjoint((asked.by, *asked.only))
        ask = _exact_question if is_few else _quantiles_question
        question = ask(self._reader.dialect, asked, histograms, at, self._marks if knows else Marks())
        rows = self._reader.rows(question)
        names = tuple(HISTOGRAMS)
        value = float if is_few else middle
        return {
            (names[row[0]], str(row[1]), int(row[2])): _quantiles(row, at, value) for row in rows
        }, question


@contextmanager
def tallies(record: Readable) -> Iterator[Tallies]:
    """Gives what answers questions, while held."""
    with record.reader() as reader:
        yield Tallies(reader)


def sums(record: Readable, asked: Asked, counters: Sequence[str]) -> tuple[Sums, Question]:
    """Returns calls and each of `counters`, and how it was asked."""
    with tallies(record) as tallied:
        return tallied.sums(asked, counters)


def quantiles(
    record: Readable, asked: Asked, histograms: Sequence[str], at: Sequence[float]
) -> tuple[ByHistogram, Question]:
    """Returns the quantiles `at` of histograms, and how they were asked."""
    with tallies(record) as tallied:
        return tallied.quantiles(asked, histograms, at)


def _sums_question(dialect: Dialect, asked: Asked, names: Sequence[str], marks: Marks) -> Question:
    parameters = _parameters(asked)
    parts = []
    for source, head, where in _parts(dialect, asked, marks, parameters):
        if source == "rows":
            table, columns = "calls", ", ".join(f"sum({COUNTERS[name]}) AS {name}" for name in names)
        else:
            table, columns = f"call_{source}", ", ".join(f"sum({name}) AS {name}" for name in names)
        parts.append(f"SELECT {head}, {columns} FROM {table} WHERE {where} GROUP BY 1, 2")  # noqa: S608 - our own words
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
    for source, head, where in _parts(dialect, asked, marks, parameters):
        if source == "rows":
            parts.append(
                f"SELECT label, step, measure, {bucket_sql('value')} AS bucket, count(*) AS n, "  # noqa: S608 - our own words
                f"sum(value) AS total FROM ({_values(head, where, histograms)}) AS each_value "
                "WHERE value IS NOT NULL GROUP BY 1, 2, 3, 4"
            )
        else:
            parts.append(
                f"SELECT {head}, measure, bucket, sum(count) AS n, sum(total) AS total FROM value_{source} "  # noqa: S608 - as above
                f"WHERE {where} AND measure IN ({_places(histograms)}) GROUP BY 1, 2, 3, 4"
            )
    picks = "".join(f", {pick}" for quantile in at for pick in _picks(quantile))
    only, top = _top(asked, "sum(n)")
    sql = (
        f"WITH parts AS ({' UNION ALL '.join(parts)}){top}, "  # noqa: S608 - as above
        f"steps AS (SELECT measure, label, step, bucket, sum(n) AS n, sum(total) AS total FROM parts{only} "
        f"GROUP BY measure, label, step, bucket), joined AS (SELECT * FROM steps{_split(asked)}), "
        "ranked AS (SELECT measure, label, step, bucket, n, total, "
        "sum(n) OVER (PARTITION BY measure, label, step ORDER BY bucket) AS upto, "
        "sum(n) OVER (PARTITION BY measure, label, step) AS whole FROM joined) "
        f"SELECT measure, label, step, sum(n), sum(total) / sum(n){picks} FROM ranked "
        "GROUP BY measure, label, step ORDER BY measure, label, step"
    )
    return Question(QUANTILES, sql, parameters)


def _split(asked: Asked) -> str:
    if asked.split is None:
        return ""
    part = f"CASE WHEN step < {asked.split:d} THEN {FORMER} ELSE {LATTER} END"
    return (
        f" UNION ALL SELECT measure, label, {part} AS step, bucket, sum(n) AS n, sum(total) AS total "  # noqa: S608 - our own words
        f"FROM steps GROUP BY measure, label, {part}, bucket"
    )


def _exact_question(
    dialect: Dialect, asked: Asked, histograms: Sequence[str], at: Sequence[float], _marks: Marks
) -> Question:
    parameters = _parameters(asked)
    ((_, head, where),) = _parts(dialect, asked, Marks(), parameters)
    picks = "".join(f", {one}, {one}" for one in (dialect.quantile("value", quantile) for quantile in at))
    only, top = _top(asked, "count(*)")
    part = f"CASE WHEN step < {asked.split or 0:d} THEN {FORMER} ELSE {LATTER} END"
    twice = (
        f" UNION ALL SELECT label, {part} AS step, measure, value FROM parts"  # noqa: S608 - as above
        if asked.split is not None
        else ""
    )
    sql = (
        f"WITH parts AS (SELECT * FROM ({_values(head, where, histograms)}) AS each_value "  # noqa: S608 - our own words
        f"WHERE value IS NOT NULL){top}, joined AS (SELECT * FROM parts{twice}) "
        f"SELECT measure, label, step, count(*), avg(value){picks} FROM joined{only} "
        "GROUP BY measure, label, step ORDER BY measure, label, step"
    )
    return Question(EXACT, sql, parameters)


def _values(head: str, where: str, histograms: Sequence[str]) -> str:
    """Returns the question for a row of each call and histogram, with the call's value or NULL."""
    return f"SELECT {head}, {values_sql(histograms)} WHERE {where}"


def _parts(
    dialect: Dialect, asked: Asked, marks: Marks, parameters: dict[str, Any]
) -> Iterator[tuple[Source, str, str]]:
    """Yields each source with the label and step of its rows and their conditions; fills in `parameters`."""
    pieces = cover(asked.start_ms, asked.end_ms, step_ms=asked.step_ms, marks=marks)
    only = [f"{_column(name)} = $only_{name}" for name in asked.only]
    for source in dict.fromkeys(piece.source for piece in pieces):
        is_rows = source == "rows"
        column, unit = ("at_ns", MS) if is_rows else ("minute", MINUTE_MS)
        times = []
        for number, piece in enumerate(pieces):
            if piece.source == source:
                first, last = f"start_{number}", f"end_{number}"
                bounds = (piece.start_ms, piece.end_ms)
                parameters[first], parameters[last] = (
                    (bound * unit if is_rows else bound // unit) for bound in bounds
                )
                times.append(f"({column} >= ${first} AND {column} < ${last})")
        scope = (SCOPES if is_rows else ROLLED_SCOPES)[asked.scope]
        head = f"{_label(asked, source)} AS label, {_step(dialect, asked, source)} AS step"
        groups = [[one] for one in times] if is_rows else [times]  # rows of one time are found by its bounds
        for group in groups:
            yield source, head, " AND ".join((f"({' OR '.join(group)})", scope, *only))


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
        yield f"min(CASE WHEN upto > {rank}({place}) THEN bucket END)"


def _quantiles(row: tuple[Any, ...], at: Sequence[float], value: Callable[[Any], float]) -> Quantiles:
    """Puts a quantile between its two ranks, as `quantile_cont` does."""
    count = int(row[3])
    values = []
    for number, quantile in enumerate(at):
        low, high = value(row[5 + 2 * number]), value(row[6 + 2 * number])
        place = quantile * (count - 1)
        values.append(low + (high - low) * (place - int(place)))
    return Quantiles(count, float(row[4]), tuple(values))


def _parameters(asked: Asked) -> dict[str, Any]:
    return {f"only_{name}": wanted for name, wanted in asked.only.items()}


def _label(asked: Asked, source: Source) -> str:
    if asked.scope == "all":
        is_shadow = "shadow_of IS NOT NULL" if source == "rows" else "is_shadow"
        return f"CASE WHEN {is_shadow} THEN '{SHADOWS}' ELSE '{WHOLE}' END"
    return f"'{WHOLE}'" if asked.by is None else f"coalesce({_column(asked.by)}, '{NOBODY}')"


def _step(dialect: Dialect, asked: Asked, source: Source) -> str:
    if asked.start_ms + asked.step_ms >= asked.end_ms:
        return "0"
    if source == "rows":
        return dialect.bucket("at_ns", str(asked.start_ms * MS), str(asked.step_ms * MS))
    return dialect.bucket(f"CAST(minute AS BIGINT) * {MINUTE_MS}", str(asked.start_ms), str(asked.step_ms))


def _places(names: Iterable[str]) -> str:
    return ", ".join(str(HISTOGRAM_PLACES[name]) for name in names)


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

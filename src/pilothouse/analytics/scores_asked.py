"""Scores over time: feedback and custom metrics, from the rows themselves.

Refuses to know who scored. Invariant: as that of `tallies`.
"""

from typing import Any

from pilothouse.analytics.measures import METRIC_PREFIX, Measure
from pilothouse.analytics.tallies import NOBODY, WHOLE, Asked
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "score_values"]

NAME = "scores.over_time"
QUESTIONS = (NAME,)
COLUMNS = {"model": "model", "deployment": "deployment", "key": "key_id", "team": "team"}
MS = 1_000_000
UP = "avg(CASE WHEN value >= 0.5 THEN 1.0 ELSE 0.0 END)"


def score_values(
    record: Readable, measure: Measure, asked: Asked
) -> tuple[dict[tuple[str, int], float | None], Question]:
    """Returns a measure of scores, by label and number of step, and how it was asked."""
    label = f"'{WHOLE}'" if asked.by is None else f"coalesce({_column(asked.by)}, '{NOBODY}')"
    clauses = ["at_ns >= $start_ns", "at_ns < $end_ns", "source = $source"]
    parameters: dict[str, Any] = {
        "start_ns": asked.start_ms * MS,
        "end_ns": asked.end_ms * MS,
        "step_ns": asked.step_ms * MS,
        "source": measure.top[0],
    }
    for name, wanted in asked.only.items():
        clauses.append(f"{_column(name)} = $only_{name}")
        parameters[f"only_{name}"] = wanted
    number = "avg(value)"
    if measure.name == "feedback_count":
        number = "count(*)"
    elif measure.name == "feedback_up_share":
        number = UP
        clauses.append("kind = 'thumbs'")
    else:
        own, _, version = measure.name.removeprefix(METRIC_PREFIX).partition("@")
        parameters["name"] = own
        clauses.append("name = $name")
        if version.isdecimal():
            parameters["version"] = int(version)
            clauses.append("version = $version")
        else:  # of another version, values mean something else
            newest = "SELECT max(version) FROM scores WHERE source = 'metric' AND name = $name"
            clauses.append(f"version = ({newest})")
    where = " AND ".join(clauses)
    sql = (
        f"WITH parts AS (SELECT {label} AS label, "  # noqa: S608 - our own words
        "CAST(floor((at_ns - $start_ns) / $step_ns) AS INTEGER) AS step, "
        f"value, kind FROM scores WHERE {where}), "
        "top AS (SELECT label FROM parts GROUP BY label ORDER BY count(*) DESC, label "
        f"LIMIT {asked.most_labels}) SELECT label, step, {number} FROM parts "
        "WHERE label IN (SELECT label FROM top) GROUP BY label, step ORDER BY label, step"
    )
    question = Question(NAME, sql, parameters)
    with record.reader() as reader:
        rows = reader.rows(question)
    found = {(str(row[0]), int(row[1])): None if row[2] is None else float(row[2]) for row in rows}
    return found, question


def _column(name: str) -> str:
    column = COLUMNS.get(name)
    if column is None:
        raise InvalidRequestError(
            f"scores cannot be told apart by {name!r}",
            hint=f"by one of {', '.join(COLUMNS)}",
            code="unknown_dimension",
            param="by",
        )
    return column

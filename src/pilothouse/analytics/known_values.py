"""Values that were on record lately, for completing a filter.

Refuses to know filters' text. Invariant: a question here reads a bounded stretch of time.
"""

from collections.abc import Mapping

from pilothouse.analytics.trace_matches import newest
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "known_values"]

QUESTIONS = ("values.of_calls", "values.of_spans")
OF_CALLS = frozenset(
    {"model", "model_answered", "provider", "deployment", "team", "operation", "error_code", "experiment",
     "arm", "purpose"}
)  # fmt: skip
OF_SPANS = {"model", "provider", "team", "operation", "service", "agent", "tool", "name"}
EXPRESSIONS = {"error_code": "coalesce(error_code, error_type)"}
STRETCH_NS = 600 * 10**9
MOST = 50


def known_values(record: Readable, field: str, key_names: Mapping[str, str]) -> list[str]:
    """Returns values of a field in the last ten minutes that anything was on record, the commonest first."""
    if field == "key":
        return sorted({name for name in key_names.values() if name})[:MOST]
    parts = []
    if field in OF_CALLS:
        expression = EXPRESSIONS.get(field, field)
        parts.append(f"SELECT {expression} AS known FROM calls WHERE at_ns >= $low")  # noqa: S608 - one of our names
    if field in OF_SPANS:
        parts.append(f"SELECT {field} AS known FROM spans WHERE at_ns >= $low")  # noqa: S608 - one of our names
    if not parts:
        return []
    text = (
        f"SELECT known FROM ({' UNION ALL '.join(parts)}) AS lately WHERE known IS NOT NULL "  # noqa: S608 - our own words
        "GROUP BY known ORDER BY count(*) DESC, known LIMIT $limit"
    )
    with record.reader() as reader:
        given = {"low": newest(reader) - STRETCH_NS, "limit": MOST}
        name = "values.of_calls" if field in OF_CALLS else "values.of_spans"
        return [str(row[0]) for row in reader.rows(Question(name, text, given))]

"""Whether a custom metric can be computed, and where it is wrong if not.

Refuses to know values. Invariant: what passes can be computed of every call.
"""

import re
from collections.abc import Iterator

from pilothouse.monitors.metrics.expression import read_expression
from pilothouse.monitors.metrics.faults import ExpressionError
from pilothouse.monitors.metrics.settings import MetricSettings
from pilothouse.store.named_sql import SqlError, check_sql

__all__ = ["problems"]

NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


def problems(name: str, settings: MetricSettings) -> Iterator[tuple[str | None, str, str]]:
    """Yields each mistake in a metric: the setting, what is wrong, what to do."""
    if NAME.match(name) is None:
        yield None, "its name is not allowed", "Use small letters, figures and `_`, up to 64."
    given = [each for each in ("expression", "measure", "sql") if getattr(settings, each) is not None]
    if len(given) != 1:
        yield (
            given[1] if given else None,
            "it needs exactly one of `expression`, `measure` and `sql`",
            f"It has {' and '.join(given) or 'none'}.",
        )
    yield from _expression_problems(settings)
    if settings.where is not None and settings.expression is None:
        yield "where", "`where` goes with `expression`", "Put the condition into the SQL, or take it out."
    if settings.sql is not None:
        try:
            check_sql(settings.sql)
        except SqlError as error:
            yield "sql", str(error), "Write one SELECT over calls, spans, scores and their roll-ups."


def _expression_problems(settings: MetricSettings) -> Iterator[tuple[str, str, str]]:
    for setting in ("expression", "where"):
        text = getattr(settings, setting)
        if text is None:
            continue
        try:
            kind = read_expression(text).kind
        except ExpressionError as error:
            yield setting, f"{error.message} (column {error.position} of `{text[:60]}`)", error.hint
            continue
        wanted = "boolean" if setting == "where" else settings.type
        if kind == "text":
            yield setting, "it is a text", "`number(…)`, `length(…)` or a comparison makes it a number."
        elif wanted is not None and kind != wanted:
            yield (
                setting,
                f"it is a {kind}, not a {wanted}",
                "`one(condition)` makes a number of a condition.",
            )

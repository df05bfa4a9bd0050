"""Asks a named SQL: on a connection of its own, in a read-only transaction, within a time.

The database it asks has `enable_external_access = false` and a locked configuration; its memory limit is the
record's (`analytics.memory_mb`).

Refuses to know what is asked. Invariant: nothing is written, whatever the text.
"""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from pilothouse.monitors.metrics.faults import NoValueError

__all__ = ["Confined", "Row", "ask"]

MOST_ROWS = 100
MOST_MS = 5000
DIMENSIONS = ("model", "deployment", "key_id", "team")
PARAMETER = re.compile(r"\$(start_ns|end_ns)\b")


class Confined(Protocol):
    """Whoever opens connections to the record whose bounds are locked."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Returns a connection of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value, and of what."""

    value: float
    dimensions: Mapping[str, str]


def ask(record: Confined, sql: str, *, start_ns: int, end_ns: int) -> list[Row]:
    """Returns the values that a question has.

    Raises:
        NoValueError: it failed, took too long, or has no column `value` of numbers; its reason begins with a
            word for the counter.
    """
    given = {"start_ns": start_ns, "end_ns": end_ns}
    parameters = {name: given[name] for name in PARAMETER.findall(sql)}
    connection = record.cursor()
    try:
        connection.execute(f"SET SESSION max_execution_time = {MOST_MS}")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        answer = connection.execute(sql, parameters)
        names = [column[0].lower() for column in answer.description or ()]
        rows = answer.fetchmany(MOST_ROWS + 1)
    except duckdb.InterruptException as error:
        raise NoValueError(f"too_slow: it took over {MOST_MS / 1000:g} s and was given up") from error
    except duckdb.OutOfMemoryException as error:
        raise NoValueError("too_large: it needs more memory than analytics.memory_mb") from error
    except duckdb.Error as error:
        raise NoValueError(f"failed: {str(error).splitlines()[0][:300]}") from error
    finally:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        connection.close()
    return _rows(names, rows)


def _rows(names: list[str], rows: list[tuple[Any, ...]]) -> list[Row]:
    if "value" not in names:
        raise NoValueError(f"no_value_column: its columns are {', '.join(names)[:200]}")
    if len(rows) > MOST_ROWS:
        raise NoValueError(f"too_many_rows: more than {MOST_ROWS}")
    found = []
    for row in rows:
        given = dict(zip(names, row, strict=True))
        value = given["value"]
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise NoValueError("not_a_number: `value` holds what is no number") from None
        if math.isfinite(number):
            found.append(Row(number, {name: str(given[name]) for name in DIMENSIONS if given.get(name)}))
    return found

"""Named SQL of operators: whether a text is one question to the record and nothing else, and its answer.

DuckDB parses it; its tree is then searched: one SELECT (DuckDB lets a SELECT hold a DELETE), known tables
only, no function that reads files, settings or sequences. It is asked on a connection of its own, in a
read-only transaction, within a time. The database has `enable_external_access = false` and a locked
configuration; its memory limit is the record's (`analytics.memory_mb`).

Refuses to know what is asked. Invariant: nothing is written and no file is read, whatever the text.
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import duckdb

__all__ = ["TABLES", "Confined", "SqlError", "SqlRow", "ask_sql", "check_sql"]

TABLES = frozenset(
    (
        "calls", "spans", "scores", "call_minutes", "call_hours", "value_minutes", "value_hours",
        "metric_points", "log_records",
    )
)  # fmt: skip
TABLE_FUNCTIONS = frozenset(("range", "generate_series", "unnest"))
FORBIDDEN = frozenset(
    (
        "getenv",
        "nextval",
        "currval",
        "getvariable",
        "current_setting",
        "query",
        "query_table",
        "pragma_version",
    )
)
FILE_WORDS = ("read_", "parquet_", "sniff_", "glob", "duckdb_", "pragma_", "write_", "checkpoint", "sql_auto")
MOST_ROWS = 100
MOST_MS = 5000
DIMENSIONS = ("model", "deployment", "key_id", "team")
PARAMETER = re.compile(r"\$(start_ns|end_ns)\b")


class SqlError(ValueError):
    """A text is no question that may be asked, or it has no answer."""

    def __init__(self, message: str, *, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason
        """A word for it, to count it by."""


class Confined(Protocol):
    """Whoever opens connections to the record whose bounds are locked."""

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Returns a connection of its own."""


@dataclass(frozen=True, slots=True)
class SqlRow:
    """One value, and of what."""

    value: float
    dimensions: Mapping[str, str]


def check_sql(sql: str) -> None:
    """Checks one question.

    Raises:
        SqlError: it is not one, and why.
    """
    import duckdb  # only where a metric has SQL: the supervisor reads settings too

    connection = duckdb.connect(":memory:", config={"autoload_known_extensions": "false"})
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SqlError("it is not one SELECT")
        row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    except duckdb.Error as error:
        raise SqlError(str(error).splitlines()[0]) from error
    finally:
        connection.close()
    tree = msgspec.json.decode(str(row[0]) if row else "{}")
    if tree.get("error"):
        raise SqlError(str(tree.get("error_message", "it cannot be read")))
    nodes = list(_nodes(tree))
    named = {str(entry["key"]).lower() for node in nodes for entry in _entries(node)}
    for node in nodes:
        _check_node(node, named)


def _check_node(node: dict[str, Any], named: set[str]) -> None:
    kind = node.get("type")
    if isinstance(kind, str) and kind.endswith("_QUERY_NODE"):
        raise SqlError("it changes something")
    if kind == "BASE_TABLE":
        table = str(node.get("table_name", "")).lower()
        if (
            (table not in TABLES and table not in named)
            or node.get("schema_name")
            or node.get("catalog_name")
        ):
            raise SqlError(f"it may not read {table!r}; tables are {', '.join(sorted(TABLES))}")
    if kind == "TABLE_FUNCTION":
        function = node.get("function") or {}
        name = str(function.get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise SqlError(f"it may not use {name!r}")
    if node.get("class") == "FUNCTION":
        name = str(node.get("function_name", "")).lower()
        if name in FORBIDDEN or name.startswith(FILE_WORDS):
            raise SqlError(f"it may not use {name!r}")


def _entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the named parts (`WITH … AS`) of a node."""
    parts = node.get("cte_map")
    found = parts.get("map") if isinstance(parts, dict) else None
    return found if isinstance(found, list) else []


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def ask_sql(record: Confined, sql: str, *, start_ns: int, end_ns: int) -> list[SqlRow]:
    """Returns the values that a question has.

    Raises:
        SqlError: it failed, took too long, or has no column `value` of numbers.
    """
    import duckdb

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
        raise SqlError(f"it took over {MOST_MS / 1000:g} s and was given up", reason="too_slow") from error
    except duckdb.OutOfMemoryException as error:
        raise SqlError("it needs more memory than analytics.memory_mb", reason="too_large") from error
    except duckdb.Error as error:
        raise SqlError(f"{str(error).splitlines()[0][:300]}", reason="failed") from error
    finally:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        connection.close()
    return _rows(names, rows)


def _rows(names: list[str], rows: list[tuple[Any, ...]]) -> list[SqlRow]:
    if "value" not in names:
        raise SqlError(f"its columns are {', '.join(names)[:200]}", reason="no_value_column")
    if len(rows) > MOST_ROWS:
        raise SqlError(f"more than {MOST_ROWS}", reason="too_many_rows")
    found = []
    for row in rows:
        given = dict(zip(names, row, strict=True))
        value = given["value"]
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise SqlError("`value` holds what is no number", reason="not_a_number") from None
        if math.isfinite(number):
            found.append(SqlRow(number, {name: str(given[name]) for name in DIMENSIONS if given.get(name)}))
    return found

"""Whether a named SQL is one question to the record and nothing else.

DuckDB parses it; its tree is then searched: one SELECT (DuckDB lets a SELECT hold a DELETE), known tables
only, no function that reads files, settings or sequences. It is run in a read-only transaction besides.

Refuses to know what it asks. Invariant: what passes reads nothing but the tables named here.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["TABLES", "SqlError", "check_sql"]

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


class SqlError(ValueError):
    """A text is no question that may be asked."""


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

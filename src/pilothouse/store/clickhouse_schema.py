"""ClickHouse's tables, made from the embedded ones: the same names and columns, wide and append-only.

`store/schema.py` is run on an empty DuckDB in memory, and what it gives is told to ClickHouse: so one file
says what a row is, and a new column there is a new column here. A partition is a day, rows of it are dropped
whole when their time is over. Roll-ups stay empty: ClickHouse reads rows.

Refuses to know rows. Invariant: columns are only ever added.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb

from pilothouse.store.schema import CONTENT_SCHEMA, MIGRATIONS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["SHIPPED", "ClickHouseTable", "make_tables", "statements"]

TYPES = {
    "VARCHAR": "String",
    "BIGINT": "Int64",
    "INTEGER": "Int32",
    "SMALLINT": "Int16",
    "UTINYINT": "UInt8",
    "UINTEGER": "UInt32",
    "UBIGINT": "UInt64",
    "DOUBLE": "Float64",
    "BOOLEAN": "Bool",
    "BLOB": "String",
}
FEW_VALUES = frozenset(
    {
        "operation", "outcome", "model", "model_answered", "provider", "deployment", "key_id", "team",
        "purpose", "error_type", "error_code", "price_source", "dialect", "cache", "experiment", "arm",
        "priority", "kind", "status", "service", "scope", "convention", "agent", "tool", "source",
        "severity", "event_name", "unit", "name",
    }
)  # fmt: skip
"""Texts that repeat: kept as numbers with a dictionary."""
DAY_S = 86_400
MOST_DAYS = 20_000
"""ClickHouse counts the seconds of a TTL in 32 bits: they end in 2106."""
DEDUPLICATION_WINDOW = 10_000
"""Blocks of which ClickHouse remembers that it has them; only the last shipment is ever sent again."""


@dataclass(frozen=True, slots=True)
class ClickHouseTable:
    """How one table is laid out."""

    name: str
    order: str
    retained_as: str
    """The class of `analytics.keep_days` that says how long its rows are kept."""
    seconds: str = "intDiv(at_ns, 1000000000)"
    """When a row was, in Unix seconds."""
    sought: tuple[str, ...] = ()
    """Columns with a filter of their own, since rows are sought by them alone."""
    engine: str = "MergeTree"


SHIPPED: tuple[ClickHouseTable, ...] = (
    ClickHouseTable(
        "content", "at_ns, call_id, part", "content", sought=("call_id",), engine="ReplacingMergeTree"
    ),
    ClickHouseTable(
        "calls", "at_ns, call_id", "metadata", sought=("call_id", "request_id", "trace_id", "conversation_id")
    ),
    ClickHouseTable("spans", "at_ns, trace_id, span_id", "spans", sought=("trace_id", "conversation_id")),
    ClickHouseTable("scores", "at_ns, score_id", "scores", sought=("call_id", "trace_id", "request_id")),
    ClickHouseTable("trace_hints", "trace_key, at_s", "metadata", seconds="at_s"),
    ClickHouseTable("metric_points", "name, at_ns", "metric_points"),
    ClickHouseTable("log_records", "at_ns, log_id", "logs", sought=("trace_id",)),
)
"""The tables with rows, in the order in which a shipment goes in: a call that is seen has its content."""
EMPTY = ("call_minutes", "call_hours", "value_minutes", "value_hours", "rollups")
"""Tables that questions name and ClickHouse has no rows of."""


@lru_cache(maxsize=1)
def _columns() -> dict[str, tuple[tuple[str, str, bool], ...]]:
    """Returns each table's columns as DuckDB has them: name, type, whether NULL may be in it."""
    connection = duckdb.connect(":memory:")
    try:
        for migration in MIGRATIONS:
            for statement in migration:
                connection.execute(statement)
        for statement in CONTENT_SCHEMA:
            if ".content (" in statement:
                connection.execute(
                    statement.format(content="main").replace("USING COMPRESSION uncompressed", "")
                )
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE schema_name = 'main' ORDER BY table_name, column_index"
        ).fetchall()
    finally:
        connection.close()
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for table, name, kind, is_nullable in rows:
        found.setdefault(str(table), []).append((str(name), str(kind), bool(is_nullable)))
    return {table: tuple(columns) for table, columns in found.items()}


def statements(database: str, keep_days: dict[str, int]) -> list[str]:
    """Returns what makes the tables.

    Args:
        database: Their database.
        keep_days: Days by class.
    """
    made: list[str] = []
    for table in SHIPPED:
        columns = [_column(*column, table) for column in _columns()[table.name]]
        columns += [f"INDEX by_{name} {name} TYPE bloom_filter(0.01) GRANULARITY 4" for name in table.sought]
        made.append(
            f"CREATE TABLE IF NOT EXISTS `{database}`.{table.name} ({', '.join(columns)}) "
            f"ENGINE = {table.engine} PARTITION BY intDiv({table.seconds}, {DAY_S}) "
            f"ORDER BY ({table.order}) TTL {_until(table, keep_days)} SETTINGS ttl_only_drop_parts = 1, "
            f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
        )
    for name in EMPTY:
        columns = [_column(*column, None) for column in _columns()[name]]
        made.append(f"CREATE TABLE IF NOT EXISTS `{database}`.{name} ({', '.join(columns)}) ENGINE = Null")
    return made


def make_tables(client: "Client", database: str, keep_days: dict[str, int]) -> None:
    """Makes the tables, adds columns they lack, and changes how long rows are kept, where that is due."""
    for statement in statements(database, keep_days):
        client.command(statement)
    there = client.query(
        "SELECT table, name FROM system.columns WHERE database = {database:String}",
        parameters={"database": database},
    ).result_rows
    known = {(str(table), str(name)) for table, name in there}
    made = client.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = {database:String}",
        parameters={"database": database},
    ).result_rows
    texts = {str(name): str(text) for name, text in made}
    for table in SHIPPED:
        place = f"`{database}`.{table.name}"
        for column in _columns()[table.name]:
            if (table.name, column[0]) not in known:
                client.command(f"ALTER TABLE {place} ADD COLUMN IF NOT EXISTS {_column(*column, table)}")
        if f"toIntervalDay({_days(table, keep_days)})" not in texts[table.name]:
            client.command(f"ALTER TABLE {place} MODIFY TTL {_until(table, keep_days)}")


def _days(table: ClickHouseTable, keep_days: dict[str, int]) -> int:
    return min(keep_days[table.retained_as], MOST_DAYS)


def _until(table: ClickHouseTable, keep_days: dict[str, int]) -> str:
    return f"toDateTime({table.seconds}, 'UTC') + INTERVAL {_days(table, keep_days)} DAY DELETE"


def _column(name: str, kind: str, is_nullable: bool, table: ClickHouseTable | None) -> str:  # noqa: FBT001 - a row
    told = TYPES[kind]
    is_ordered = table is not None and name in table.order.split(", ")
    if is_nullable and not is_ordered:
        told = f"Nullable({told})"
    if kind == "VARCHAR" and name in FEW_VALUES and not is_ordered:
        told = f"LowCardinality({told})"
    return f"`{name}` {told}"

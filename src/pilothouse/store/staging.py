"""Decoded telemetry on its way into the analytics files: Parquet that a decoder writes and control inserts.

A decoder may not open the analytics files (one process has them), and handing rows over a pipe would cost
control's interpreter 30 µs a row; reading Parquet costs it 2. What a sender sent twice (its first answer was
lost) is left out by trace, span and time.

Refuses to know what a span is for. Invariant: `insert` puts the rows of a batch and how far the journal is
read in one transaction; the content of a day goes before, with that day's own mark.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.bulk import bulk_insert

__all__ = ["SPAN_PART", "TABLES", "Reached", "Staged", "Stager", "forget", "insert", "known_positions"]

SPAN_PART = 2
"""`part` of the content of spans, scores and log records."""
CONTENT = "content"
CONTENT_COLUMNS = (
    ("call_id", "VARCHAR"),
    ("at_ns", "BIGINT"),
    ("subject", "VARCHAR"),
    ("part", "UTINYINT"),
    ("sealed", "BLOB"),
)
TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "spans": (
        ("trace_id", "VARCHAR"),
        ("span_id", "VARCHAR"),
        ("at_ns", "BIGINT"),
        ("name", "VARCHAR"),
        ("parent_span_id", "VARCHAR"),
        ("duration_ms", "DOUBLE"),
        ("kind", "VARCHAR"),
        ("operation", "VARCHAR"),
        ("status", "VARCHAR"),
        ("error_type", "VARCHAR"),
        ("service", "VARCHAR"),
        ("scope", "VARCHAR"),
        ("convention", "VARCHAR"),
        ("provider", "VARCHAR"),
        ("model", "VARCHAR"),
        ("model_answered", "VARCHAR"),
        ("agent", "VARCHAR"),
        ("tool", "VARCHAR"),
        ("conversation_id", "VARCHAR"),
        ("subject", "VARCHAR"),
        ("key_id", "VARCHAR"),
        ("team", "VARCHAR"),
        ("input_tokens", "BIGINT"),
        ("output_tokens", "BIGINT"),
        ("cached_tokens", "BIGINT"),
        ("reasoning_tokens", "BIGINT"),
        ("cost_usd", "DOUBLE"),
        ("first_token_ms", "DOUBLE"),
        ("finish_reasons", "VARCHAR"),
        ("request_id", "VARCHAR"),
        ("attributes", "VARCHAR"),
        ("has_content", "BOOLEAN"),
    ),
    "scores": (
        ("score_id", "VARCHAR"),
        ("at_ns", "BIGINT"),
        ("source", "VARCHAR"),
        ("name", "VARCHAR"),
        ("version", "INTEGER"),
        ("kind", "VARCHAR"),
        ("value", "DOUBLE"),
        ("label", "VARCHAR"),
        ("call_id", "VARCHAR"),
        ("request_id", "VARCHAR"),
        ("trace_id", "VARCHAR"),
        ("span_id", "VARCHAR"),
        ("model", "VARCHAR"),
        ("deployment", "VARCHAR"),
        ("key_id", "VARCHAR"),
        ("team", "VARCHAR"),
        ("subject", "VARCHAR"),
        ("has_content", "BOOLEAN"),
    ),
    "log_records": (
        ("at_ns", "BIGINT"),
        ("log_id", "VARCHAR"),
        ("severity", "VARCHAR"),
        ("event_name", "VARCHAR"),
        ("service", "VARCHAR"),
        ("key_id", "VARCHAR"),
        ("trace_id", "VARCHAR"),
        ("span_id", "VARCHAR"),
        ("subject", "VARCHAR"),
        ("has_content", "BOOLEAN"),
    ),
    "metric_points": (
        ("at_ns", "BIGINT"),
        ("name", "VARCHAR"),
        ("kind", "VARCHAR"),
        ("unit", "VARCHAR"),
        ("service", "VARCHAR"),
        ("key_id", "VARCHAR"),
        ("labels", "VARCHAR"),
        ("value", "DOUBLE"),
        ("count", "BIGINT"),
        ("total", "DOUBLE"),
        ("bounds", "VARCHAR"),
        ("counts", "VARCHAR"),
    ),
}
"""The tables that decoders fill, and their columns."""
IDENTITY = {
    "spans": ("trace_id", "span_id", "at_ns"),
    "scores": ("score_id", "at_ns"),
    "log_records": ("log_id", "at_ns"),
    CONTENT: ("call_id", "at_ns"),
}
"""What tells a row from another: a row that is there already is not inserted again."""
TRACED = ("spans", "log_records")


class Staged(msgspec.Struct, frozen=True):
    """One Parquet file with rows of one table, or with the content of one day."""

    table: str
    path: str
    rows: int
    first_ns: int
    last_ns: int
    day: str | None = None


class Reached(msgspec.Struct, frozen=True):
    """How far a segment of the telemetry journal is read with a batch."""

    segment: str
    position: int
    batches: int
    damages: int
    last_at_ns: int
    is_done: bool = False


class Stager:
    """Writes Parquet files, in a decoder's process."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "512MB"})
        for name, columns in {**TABLES, CONTENT: CONTENT_COLUMNS}.items():
            fields = ", ".join(f"{column} {kind}" for column, kind in columns)
            self._connection.execute(f"CREATE TEMP TABLE {name} ({fields})")

    def write(self, batch: str, table: str, rows: Sequence[tuple[Any, ...]]) -> Staged:
        """Writes rows of `table`, one value a column of `TABLES`."""
        at = next(index for index, (name, _) in enumerate(TABLES[table]) if name == "at_ns")
        path = f"{self._folder}/{batch}-{table}.parquet"
        self._copy(table, TABLES[table], rows, path)
        times = [row[at] for row in rows]
        return Staged(table, path, len(rows), min(times), max(times))

    def write_content(self, batch: str, rows: Sequence[tuple[str, int, str, bytes]]) -> list[Staged]:
        """Writes sealed content (id, time, subject, bytes), one file a day."""
        days: dict[str, list[tuple[Any, ...]]] = {}
        for identity, at_ns, subject, sealed in rows:
            days.setdefault(day_of(at_ns), []).append((identity, at_ns, subject, SPAN_PART, sealed))
        written = []
        for day, found in days.items():
            path = f"{self._folder}/{batch}-{CONTENT}-{day}.parquet"
            self._copy(CONTENT, CONTENT_COLUMNS, found, path)
            times = [row[1] for row in found]
            written.append(Staged(CONTENT, path, len(found), min(times), max(times), day))
        return written

    def close(self) -> None:
        """Lets the connection go."""
        self._connection.close()

    def _copy(
        self, table: str, columns: tuple[tuple[str, str], ...], rows: Sequence[tuple[Any, ...]], path: str
    ) -> None:
        bulk_insert(self._connection, table, columns, list(zip(*rows, strict=True)))
        quoted = path.replace("'", "''")  # COPY takes no parameters
        self._connection.execute(f"COPY {table} TO '{quoted}' (FORMAT parquet, COMPRESSION uncompressed)")
        self._connection.execute(f"TRUNCATE {table}")
        Path(path).chmod(0o600)


def known_positions(analytics: Analytics) -> dict[str, Reached]:
    """Returns how far each segment of the telemetry journal is read."""
    with closing(analytics.cursor()) as connection:
        rows = connection.execute(
            "SELECT name, position, batches, damages, last_at_ns, is_done FROM telemetry_segments"
        ).fetchall()
    return {
        row[0]: Reached(row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4]), row[5]) for row in rows
    }


def forget(analytics: Analytics, segment: str) -> None:
    """Drops how far a segment was read, once its file is deleted."""
    with closing(analytics.cursor()) as connection:
        connection.execute("DELETE FROM telemetry_segments WHERE name = ?", [segment])


def insert(
    analytics: Analytics, staged: Sequence[Staged], reached: Sequence[Reached], *, oldest_day: str
) -> None:
    """Inserts staged files and notes how far the journal is read; then deletes the files.

    Args:
        analytics: The open files.
        staged: The files.
        reached: How far the journal is read when their rows are in.
        oldest_day: Content of days before it is past its retention, and left out.

    Raises:
        duckdb.Error: nothing of the rows is in; try again with the same files.
    """
    with closing(analytics.cursor()) as connection:
        _insert_contents(analytics, connection, staged, oldest_day)
        connection.execute("BEGIN")
        try:
            _insert_rows(connection, staged, reached)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):  # a COMMIT that met a full disk has ended the transaction already
                connection.execute("ROLLBACK")
            raise
    for file in staged:
        Path(file.path).unlink(missing_ok=True)


def _insert_rows(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], reached: Sequence[Reached]
) -> None:
    for table, columns in TABLES.items():
        files = [file for file in staged if file.table == table]
        if files:
            _insert_all(connection, table, table, columns, files)
            if table in TRACED:
                _insert_hints(connection, files)
    for one in reached:
        connection.execute(
            "INSERT OR REPLACE INTO telemetry_segments VALUES (?, ?, ?, ?, ?, ?)",
            list(msgspec.structs.astuple(one)),
        )


def _insert_contents(
    analytics: Analytics, connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged], oldest_day: str
) -> None:
    days: dict[str, list[Staged]] = {}
    for file in staged:
        if file.day is not None and file.day >= oldest_day:
            days.setdefault(file.day, []).append(file)
    for day, files in days.items():
        with analytics.lock:
            schema = analytics.attach(day, create=True)
            _insert_all(connection, f"{schema}.{CONTENT}", CONTENT, CONTENT_COLUMNS, files)


def _insert_all(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    table: str,
    columns: tuple[tuple[str, str], ...],
    files: Sequence[Staged],
) -> None:
    """Inserts the files' rows, each identity once and none that is there already."""
    names = ", ".join(name for name, _ in columns)
    source = f"SELECT {names} FROM read_parquet($files)"  # noqa: S608 - our own names
    parameters: dict[str, Any] = {"files": [file.path for file in files]}
    identity = IDENTITY.get(table)
    if identity is not None:
        keys = ", ".join(identity)
        same = " AND ".join(f"there.{name} = fresh.{name}" for name in identity)
        source = f"""
            SELECT {names} FROM ({source} QUALIFY row_number() OVER (PARTITION BY {keys}) = 1) AS fresh
            WHERE NOT EXISTS (
                SELECT 1 FROM {target} AS there WHERE {same} AND there.at_ns BETWEEN $first AND $last)"""  # noqa: S608 - our own names
        parameters["first"] = min(file.first_ns for file in files)
        parameters["last"] = max(file.last_ns for file in files)
    connection.execute(f"INSERT INTO {target} ({names}) {source}", parameters)


def _insert_hints(connection: duckdb.DuckDBPyConnection, files: Sequence[Staged]) -> None:
    """Notes in which seconds each trace lies; `trace_key` is the first half of the trace's id."""
    connection.execute(
        """INSERT INTO trace_hints
        SELECT DISTINCT ('0x' || trace_id[1:16])::UBIGINT, (at_ns // 1000000000)::UINTEGER
        FROM read_parquet($files) WHERE trace_id IS NOT NULL""",
        {"files": [file.path for file in files]},
    )

"""The outbox: rows on their way to ClickHouse, in Parquet files beside the embedded files they were put in.

Whoever puts rows on record has the outbox collect them in the same transaction; so a row that is on record
here is sent once, whoever dies when. Feedback waits until it is
joined to its call, an hour at most.

Refuses to know ClickHouse. Invariant: a file that the table `outbox` names is whole and on the disk; one that
it does not name belongs to a transaction that was not committed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import numpy as np

__all__ = ["CONTENT_COLUMNS", "FIRST_OF_TRANSACTION", "Outbox", "write_parquet"]

FIRST_OF_TRANSACTION = 36_028_797_018_960_000
"""DuckDB numbers rows that a transaction has added, and not yet committed, from here on (`MAX_ROW_ID`)."""
TABLES = ("calls", "spans", "scores", "trace_hints", "metric_points", "log_records")
CONTENT_COLUMNS = ("call_id", "at_ns", "subject", "part", "sealed")
SWEPT = "source <> 'evaluation'"
"""Scores that are gathered after they were put on record: feedback when it is joined to its call, and what
custom metrics give."""
HOUR_NS = 3_600 * 10**9
FEEDBACK_NS = 8 * 24 * HOUR_NS
"""Feedback is joined to its call for a week."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS outbox (
        file VARCHAR NOT NULL, table_name VARCHAR NOT NULL, count BIGINT NOT NULL, shipment VARCHAR)""",
    "CREATE TABLE IF NOT EXISTS outbox_scores (score_id VARCHAR NOT NULL, at_ns BIGINT NOT NULL)",
)


class Outbox:
    """Collects what was put on record; for any thread, each with a connection of its own."""

    def __init__(self, folder: str, connection: duckdb.DuckDBPyConnection) -> None:
        """Makes what it needs in the analytics files at `folder`, and drops files of unfinished work."""
        self._folder = Path(folder) / "outbox"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for statement in _TABLES:
            connection.execute(statement)
        known = {row[0] for row in connection.execute("SELECT file FROM outbox").fetchall()}
        shipments = {row[0] for row in connection.execute("SELECT DISTINCT shipment FROM outbox").fetchall()}
        for path in self._folder.iterdir():
            if path.name not in known and path.name.split("-")[0] not in shipments:
                path.unlink()

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def collect(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        contents: Sequence[Sequence[Any]] = (),
        content_files: Sequence[str] = (),
    ) -> None:
        """Keeps the rows that the open transaction of `connection` has added; call it before its end.

        Args:
            connection: What they were added with.
            contents: Sealed content of them: a sequence for each of `CONTENT_COLUMNS`.
            content_files: Parquet files with such content.
        """
        for table in TABLES:
            only = f" AND NOT ({SWEPT})" if table == "scores" else ""
            added = f"SELECT * FROM {table} WHERE rowid >= {FIRST_OF_TRANSACTION}{only}"  # noqa: S608 - our own words
            ((count,),) = connection.execute(f"SELECT count(*) FROM ({added})").fetchall()  # noqa: S608 - as above
            if count:
                self._put(connection, table, added, int(count))
        if contents and contents[0]:
            connection.register("outbox_content", _arrays(contents))
            try:
                self._put(connection, "content", "SELECT * FROM outbox_content", len(contents[0]))
            finally:
                connection.unregister("outbox_content")
        if content_files:
            names = ", ".join(CONTENT_COLUMNS)
            listed = ", ".join("'" + file.replace("'", "''") + "'" for file in content_files)
            rows = f"SELECT {names} FROM read_parquet([{listed}])"  # noqa: S608 - our own files
            self._put(connection, "content", rows, len(content_files))

    def collect_scores(self, connection: duckdb.DuckDBPyConnection, now_ms: int) -> int:
        """Keeps custom metrics, and feedback that is joined to its call or has waited an hour.

        Returns:
            How many scores there were.
        """
        now_ns = now_ms * 1_000_000
        due = (
            f"FROM scores WHERE {SWEPT} AND at_ns >= {now_ns - FEEDBACK_NS:d} "  # noqa: S608 - our own words
            f"AND (source = 'metric' OR call_id IS NOT NULL OR at_ns < {now_ns - HOUR_NS:d}) "
            "AND score_id NOT IN (SELECT score_id FROM outbox_scores)"
        )
        connection.execute("BEGIN")
        try:
            found = connection.execute(f"SELECT count(*) {due}").fetchone()
            count = int(found[0]) if found else 0
            if count:
                self._put(connection, "scores", f"SELECT * {due}", count)
                connection.execute(f"INSERT INTO outbox_scores SELECT score_id, at_ns {due}")
            connection.execute("DELETE FROM outbox_scores WHERE at_ns < ?", [now_ns - 2 * FEEDBACK_NS])
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return count

    def _put(self, connection: duckdb.DuckDBPyConnection, table: str, rows: str, count: int) -> None:
        name = f"{uuid4().hex}-{table}.parquet"
        write_parquet(connection, rows, self._folder / name)
        connection.execute("INSERT INTO outbox VALUES (?, ?, ?, NULL)", [name, table, count]).fetchall()


def write_parquet(
    connection: duckdb.DuckDBPyConnection, rows: str, path: Path, options: str = "ROW_GROUP_SIZE 122880"
) -> int:
    """Writes the rows of a query to a file that is whole on the disk when this returns (0600).

    Returns:
        How many rows there were.
    """
    quoted = str(path).replace("'", "''")  # COPY takes no parameters
    ((count,),) = connection.execute(
        f"COPY ({rows}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, {options})"
    ).fetchall()
    path.chmod(0o600)
    for place, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        handle = os.open(place, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return int(count)


def _arrays(contents: Sequence[Sequence[Any]]) -> dict[str, np.ndarray[Any, Any]]:
    kinds = {"at_ns": np.int64, "part": np.uint8}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, values in zip(CONTENT_COLUMNS, contents, strict=True):
        array = np.empty(len(values), dtype=kinds.get(name, object))
        array[:] = values
        arrays[name] = array
    return arrays

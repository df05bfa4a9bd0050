"""The job that sends the outbox to ClickHouse: everything once, in bulk, and in order.

What waits becomes a shipment with a random name, kept before anything is sent; each table's rows go in one
insert with the shipment's name as its deduplication token. So a shipment that was sent, and of which the
answer or the note of it was lost, is sent again and changes nothing.

Refuses to know what rows mean. Invariant: a row leaves the outbox after ClickHouse has said that it has it.
"""

import logging
from uuid import uuid4

import duckdb

from pilothouse.store.analytics import Analytics
from pilothouse.store.clickhouse_client import ClickHouseLink
from pilothouse.store.clickhouse_schema import SHIPPED
from pilothouse.store.outbox import Outbox, write_parquet

__all__ = ["Shipper"]

log = logging.getLogger(__name__)

MOST_ROWS = 200_000
"""Of one shipment, about: one insert is one block of ClickHouse's."""
SWEPT_EVERY_MS = 2000
ONE_BLOCK = {
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 1024**3,
    "max_insert_threads": 1,
    "async_insert": 0,
    "max_partitions_per_insert_block": 0,
}


class Shipper:
    """Sends what the outbox of `analytics` holds; ticked from one thread."""

    def __init__(self, analytics: Analytics, link: ClickHouseLink) -> None:
        """Takes where rows come from and go; the tables are there."""
        assert analytics.outbox is not None
        self._analytics = analytics
        self._outbox: Outbox = analytics.outbox
        self._link = link
        self._swept_ms = 0
        self.waiting_rows = 0
        """After the last tick."""
        self.sent_rows_total = 0

    def tick(self, now_ms: int) -> bool:
        """Sends one shipment; returns whether there is more.

        Raises:
            UnavailableError: ClickHouse is away; what waits is kept.
        """
        cursor = self._analytics.cursor()
        try:
            if now_ms - self._swept_ms >= SWEPT_EVERY_MS:
                self._outbox.collect_scores(cursor, now_ms)
                self._swept_ms = now_ms
            self._count(cursor)
            shipment = self._begun(cursor) or self._begin(cursor)
            if shipment is None:
                return False
            self._send(cursor, shipment)
            self._count(cursor)
        finally:
            cursor.close()
        return self.waiting_rows > 0

    def _count(self, cursor: duckdb.DuckDBPyConnection) -> None:
        row = cursor.execute("SELECT coalesce(sum(count), 0) FROM outbox").fetchone()
        self.waiting_rows = int(row[0]) if row else 0

    def _begun(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        row = cursor.execute("SELECT shipment FROM outbox WHERE shipment IS NOT NULL LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def _begin(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        """Gives what waits longest the name of a new shipment."""
        rows = cursor.execute("SELECT file, count FROM outbox ORDER BY rowid").fetchall()
        files: list[str] = []
        total = 0
        for file, count in rows:
            if files and total + count > MOST_ROWS:
                break
            files.append(str(file))
            total += int(count)
        if not files:
            return None
        shipment = uuid4().hex
        cursor.execute(
            "UPDATE outbox SET shipment = ? WHERE file IN (SELECT unnest(?::VARCHAR[]))", [shipment, files]
        )
        return shipment

    def _send(self, cursor: duckdb.DuckDBPyConnection, shipment: str) -> None:
        packed = []
        for table in SHIPPED:
            rows = cursor.execute(
                "SELECT file, count FROM outbox WHERE shipment = ? AND table_name = ? ORDER BY file",
                [shipment, table.name],
            ).fetchall()
            if not rows:
                continue
            path = self._outbox.folder / f"{shipment}-{table.name}.parquet"
            if not path.exists():
                listed = ", ".join(f"'{self._quoted(str(file))}'" for file, _ in rows)
                making = path.with_suffix(".making")
                write_parquet(cursor, f"SELECT * FROM read_parquet([{listed}])", making)  # noqa: S608 - our own files
                making.replace(path)
            with self._link.told_plainly():
                self._link.client().raw_insert(
                    f"`{self._link.database}`.{table.name}",
                    insert_block=path.read_bytes(),
                    fmt="Parquet",
                    settings={"insert_deduplication_token": shipment, **ONE_BLOCK},
                )
            packed.append(path)
            self.sent_rows_total += sum(int(count) for _, count in rows)
        sent = cursor.execute("SELECT file FROM outbox WHERE shipment = ?", [shipment]).fetchall()
        cursor.execute("DELETE FROM outbox WHERE shipment = ?", [shipment])
        for path in [*packed, *(self._outbox.folder / str(file) for (file,) in sent)]:
            path.unlink(missing_ok=True)

    def _quoted(self, file: str) -> str:
        return str(self._outbox.folder / file).replace("'", "''")

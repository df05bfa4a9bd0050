"""The archive of cold days: what the record holds of one UTC day, as Parquet that any reader opens.

`<folder>/archive/<day>/` has one file a table, the day's content as it is sealed, and a manifest. Retention
asks here what it must leave until it is archived. (`archive.py` is another thing: a backup's format.)

Refuses to know keys and what is in a row. Invariant: a day's folder is whole or not there, whoever dies when;
a file that is archived is never written anew from fewer rows because retention has dropped some.
"""

import hashlib
import logging
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec

from pilothouse import __version__
from pilothouse.store.analytics import DAY_NAME, DAY_NS, Analytics, day_of
from pilothouse.store.outbox import CONTENT_COLUMNS, write_parquet
from pilothouse.store.schema import MIGRATIONS
from pilothouse.telemetry.settings import JournalSettings

__all__ = ["ColdDays", "ColdFile", "ColdManifest"]

log = logging.getLogger(__name__)

TABLES = {
    "calls": "metadata",
    "spans": "spans",
    "scores": "scores",
    "log_records": "logs",
    "metric_points": "metric_points",
}
"""What is archived besides content: each table and its class."""
CONTENT = "content"
FORMAT = 1
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SETTLING_MS = HOUR_MS - 60_000
"""A day is not written twice within this time, however fast rows come to it."""
ROW_GROUPS = "ROW_GROUP_SIZE 16384"
CONTENT_ROW_GROUPS = "ROW_GROUP_SIZE 8192, ROW_GROUP_SIZE_BYTES '16MB'"
"""Small ones: each is made in memory whole."""


class ColdFile(msgspec.Struct, frozen=True):
    """One file of a day: `<table>.parquet`."""

    rows: int
    size_bytes: int
    sha256: str


class ColdManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a day's folder holds."""

    format: int = FORMAT
    pilothouse: str = __version__
    schema_version: int = len(MIGRATIONS)
    day: str
    written_at_ms: int
    tables: dict[str, ColdFile]


_decode = msgspec.json.Decoder(ColdManifest).decode


class ColdDays:
    """Archives days of `analytics` that are over for long enough, and drops archived content in its time."""

    def __init__(self, analytics: Analytics, settings: JournalSettings) -> None:
        """Takes what it reads, and how long content and calls are kept."""
        self._analytics = analytics
        self._folder = Path(analytics.folder) / "archive"
        self._content_days = settings.content_retention_days
        self._kept = analytics.settings.embedded_days(
            metadata_days=settings.metadata_retention_days, content_days=settings.content_retention_days
        )
        wanted = analytics.settings.archive_after_days
        shortest = min(self._kept[kept] for kept in (*TABLES.values(), CONTENT))
        self._after_days = None if wanted is None else min(wanted, shortest - 1)

    def tick(self, now_ms: int) -> bool:
        """Archives one day that is due; returns whether there may be another. Idempotent."""
        self._tidy()
        self._drop_content(now_ms)
        if self._after_days is None:
            return False
        until = (now_ms - self._after_days * DAY_MS) // DAY_MS
        counts = self._counts(until)
        days = set(counts) | {day for day in self._analytics.days() if day < day_of(until * DAY_NS)}
        return any(self._archive(day, counts.get(day, {}), now_ms) for day in sorted(days))

    def held_from(self, cursor: duckdb.DuckDBPyConnection, table: str, before_ns: int) -> int:
        """Returns the time before which rows of `table` may go: at most the first day not archived."""
        if self._after_days is None or table not in TABLES:
            return before_ns
        rows = cursor.execute(
            f"SELECT DISTINCT at_ns // {DAY_NS} FROM {table} WHERE at_ns < ? AND at_ns >= 0",  # noqa: S608 - our own names
            [before_ns],
        ).fetchall()
        starts = (int(number) * DAY_NS for (number,) in rows)
        return min((start for start in starts if not self._is_archived(day_of(start))), default=before_ns)

    def wants_content(self, day: str, now_ms: int) -> bool:
        """Says whether a day's content must stay for now: it is to be archived, and may still be kept."""
        if self._after_days is None or self._is_archived(day):
            return False
        return day >= self._oldest_content(now_ms)

    def manifest(self, day: str) -> ColdManifest | None:
        """Returns what is archived of `day`, `None` if it is not.

        Raises:
            msgspec.MsgspecError: the manifest is damaged, or a newer Pilothouse's.
        """
        try:
            return _decode((self._folder / day / "manifest.json").read_bytes())
        except FileNotFoundError:
            return None

    def _is_archived(self, day: str) -> bool:
        return (self._folder / day / "manifest.json").is_file()

    def _oldest_content(self, now_ms: int) -> str:
        return day_of((now_ms - self._content_days * DAY_MS) * 1_000_000)

    def _tidy(self) -> None:
        """Ends what a killed process has begun: half-written days go, a replaced one comes back."""
        if not self._folder.exists():
            return
        for old in self._folder.glob("*.old"):
            if old.with_suffix("").exists():
                shutil.rmtree(old)
            else:
                old.rename(old.with_suffix(""))
        for half in self._folder.glob("*.new"):
            shutil.rmtree(half)

    def _drop_content(self, now_ms: int) -> None:
        """Deletes archived content past its time; the manifest goes first, so that it names no lost file."""
        oldest = self._oldest_content(now_ms)
        for path in self._folder.glob(f"*/{CONTENT}.parquet"):
            day = path.parent.name
            if not DAY_NAME.match(day) or day >= oldest:
                continue
            if (found := self._known(day)) is not None and CONTENT in found.tables:
                left = {name: file for name, file in found.tables.items() if name != CONTENT}
                self._put_manifest(path.parent, msgspec.structs.replace(found, tables=left))
            path.unlink()
            log.info("archived content is past its time and deleted", extra={"day": day})

    def _known(self, day: str) -> ColdManifest | None:
        try:
            return self.manifest(day)
        except msgspec.MsgspecError:
            log.warning("the manifest of an archived day cannot be read", extra={"day": day})
            return None

    def _counts(self, until: int) -> dict[str, dict[str, int]]:
        """Returns how many rows each table has of each day before the `until`-th."""
        counts: dict[str, dict[str, int]] = {}
        with closing(self._analytics.cursor()) as cursor:
            for table in TABLES:
                rows = cursor.execute(
                    f"SELECT at_ns // {DAY_NS} AS day, count(*) FROM {table} "  # noqa: S608 - our own names
                    "WHERE at_ns < ? AND at_ns >= 0 GROUP BY day",
                    [until * DAY_NS],
                ).fetchall()
                for number, count in rows:
                    counts.setdefault(day_of(int(number) * DAY_NS), {})[table] = int(count)
        return counts

    def _archive(self, day: str, counts: dict[str, int], now_ms: int) -> bool:
        """Archives a day if it is not, or not as it is now; returns whether it did."""
        found = self._known(day)
        if found is None and self._is_archived(day):
            return False  # a manifest that this version cannot read
        if found is not None and found.written_at_ms > now_ms - SETTLING_MS:
            return False
        stale = set(self._stale(day, counts, found, now_ms))
        if not stale or (found is None and not counts and CONTENT not in stale):
            return False
        self._write(day, stale, found, now_ms)
        return True

    def _stale(
        self, day: str, counts: dict[str, int], found: ColdManifest | None, now_ms: int
    ) -> Iterator[str]:
        """Gives the tables whose file is missing, or out of date with no row dropped by retention yet."""
        archived = found.tables if found is not None else {}
        for table, kept in TABLES.items():
            is_whole = day > self._going(kept, now_ms)
            if table not in archived or (is_whole and counts.get(table, 0) != archived[table].rows):
                yield table
        if day < self._oldest_content(now_ms):
            return
        count = self._content_rows(day)
        if CONTENT not in archived:
            if count:
                yield CONTENT
        elif day > self._going(CONTENT, now_ms) and count not in {None, archived[CONTENT].rows}:
            yield CONTENT

    def _going(self, kept: str, now_ms: int) -> str:
        """Returns the last day of which retention may drop rows of a class within the hour."""
        return day_of((now_ms + HOUR_MS - self._kept[kept] * DAY_MS) * 1_000_000)

    def _content_rows(self, day: str) -> int | None:
        with self._analytics.lock, closing(self._analytics.cursor()) as cursor:
            schema = self._analytics.attach(day)
            if schema is None:
                return None
            row = cursor.execute(f"SELECT count(*) FROM {schema}.content").fetchone()  # noqa: S608 - our own name
            return int(row[0]) if row else None

    def _write(self, day: str, stale: Collection[str], found: ColdManifest | None, now_ms: int) -> None:
        """Writes a day beside its place, then puts it there; files that are not stale are taken over."""
        target, fresh = self._folder / day, self._folder / f"{day}.new"
        fresh.mkdir(mode=0o700, parents=True)
        self._folder.chmod(0o700)
        tables = {}
        for table in (*TABLES, CONTENT):
            path = fresh / f"{table}.parquet"
            if table in stale:
                rows = self._write_content(day, path) if table == CONTENT else self._write_rows(day, path)
                if rows is not None:
                    tables[table] = _described(path, rows)
            elif found is not None and table in found.tables:
                path.hardlink_to(target / path.name)
                tables[table] = found.tables[table]
        self._put_manifest(fresh, ColdManifest(day=day, written_at_ms=now_ms, tables=tables))
        old = self._folder / f"{day}.old"
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        _sync(self._folder)
        if old.exists():
            shutil.rmtree(old)
        log.info("archived a day", extra={"day": day, "rows": sum(file.rows for file in tables.values())})

    def _write_rows(self, day: str, path: Path) -> int:
        start_ns = _start_ns(day)
        rows = (
            f"SELECT * FROM {path.stem} WHERE at_ns >= {start_ns:d} AND at_ns < {start_ns + DAY_NS:d} "  # noqa: S608 - our own names
            "ORDER BY at_ns"
        )
        with closing(self._analytics.cursor()) as cursor:
            return write_parquet(cursor, rows, path, ROW_GROUPS)

    def _write_content(self, day: str, path: Path) -> int | None:
        """Writes a day's content in its order of arrival, from a copy: others wait while the file is held."""
        copy = path.with_suffix(".duckdb")
        with self._analytics.settled_day(day) as source:
            if source is None:
                return None
            # In a process of its own: see `Analytics.copy_calls` on locks. Shares blocks where the disk can.
            subprocess.run(["/bin/cp", "--reflink=auto", source, str(copy)], check=True)
        quoted = str(copy).replace("'", "''")  # ATTACH takes no parameters
        with closing(self._analytics.cursor()) as cursor:
            cursor.execute(f"ATTACH '{quoted}' AS cold_content (READ_ONLY)")
            try:
                rows = f"SELECT {', '.join(CONTENT_COLUMNS)} FROM cold_content.content"  # noqa: S608 - our own names
                count = write_parquet(cursor, rows, path, CONTENT_ROW_GROUPS)
            finally:
                cursor.execute("DETACH cold_content")
        copy.unlink()
        return count

    def _put_manifest(self, folder: Path, manifest: ColdManifest) -> None:
        part = folder / "manifest.json.new"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        part.chmod(0o600)
        _sync(part)
        part.replace(folder / "manifest.json")
        _sync(folder)


def _start_ns(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


def _described(path: Path, rows: int) -> ColdFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return ColdFile(rows, path.stat().st_size, digest.hexdigest())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

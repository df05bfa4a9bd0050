"""The owner of the analytics files: DuckDB opened, migrated, limited, and the content's file of each day.

`calls.duckdb` holds metadata; `content/<day>.duckdb` holds what people and models wrote, still sealed, so
that retention drops one small file. No extension is loaded and no path outside the folder can be reached.

Refuses to know what is asked or projected. Invariant: one process at a time has the files open, with the
newest schema; a newer one is refused, never touched.
"""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import duckdb

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.store.asking import stoppable
from pilothouse.store.duck_reader import DuckReader, told_plainly
from pilothouse.store.outbox import Outbox
from pilothouse.store.schema import CONTENT_SCHEMA, MIGRATIONS
from pilothouse.store.settings import StoreSettings

__all__ = ["Analytics", "day_of"]

DAY_NS = 86_400 * 10**9
DAY_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}$")
MOST_ATTACHED_DAYS = 4
"""Content files kept open at once: each costs memory."""
STORAGE_VERSION = "v1.5.0"


class Analytics:
    """The open analytics files. `cursor()` gives each thread its own connection."""

    def __init__(self, folder: str, connection: duckdb.DuckDBPyConnection, settings: StoreSettings) -> None:
        """Takes its parts; use `Analytics.open`."""
        self._folder = Path(folder)
        self._connection = connection
        self._settings = settings
        self._attached: list[str] = []
        self._lock = threading.RLock()
        self.outbox = Outbox(folder, connection) if settings.url is not None else None
        """Collects what is put on record and is to go to ClickHouse too."""

    @classmethod
    def open(cls, folder: str, *, backups: str, settings: StoreSettings, now_ms: int) -> "Analytics":
        """Opens the files in `folder`, making or migrating them as needed; a copy goes to `backups` first.

        Raises:
            ConfigurationError: another process has them open, or a newer Pilothouse wrote them.
        """
        content = Path(folder) / "content"
        content.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(folder).chmod(0o700)
        path = f"{folder}/calls.duckdb"
        connection = _connect(path, settings)
        try:
            version = _version(connection)
            _refuse_newer(path, version)
            if 0 < version < len(MIGRATIONS):
                connection.close()
                Path(backups).mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copyfile(path, f"{backups}/calls-{version}-{now_ms}.duckdb")
                connection = _connect(path, settings)
            _migrate(connection, version)
            _confine(connection, folder)
        except BaseException:
            connection.close()
            raise
        return cls(folder, connection, settings)

    @property
    def folder(self) -> str:
        """The folder of the files."""
        return str(self._folder)

    @property
    def settings(self) -> StoreSettings:
        """The limits it was opened with."""
        return self._settings

    @property
    def lock(self) -> threading.RLock:
        """Held while content files are attached and used, so that none is detached under a reader."""
        return self._lock

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Returns a connection of its own for the calling thread; the caller closes it."""
        return self._connection.cursor()

    @contextmanager
    def reader(self) -> Iterator[DuckReader]:
        """Gives a reader on which every question is given up after the settings' time.

        Raises:
            UnavailableError: a question took too long, or more memory than is allowed.
        """
        cursor = self._connection.cursor()
        try:
            with told_plainly(self._settings.query_timeout_s), stoppable(cursor.interrupt):
                cursor.execute(
                    f"SET SESSION max_execution_time = {int(self._settings.query_timeout_s * 1000)}"
                )
                yield DuckReader(cursor, self._day_content)
        finally:
            cursor.close()

    def days(self) -> list[str]:
        """Returns the days that have a content file, oldest first."""
        files = (self._folder / "content").glob("*.duckdb")
        return sorted(path.stem for path in files if DAY_NAME.match(path.stem))

    def attach(self, day: str, *, create: bool = False) -> str | None:
        """Attaches the content file of `day` and returns the schema name to use, `None` if there is no file.

        Hold `lock` while using the name.
        """
        path = self._content_path(day)
        name = _alias(day)
        with self._lock:
            if day in self._attached:
                self._attached.remove(day)
                self._attached.append(day)
                return name
            if not create and not path.exists():
                return None
            while len(self._attached) >= MOST_ATTACHED_DAYS:
                self._detach(self._attached[0])
            # ATTACH takes no parameters.
            self._connection.execute(
                f"ATTACH '{_quoted(path)}' AS {name} (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
            self._attached.append(day)
            path.chmod(0o600)
            if create:
                for statement in CONTENT_SCHEMA:
                    self._connection.execute(statement.format(content=name))
        return name

    def drop_day(self, day: str) -> bool:
        """Deletes the content file of `day`; returns whether there was one."""
        with self._lock:
            if day in self._attached:
                self._detach(day)
            path = self._content_path(day)
            existed = path.exists()
            path.unlink(missing_ok=True)
            path.with_suffix(".duckdb.wal").unlink(missing_ok=True)
            return existed

    def copy_calls(self, name: str) -> str:
        """Copies `calls.duckdb`, as it is at one moment, to the file `name` in the folder; returns its path.

        Writers go on meanwhile. (Copying the file itself would not do: opening and closing it a second time
        in this process ends the lock that keeps other processes out, as POSIX locks do.)
        """
        path = self._folder / name
        path.unlink(missing_ok=True)
        cursor = self.cursor()
        try:
            cursor.execute(f"ATTACH '{_quoted(path)}' AS calls_copy (STORAGE_VERSION '{STORAGE_VERSION}')")
            cursor.execute("COPY FROM DATABASE calls TO calls_copy")
            cursor.execute("DETACH calls_copy")
        finally:
            cursor.close()
        path.chmod(0o600)
        return str(path)

    @contextmanager
    def settled_day(self, day: str) -> Iterator[str | None]:
        """Gives the path of a day's content file, whole and closed while held; `None` if there is none."""
        with self._lock:
            if day in self._attached:
                self._detach(day)
            elif self._content_path(day).with_suffix(".duckdb.wal").exists():
                self.attach(day)
                self._detach(day)
            path = self._content_path(day)
            yield str(path) if path.exists() else None

    def checkpoint(self) -> None:
        """Folds all write-ahead logs into their files; left for later where somebody is writing."""
        with self._lock, suppress(duckdb.TransactionException):
            self._connection.execute("CHECKPOINT")
            for day in self._attached:
                self._connection.execute(f"CHECKPOINT {_alias(day)}")

    def reopen(self) -> None:
        """Opens the files anew: DuckDB refuses all work after a checkpoint that met a full disk.

        Cursors of before are of no use any more, and keep the old state alive until they are closed.

        Raises:
            duckdb.Error: the disk is full still, or somebody has not closed a cursor; try again later.
        """
        with self._lock:
            self._connection.close()
            self._attached.clear()
            self._connection = _connect(f"{self.folder}/calls.duckdb", self._settings)
            _confine(self._connection, self.folder)

    def close(self) -> None:
        """Closes all files."""
        with self._lock:
            for day in self._attached[:]:
                self._detach(day)
            self._connection.close()

    @contextmanager
    def _day_content(self, day: str) -> Iterator[str | None]:
        with self._lock:
            yield self.attach(day)

    def _detach(self, day: str) -> None:
        self._connection.execute(f"DETACH {_alias(day)}")
        self._attached.remove(day)

    def _content_path(self, day: str) -> Path:
        if not DAY_NAME.match(day):
            raise ValueError(f"{day!r} is not a day")
        return self._folder / "content" / f"{day}.duckdb"


def day_of(at_ns: int) -> str:
    """Returns the UTC day of a Unix time in nanoseconds, as `2026-11-22`."""
    return _day(at_ns // DAY_NS)


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _alias(day: str) -> str:
    return f"content_{day.replace('-', '_')}"


def _connect(path: str, settings: StoreSettings) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(
            path,
            config={
                "storage_compatibility_version": STORAGE_VERSION,
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "threads": settings.threads,
                "memory_limit": f"{settings.memory_mb}MB",
                "wal_autocheckpoint": f"{settings.checkpoint_mb}MB",
                "preserve_insertion_order": "false",
            },
        )
    except duckdb.IOException as error:
        raise ConfigurationError(
            f"the analytics file {path} cannot be opened: {str(error).splitlines()[0]}",
            hint="only one process may have it open: is Pilothouse running on this home already?",
        ) from error
    Path(path).chmod(0o600)
    return connection


def _confine(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    """Bounds what any statement can reach, and locks the bounds."""
    quoted = _quoted(Path(folder).resolve())  # SET takes no parameters
    connection.execute(f"SET temp_directory = '{quoted}/spill'")
    connection.execute(f"SET allowed_directories = ['{quoted}', '{_quoted(Path(folder))}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET allowed_configs = ['max_execution_time']")
    connection.execute("SET lock_configuration = true")


def _refuse_newer(path: str, version: int) -> None:
    if version > len(MIGRATIONS):
        raise ConfigurationError(
            f"{path} has schema {version}, this Pilothouse knows {len(MIGRATIONS)}",
            hint="it was written by a newer version: start that one, or restore a backup",
        )


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    tables = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'"
    ).fetchone()
    if not tables or not tables[0]:
        return 0
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0] or 0) if row else 0


def _migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.execute("COMMIT")

"""Opens the database of state: SQLite in the home, or PostgreSQL; migrated forward on start.

SQLite has a write-ahead log, and is copied before a migration. PostgreSQL is not: its migrations are one
transaction, and its backups are its own.

Refuses to know the tables' meaning. Invariant: an engine that `open_state` returns has the schema of
`tables.HEAD`; a newer one is refused, never touched.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.store.migrate import migrate
from pilothouse.store.settings import StateSettings
from pilothouse.store.tables import HEAD

__all__ = ["copy_sqlite", "open_state", "state_revision"]

BUSY_TIMEOUT_MS = 5000


def open_state(
    path: str,
    *,
    backups: str,
    now_ms: int,
    settings: StateSettings | None = None,
    password: str | None = None,
) -> Engine:
    """Opens the database, making or migrating it as needed.

    Args:
        path: The SQLite file, for a state without a `url`.
        backups: The folder where a copy goes before a migration.
        now_ms: Names the copy.
        settings: The `state:` section.
        password: Of PostgreSQL's user, in clear.

    Raises:
        ConfigurationError: a newer Pilothouse wrote it, or PostgreSQL cannot be reached.
    """
    if settings is not None and settings.url is not None:
        # Imported here: who keeps state in SQLite needs no PostgreSQL.
        from pilothouse.store.state_postgres import open_postgres

        return open_postgres(settings, password)
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    revision = state_revision(path)
    if revision is not None and revision > HEAD:
        raise ConfigurationError(
            f"{path} has schema {revision}, this Pilothouse knows {HEAD}",
            hint="it was written by a newer version: start that one, or restore a backup",
        )
    engine = _engine(path)
    if revision != HEAD:
        if revision is not None:
            Path(backups).mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_sqlite(path, f"{backups}/state-{revision}-{now_ms}.sqlite")
        with engine.begin() as connection:
            migrate(connection)
        Path(path).chmod(0o600)
    return engine


def state_revision(path: str) -> str | None:
    """Returns the schema revision of the file at `path`, or `None` when there is none."""
    if not Path(path).exists():
        return None
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        row = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).fetchone()
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if row[0] else None
    finally:
        connection.close()
    return None if found is None else str(found[0])


def copy_sqlite(source: str, target: str) -> None:
    """Copies a database that may be in use, consistently, by SQLite's own backup interface."""
    reading = sqlite3.connect(source, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        finally:
            writing.close()
    finally:
        reading.close()
    Path(target).chmod(0o600)


def _engine(path: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=4,
    )
    event.listen(engine, "connect", _on_connect)
    return engine


def _on_connect(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

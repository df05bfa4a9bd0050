"""State in PostgreSQL: an engine that survives lost connections, and the lease of the one control process.

Refuses to know the tables' meaning. Invariant: migrations of two processes never meet, and of two control
processes on one database only one holds the lease; the server ends it with the connection.
"""

import logging
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from pilothouse.contracts.errors import ConfigurationError, UnavailableError
from pilothouse.store.migrate import migrate
from pilothouse.store.settings import StateSettings
from pilothouse.store.tables import HEAD

__all__ = ["StateLease", "open_postgres"]

log = logging.getLogger(__name__)

LOCK_SPACE = 0x50494C54
"""Our advisory locks' first number: "PILT"."""
MIGRATION_LOCK = 1
CONTROL_LOCK = 2


def open_postgres(settings: StateSettings, password: str | None) -> Engine:
    """Opens the database, making or migrating its tables as needed.

    Raises:
        ConfigurationError: it cannot be reached, or a newer Pilothouse wrote it.
    """
    engine = _engine(settings, password, pool_size=settings.connections, max_overflow=4, pool_pre_ping=True)
    try:
        with engine.begin() as connection:
            # Waits for another process that is at it; the end of the transaction lets go.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:space, :lock)"),
                {"space": LOCK_SPACE, "lock": MIGRATION_LOCK},
            )
            revision = _revision(connection)
            _refuse_newer(engine, revision)
            if revision != HEAD:
                migrate(connection)
                log.info("state was migrated", extra={"schema_before": revision, "schema": HEAD})
    except OperationalError as error:
        engine.dispose()
        raise _unreachable(engine, error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


class StateLease:
    """Held by the one control process that works on a database, on a connection of its own."""

    def __init__(self, settings: StateSettings, password: str | None) -> None:
        """Connects to nothing yet."""
        self._engine = _engine(settings, password, poolclass=NullPool)
        self._connection: Connection | None = None
        self._guard = Lock()

    def take(self) -> None:
        """Takes the lease.

        Raises:
            ConfigurationError: another control process has it, or the database cannot be reached.
        """
        with self._guard:
            try:
                self._take()
            except OperationalError as error:
                raise _unreachable(self._engine, error) from error

    def tick(self, _now_ms: int) -> bool:
        """Makes sure that the lease is held still, and takes it again after a lost connection.

        Raises:
            ConfigurationError: another control process has taken it meanwhile: this one must end.
            UnavailableError: the database is away; try again.
        """
        with self._guard:
            try:
                if self._connection is not None:
                    self._connection.execute(text("SELECT 1"))
                    self._connection.rollback()
                    return False
            except DBAPIError:
                log.warning("the connection that held the lease of state was lost")
                self._drop()
            try:
                self._take()
            except OperationalError as error:
                raise UnavailableError("the database of state is away", code="state_unavailable") from error
            return False

    def release(self) -> None:
        """Gives the lease back."""
        with self._guard:
            self._drop()
            self._engine.dispose()

    def _take(self) -> None:
        connection = self._engine.connect()
        statement = text("SELECT pg_try_advisory_lock(:space, :lock)")
        has_it = connection.execute(statement, {"space": LOCK_SPACE, "lock": CONTROL_LOCK}).scalar_one()
        connection.rollback()
        if not has_it:
            connection.close()
            raise ConfigurationError(
                f"Another control process works on the state in {_shown(self._engine)}.",
                hint="Stop it first; a database of state has one. The lease ends with its holder.",
            )
        self._connection = connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _engine(settings: StateSettings, password: str | None, **pool: Any) -> Engine:
    assert settings.url is not None
    url = make_url(settings.url)
    if password is not None:
        url = url.set(password=password)
    try:
        return create_engine(
            url,
            connect_args={
                "connect_timeout": settings.connect_timeout_s,
                "application_name": "pilothouse",
                "client_encoding": "utf8",
                "options": f"-c statement_timeout={int(settings.statement_timeout_s * 1000)}",
                # A server that is gone without a word is noticed within a minute.
                "keepalives_idle": 20,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            },
            **pool,
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigurationError(
            "state in PostgreSQL needs the library psycopg, which is not installed",
            hint="pip install 'pilothouse[postgres]'",
        ) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _refuse_newer(engine: Engine, revision: str | None) -> None:
    if revision is not None and revision > HEAD:
        raise ConfigurationError(
            f"the state in {_shown(engine)} has schema {revision}, this Pilothouse knows {HEAD}",
            hint="it was written by a newer version: start that one",
        )


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _unreachable(engine: Engine, error: OperationalError) -> ConfigurationError:
    reason = str(error.orig).strip().splitlines()[0] if error.orig is not None else "no reason given"
    return ConfigurationError(
        f"the database of state {_shown(engine)} cannot be used: {reason}",
        hint="is it running, and are `state.url` and `state.password` right?",
    )

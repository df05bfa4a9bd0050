"""A connection to ClickHouse, its settings for questions, and its errors in our words.

Refuses to know tables. Invariant: a question can change nothing, and ends within the settings' time and
memory; a password is in no error.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pilothouse.contracts.errors import ConfigurationError, UnavailableError
from pilothouse.store.settings import StoreSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["ClickHouseLink", "connect", "database_of", "limits", "told_plainly"]

CONNECT_TIMEOUT_S = 10
DEFAULT_DATABASE = "pilothouse"
TIMEOUT_CODES = ("(TIMEOUT_EXCEEDED)", "(TOO_SLOW)")
MEMORY_CODES = ("(MEMORY_LIMIT_EXCEEDED)",)


def connect(settings: StoreSettings, password: str | None) -> "Client":
    """Connects to the database that `settings.url` names; makes the database if there is none.

    Raises:
        ConfigurationError: The client library is not installed, or ClickHouse cannot be reached.
    """
    try:
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import Error
    except ModuleNotFoundError as error:
        raise _missing() from error
    assert settings.url is not None
    try:
        client = clickhouse_connect.get_client(**_place(settings, password))
        client.command(f"CREATE DATABASE IF NOT EXISTS `{database_of(settings)}`")
        client.database = database_of(settings)
    except (Error, OSError) as error:
        raise ConfigurationError(
            f"ClickHouse at {settings.url} cannot be used: {_first_line(error)}",
            hint="is it running, and are `analytics.url` and `analytics.password` right?",
        ) from error
    return client


def database_of(settings: StoreSettings) -> str:
    """Returns the name of the database."""
    assert settings.url is not None
    if settings.url.startswith("chdb:"):
        return DEFAULT_DATABASE
    return urlsplit(settings.url).path.strip("/") or DEFAULT_DATABASE


def limits(settings: StoreSettings) -> dict[str, Any]:
    """Returns the settings that every question is asked with."""
    # The engine in this process (tests) would stay read-only after a question that fails.
    kept = {} if (settings.url or "").startswith("chdb:") else {"readonly": 2}
    return kept | {
        "max_execution_time": settings.query_timeout_s,
        "max_memory_usage": settings.memory_mb * 1024 * 1024,
        # The same words mean the same as in DuckDB.
        "join_use_nulls": 1,
        "prefer_column_name_to_alias": 1,
        "union_default_mode": "ALL",
        "cast_keep_nullable": 1,
    }


@contextmanager
def told_plainly(settings: StoreSettings) -> Iterator[None]:
    """Turns ClickHouse's errors into ours.

    Raises:
        UnavailableError: a question took too long, needs too much memory, or ClickHouse is away.
    """
    from clickhouse_connect.driver.exceptions import Error

    try:
        yield
    except (Error, OSError) as error:
        text = str(error)
        if any(code in text for code in TIMEOUT_CODES):
            raise UnavailableError(
                f"the question to the record took over {settings.query_timeout_s:g} s and was given up",
                hint="ask about a shorter time, or raise analytics.query_timeout_s",
                code="query_timeout",
            ) from error
        if any(code in text for code in MEMORY_CODES):
            raise UnavailableError(
                "the question to the record needs more memory than it may take",
                hint="ask about a shorter time, or raise analytics.memory_mb",
                code="query_too_large",
            ) from error
        raise UnavailableError(
            f"the record in ClickHouse cannot be read at the moment: {_first_line(error)}",
            hint="calls are served and recorded meanwhile; what is on record comes back with ClickHouse",
            code="record_unavailable",
        ) from error


class ClickHouseLink:
    """A connection that is made when it is first needed: ClickHouse may be away when Pilothouse starts."""

    def __init__(
        self, settings: StoreSettings, password: str | None, prepare: "Callable[[Client], None] | None" = None
    ) -> None:
        """Connects to nothing yet.

        Args:
            settings: Where it is.
            password: Of its user.
            prepare: Makes ready what a new connection must find.

        Raises:
            ConfigurationError: The client library is not installed.
        """
        if find_spec("clickhouse_connect") is None:
            raise _missing()
        self.settings = settings
        self.database = database_of(settings)
        self._password = password
        self._prepare = prepare
        self._client: Client | None = None
        self._guard = Lock()

    def client(self) -> "Client":
        """Returns the connection.

        Raises:
            UnavailableError: ClickHouse cannot be reached.
        """
        with self._guard:
            if self._client is None:
                try:
                    made = connect(self.settings, self._password)
                    if self._prepare is not None:
                        with self.told_plainly():
                            self._prepare(made)
                    self._client = made
                except ConfigurationError as error:
                    raise UnavailableError(
                        error.message, hint=error.hint, code="record_unavailable"
                    ) from error
            return self._client

    def use(self, client: "Client") -> None:
        """Takes a connection that was made elsewhere."""
        with self._guard:
            self._client = client

    def told_plainly(self) -> AbstractContextManager[None]:
        """Turns ClickHouse's errors into ours, while held."""
        return told_plainly(self.settings)

    def close(self) -> None:
        """Lets the connection go."""
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None


def _missing() -> ConfigurationError:
    return ConfigurationError(
        "a record in ClickHouse needs the library clickhouse-connect, which is not installed",
        hint="pip install 'pilothouse[clickhouse]'",
    )


def _place(settings: StoreSettings, password: str | None) -> dict[str, Any]:
    assert settings.url is not None
    if settings.url.startswith("chdb:"):  # ClickHouse's engine in this process: tests
        return {"dsn": settings.url}
    url = urlsplit(settings.url)
    return {
        "host": url.hostname or "127.0.0.1",
        "port": url.port or (8443 if url.scheme == "clickhouses" else 8123),
        "secure": url.scheme == "clickhouses",
        "username": unquote(url.username or "default"),
        "password": password or "",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "send_receive_timeout": max(CONNECT_TIMEOUT_S, settings.query_timeout_s + 5),
        # Many threads ask at once: a session takes one question at a time.
        "autogenerate_session_id": False,
        **dict(parse_qsl(url.query)),
    }


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__

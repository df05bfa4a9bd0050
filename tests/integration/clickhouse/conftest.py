"""A record in DuckDB and the same record in ClickHouse's own engine, which runs in this process as `chdb`."""

import sys
from collections.abc import Iterator  # noqa: TC003 - pytest reads the fixtures' types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.store.clickhouse_client import ClickHouseLink, connect
from pilothouse.store.settings import StoreSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # `both.py` is imported by its full name


@pytest.fixture(scope="session")
def clickhouse_settings(tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    return StoreSettings(url=f"chdb://{tmp_path_factory.mktemp('clickhouse')}/db")


@pytest.fixture(scope="session")
def shared_client(clickhouse_settings: StoreSettings) -> "Iterator[Client]":
    """The engine: one a process."""
    client = connect(clickhouse_settings, None)
    yield client
    client.close()


@pytest.fixture(scope="session")
def link(clickhouse_settings: StoreSettings, shared_client: "Client") -> ClickHouseLink:
    """The way to it that a control process has."""
    made = ClickHouseLink(clickhouse_settings, None)
    made.use(shared_client)
    return made


@pytest.fixture
def client(shared_client: Any) -> "Client":
    """The engine, with no rows."""
    tables = shared_client.query(
        "SELECT name FROM system.tables WHERE database = 'pilothouse' AND engine != 'Null'"
    ).result_rows
    for (name,) in tables:
        shared_client.command(f"TRUNCATE TABLE pilothouse.{name}")
    opened: Client = shared_client
    return opened

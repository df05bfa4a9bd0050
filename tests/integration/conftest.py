"""What integration tests of several packages share: a real PostgreSQL, a state database of either kind."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pilothouse.store.settings import StateSettings
from pilothouse.store.state import open_state

RUN_BY_ROOT_AS = "nobody"
"""PostgreSQL refuses to run as root."""


@dataclass
class PostgresServer:
    """A server of our own in a temporary folder, on a Unix socket."""

    folder: Path
    programs: Path
    made: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://test@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Makes a database and returns its URL."""
        name = f"test{len(self.made)}"
        self.made.append(name)
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user="test", dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make(self) -> None:
        self._run("initdb", "-D", "data", "-U", "test", "--auth", "trust", "--no-sync", "--no-locale")

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-o", options, "-l", "log", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            user=RUN_BY_ROOT_AS if os.getuid() == 0 else None,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def postgres_program() -> str | None:
    """The server's program, if there is one."""
    found = [shutil.which("postgres"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))]
    return next((str(path) for path in found if path), None)


@pytest.fixture(scope="session")
def shared_postgres(postgres_program: str | None) -> Iterator[PostgresServer | None]:
    """One server for the whole run, started when a test first asks for it."""
    if postgres_program is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="ph-pg-", dir="/tmp"))
    if os.getuid() == 0:
        shutil.chown(folder, RUN_BY_ROOT_AS)
    server = PostgresServer(folder, Path(postgres_program).resolve().parent)
    server.make()
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def postgres(shared_postgres: PostgresServer | None, require: Callable[[str], str]) -> PostgresServer:
    """The running server; without PostgreSQL the test is skipped (in CI: fails)."""
    require("postgres")
    assert shared_postgres is not None
    return shared_postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def state_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty state database, of each kind in turn."""
    settings = StateSettings()
    if request.param == "postgresql":
        settings = StateSettings(url=request.getfixturevalue("postgres").new_database())
    engine = open_state(
        f"{tmp_path}/state.sqlite", backups=f"{tmp_path}/backups", now_ms=1, settings=settings
    )
    yield engine
    engine.dispose()

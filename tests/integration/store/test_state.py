"""The database of state is made, migrated with a copy first, and refused when it is newer."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, select

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.store import tables
from pilothouse.store.state import open_state, state_revision


def _open(folder: Path) -> Engine:
    return open_state(str(folder / "state" / "state.sqlite"), backups=str(folder / "backups"), now_ms=7)


def test_migrations_give_exactly_the_tables(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = _open(tmp_path)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), tables.METADATA)
        checks = {
            name: {check["name"] for check in inspect(connection).get_check_constraints(name)}
            for name in ("api_keys", "sessions", "signin_links")
        }
    engine.dispose()
    assert difference == []
    assert checks == {name: {f"ck_{name}_role"} for name in checks}


def test_head_is_the_newest_migration(tmp_path: Path) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from pilothouse.store import migrations

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    assert ScriptDirectory.from_config(configuration).get_current_head() == tables.HEAD


def test_opening_again_migrates_nothing_and_copies_nothing(tmp_path: Path) -> None:
    _open(tmp_path).dispose()
    _open(tmp_path).dispose()
    assert state_revision(str(tmp_path / "state" / "state.sqlite")) == tables.HEAD
    assert not (tmp_path / "backups").exists()


def test_an_older_file_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
    connection.close()
    with pytest.raises(Exception, match="0000"):  # no such migration exists, but the copy comes first
        _open(tmp_path)
    assert state_revision(str(tmp_path / "backups" / "state-0000-7.sqlite")) == "0000"


def test_keys_of_the_first_schema_are_not_limited(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.sqlite"
    path.parent.mkdir()
    upgrade_to(path, "0001")
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO api_keys (id, digest, prefix, name, role, created_at_ms) "
            "VALUES ('key_a', zeroblob(32), 'ph_a', 'old', 'member', 1)"
        )
    connection.close()
    engine = _open(tmp_path)
    with engine.connect() as reading:
        row = reading.execute(select(tables.api_keys)).one()
    engine.dispose()
    assert (row.id, row.limits, row.priority) == ("key_a", None, "normal")
    assert state_revision(str(tmp_path / "backups" / "state-0001-7.sqlite")) == "0001"


def upgrade_to(path: Path, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    from pilothouse.store import migrations

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
    engine.dispose()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    _open(tmp_path).dispose()
    path = tmp_path / "state" / "state.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigurationError, match="9999"):
        _open(tmp_path)


def test_rows_are_written_and_read(tmp_path: Path) -> None:
    engine = _open(tmp_path)
    with engine.begin() as connection:
        connection.execute(tables.settings.insert().values(name="a", value="1", set_at_ms=1))
    with engine.connect() as connection:
        assert connection.execute(select(tables.settings.c.value)).scalars().all() == ["1"]
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()

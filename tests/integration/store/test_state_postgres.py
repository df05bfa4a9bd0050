"""State on a real PostgreSQL: made, migrated from every schema, reconnected to, worked on by one process."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, select

from pilothouse.contracts.errors import ConfigurationError, UnavailableError
from pilothouse.store import migrations, tables
from pilothouse.store.settings import StateSettings
from pilothouse.store.state import open_state
from pilothouse.store.state_postgres import StateLease


def opened(url: str) -> Engine:
    return open_state("unused", backups="unused", now_ms=1, settings=StateSettings(url=url))


def upgrade_to(url: str, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    engine = create_engine(f"{url}&client_encoding=utf8")
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
    engine.dispose()


def test_migrations_from_nothing_give_exactly_the_tables(postgres: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = opened(postgres.new_database())
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), tables.METADATA)
        checks = {check["name"] for check in inspect(connection).get_check_constraints("api_keys")}
    engine.dispose()
    assert [change for change in difference if "comment" not in str(change)] == []
    assert checks == {"ck_api_keys_role"}


@pytest.mark.parametrize("before", ["0001", "0002"])
def test_what_an_older_schema_held_is_there_after_its_migration(postgres: Any, before: str) -> None:
    url = postgres.new_database()
    upgrade_to(url, before)
    postgres.execute(
        "INSERT INTO api_keys (id, digest, prefix, name, role, created_at_ms) "
        r"VALUES ('key_a', '\x00ff', 'ph_a', 'old', 'member', 1)",
        postgres.made[-1],
    )
    engine = opened(url)
    with engine.connect() as connection:
        row = connection.execute(select(tables.api_keys)).one()
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    engine.dispose()
    assert (row.id, row.digest, row.limits, row.priority) == ("key_a", b"\0\xff", None, "normal")
    assert revision == tables.HEAD


def test_two_that_open_an_empty_database_at_once_make_it_once(postgres: Any) -> None:
    url = postgres.new_database()
    engines: list[Engine] = []
    threads = [threading.Thread(target=lambda: engines.append(opened(url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(engines) == 3
    for engine in engines:
        engine.dispose()


def test_a_newer_schema_is_refused_and_left_alone(postgres: Any) -> None:
    url = postgres.new_database()
    opened(url).dispose()
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", postgres.made[-1])
    with pytest.raises(ConfigurationError, match="9999"):
        opened(url)


def test_a_server_that_is_away_is_named_without_its_password(postgres: Any) -> None:
    settings = StateSettings(url="postgresql+psycopg://me@127.0.0.1:1/x", connect_timeout_s=1)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1/x cannot be used") as caught:
        open_state("unused", backups="unused", now_ms=1, settings=settings, password="hunter2")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_work_goes_on_after_every_connection_was_cut(postgres: Any) -> None:
    engine = opened(postgres.new_database())
    with engine.connect() as one, engine.connect() as two:
        one.exec_driver_sql("SELECT 1")
        two.exec_driver_sql("SELECT 1")
    cut(postgres, postgres.made[-1])
    for number in range(3):
        with engine.begin() as connection:
            connection.execute(tables.settings.insert().values(name=f"a{number}", value="1", set_at_ms=1))
    engine.dispose()


def test_work_goes_on_after_the_server_was_started_again(postgres: Any) -> None:
    engine = opened(postgres.new_database())
    with engine.begin() as connection:
        connection.execute(tables.settings.insert().values(name="a", value="1", set_at_ms=1))
    postgres.stop()
    try:
        with pytest.raises(Exception, match=r"No such file|refused"), engine.connect():
            pass
    finally:
        postgres.start()
    with engine.connect() as connection:
        assert connection.execute(select(tables.settings.c.value)).scalars().all() == ["1"]
    engine.dispose()


def test_of_two_control_processes_one_has_the_lease(postgres: Any) -> None:
    settings = StateSettings(url=postgres.new_database())
    one, two = StateLease(settings, None), StateLease(settings, None)
    one.take()
    with pytest.raises(ConfigurationError, match="Another control process"):
        two.take()
    one.release()
    two.take()
    two.release()


def test_a_lease_lost_with_its_connection_is_taken_again(postgres: Any) -> None:
    settings = StateSettings(url=postgres.new_database())
    one, two = StateLease(settings, None), StateLease(settings, None)
    one.take()
    cut(postgres, postgres.made[-1])
    one.tick(0)
    with pytest.raises(ConfigurationError):
        two.take()
    one.release()
    two.release()


def test_a_lease_that_another_took_meanwhile_is_known_to_be_lost(postgres: Any) -> None:
    settings = StateSettings(url=postgres.new_database())
    one, two = StateLease(settings, None), StateLease(settings, None)
    one.take()
    cut(postgres, postgres.made[-1])
    two.take()
    with pytest.raises(ConfigurationError, match="Another control process"):
        one.tick(0)
    two.release()
    one.release()


def test_a_lease_waits_while_the_server_is_away(postgres: Any) -> None:
    lease = StateLease(StateSettings(url=postgres.new_database()), None)
    lease.take()
    postgres.stop()
    try:
        with pytest.raises(UnavailableError):
            lease.tick(0)
    finally:
        postgres.start()
    lease.tick(0)
    lease.release()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://a@b/c", "must begin with"),
        ("postgresql+psycopg://me:hunter2@host/db", "must not hold the password"),
    ],
)
def test_other_databases_and_passwords_in_clear_are_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        StateSettings(url=url)


def cut(postgres: Any, database: str) -> None:
    """Ends every connection to a database, as a failing network would."""
    postgres.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    )

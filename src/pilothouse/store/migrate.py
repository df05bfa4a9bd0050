"""Brings the schema of state forward.

Refuses to know which database it is. Invariant: all migrations of one start are one transaction.
"""

from pathlib import Path

from sqlalchemy import Connection

from pilothouse.store.tables import HEAD

__all__ = ["migrate"]


def migrate(connection: Connection) -> None:
    """Runs the migrations that the database lacks, in the transaction that `connection` is in."""
    # Imported here: Alembic costs 10 MB and a quarter of a second, and is needed once a version.
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, HEAD)

"""The SQL of configuration revisions and publications; nobody else writes it.

Refuses to know what a configuration means. Invariant: revisions only grow, and none is changed once written.
"""

from hashlib import sha256
from typing import Literal

from sqlalchemy import Connection, func, insert, select

from pilothouse.store.tables import configuration_revisions, publications

Origin = Literal["file", "default", "console", "api"]


def record_configuration(
    connection: Connection, document: bytes, *, origin: Origin, now_ms: int
) -> tuple[int, int]:
    """Keeps a configuration as the next revision, unless it is the one in force.

    Args:
        connection: A transaction.
        document: JSON of the settings, secrets by reference.
        origin: Where it came from.
        now_ms: When it is applied.

    Returns:
        Its revision, and when that was first applied, in Unix milliseconds.
    """
    digest = sha256(document).hexdigest()
    table = configuration_revisions
    latest = select(table.c.revision, table.c.created_at_ms, table.c.digest).order_by(table.c.revision.desc())
    row = connection.execute(latest.limit(1)).first()
    if row is not None and row.digest == digest:
        return row.revision, row.created_at_ms
    columns = {"created_at_ms": now_ms, "digest": digest, "document": document.decode(), "origin": origin}
    added = connection.execute(insert(table).values(columns).returning(table.c.revision))
    return int(added.scalar_one()), now_ms


def last_publication(connection: Connection) -> int:
    """Returns the highest revision ever published by this database, 0 when there is none."""
    return int(connection.execute(select(func.max(publications.c.revision))).scalar() or 0)


def record_publication(
    connection: Connection,
    *,
    revision: int,
    configuration_revision: int,
    digest: str,
    reason: str,
    now_ms: int,
) -> None:
    """Keeps that a snapshot was published."""
    columns = {
        "revision": revision,
        "created_at_ms": now_ms,
        "configuration_revision": configuration_revision,
        "digest": digest,
        "reason": reason,
    }
    connection.execute(insert(publications).values(columns))

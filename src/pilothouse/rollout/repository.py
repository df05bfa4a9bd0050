"""The SQL of configuration revisions and publications; nobody else writes it.

Refuses to know what a configuration means. Invariant: revisions only grow, and none is changed once written.
"""

from hashlib import sha256
from typing import Literal, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from pilothouse.store.tables import configuration_revisions, publications, settings

APPLIED = "configuration_applied"
Kept = TypeVar("Kept", bound=msgspec.Struct)
Origin = Literal["file", "default", "console", "api"]


def record_configuration(
    connection: Connection, document: bytes, *, origin: Origin, now_ms: int, by: str | None = None
) -> tuple[int, int]:
    """Keeps a configuration as the next revision, unless it is the one in force.

    Args:
        connection: A transaction.
        document: JSON of the settings, secrets by reference.
        origin: Where it came from.
        now_ms: When it is applied.
        by: Who applied it.

    Returns:
        Its revision, and when that was first applied, in Unix milliseconds.
    """
    digest = sha256(document).hexdigest()
    table = configuration_revisions
    latest = select(table.c.revision, table.c.created_at_ms, table.c.digest).order_by(table.c.revision.desc())
    row = connection.execute(latest.limit(1)).first()
    if row is not None and row.digest == digest:
        return row.revision, row.created_at_ms
    columns = {
        "created_at_ms": now_ms,
        "digest": digest,
        "document": document.decode(),
        "origin": origin,
        "created_by": by,
    }
    added = connection.execute(insert(table).values(columns).returning(table.c.revision))
    return int(added.scalar_one()), now_ms


def document(connection: Connection, revision: int) -> bytes:
    """Returns the JSON of a configuration's settings."""
    table = configuration_revisions
    found = connection.execute(select(table.c.document).where(table.c.revision == revision)).scalar_one()
    return str(found).encode()


def note_applied(connection: Connection, applied: msgspec.Struct, *, by: str, now_ms: int) -> None:
    """Keeps which configuration was put in force while running, in place of what was kept before."""
    connection.execute(delete(settings).where(settings.c.name == APPLIED))
    columns = {
        "name": APPLIED,
        "value": msgspec.json.encode(applied).decode(),
        "set_at_ms": now_ms,
        "set_by": by,
    }
    connection.execute(insert(settings).values(columns))


def applied(connection: Connection, kind: type[Kept]) -> Kept | None:
    """Returns what `note_applied` kept last."""
    found = connection.execute(select(settings.c.value).where(settings.c.name == APPLIED)).scalar()
    return None if found is None else msgspec.json.decode(str(found), type=kind)


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

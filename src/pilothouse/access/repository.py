"""The SQL of keys, sessions and sign-in links; nobody else writes it.

Refuses to know rules: what may be done is decided in `desk.py`. Invariant: a link is taken by one statement,
so that two requests at once cannot both have it.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, union_all, update

from pilothouse.access.keys import Key, Session, SigninLink
from pilothouse.contracts.snapshot import RecordPolicy
from pilothouse.contracts.traffic import NO_LIMITS, Limits
from pilothouse.store.tables import api_keys, organisations, projects, sessions, signin_links

DEFAULT_ORGANISATION = "org_default"
DEFAULT_PROJECT = "proj_default"


def ensure_default_project(connection: Connection, now_ms: int) -> None:
    """Makes the one organisation and project that every key belongs to until there are more."""
    found = connection.execute(select(projects.c.id).where(projects.c.id == DEFAULT_PROJECT)).first()
    if found is not None:
        return
    organisation = {"id": DEFAULT_ORGANISATION, "name": "default", "created_at_ms": now_ms}
    connection.execute(insert(organisations).values(organisation))
    project = organisation | {"id": DEFAULT_PROJECT, "organisation_id": DEFAULT_ORGANISATION}
    connection.execute(insert(projects).values(project))


def add_key(connection: Connection, key: Key) -> None:
    """Inserts a key."""
    connection.execute(insert(api_keys).values(project_id=DEFAULT_PROJECT, **_key_columns(key)))


def update_key(connection: Connection, key: Key) -> None:
    """Writes what of a key can change."""
    columns = {
        "name": key.name,
        "team": key.team,
        "models": _to_json(key.models),
        "limits": _limits(key),
        "priority": key.priority,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
    }
    connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(columns))


def list_keys(connection: Connection) -> list[Key]:
    """Returns all keys, newest first."""
    order = (api_keys.c.created_at_ms.desc(), api_keys.c.id)
    return [_key(row) for row in connection.execute(select(api_keys).order_by(*order))]


def find_key(connection: Connection, key_id: str) -> Key | None:
    """Returns the key with this id."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    return None if row is None else _key(row)


def find_key_by_digest(connection: Connection, digest: bytes) -> Key | None:
    """Returns the key with this digest."""
    row = connection.execute(select(api_keys).where(api_keys.c.digest == digest)).first()
    return None if row is None else _key(row)


def is_rotated(connection: Connection, key_id: str) -> bool:
    """Says whether another key was made in this one's place."""
    query = select(api_keys.c.id).where(api_keys.c.rotated_from == key_id)
    return connection.execute(query).first() is not None


def names(connection: Connection) -> dict[str, str]:
    """Returns the name of each key and session that is kept, by id."""
    found = union_all(select(api_keys.c.id, api_keys.c.name), select(sessions.c.id, sessions.c.name))
    return {row.id: row.name for row in connection.execute(found)}


def note_use(connection: Connection, last_used_at_ms: dict[str, int]) -> None:
    """Raises each key's time of last use to the one given, if that is later."""
    known = func.coalesce(api_keys.c.last_used_at_ms, 0)
    for key_id, used_at_ms in last_used_at_ms.items():
        where = (api_keys.c.id == key_id) & (known < used_at_ms)
        connection.execute(update(api_keys).where(where).values(last_used_at_ms=used_at_ms))


def add_session(connection: Connection, session: Session) -> None:
    """Inserts a session."""
    columns = {
        "id": session.id,
        "digest": session.digest,
        "key_id": session.issuer,
        "name": session.name,
        "role": session.role,
        "team": session.team,
        "models": _to_json(session.models),
        "created_at_ms": session.created_at_ms,
        "expires_at_ms": session.expires_at_ms,
    }
    connection.execute(insert(sessions).values(columns))


def find_session_by_digest(connection: Connection, digest: bytes) -> Session | None:
    """Returns the session with this digest, unless it was ended."""
    query = select(sessions).where((sessions.c.digest == digest) & sessions.c.ended_at_ms.is_(None))
    row = connection.execute(query).first()
    return None if row is None else _session(row)


def open_sessions(connection: Connection, now_ms: int) -> list[Session]:
    """Returns the sessions that were not ended and last beyond `now_ms`, oldest first."""
    where = (sessions.c.expires_at_ms > now_ms) & sessions.c.ended_at_ms.is_(None)
    rows = connection.execute(select(sessions).where(where).order_by(sessions.c.created_at_ms, sessions.c.id))
    return [_session(row) for row in rows]


def end_session(connection: Connection, session_id: str, now_ms: int) -> None:
    """Ends a session."""
    where = (sessions.c.id == session_id) & sessions.c.ended_at_ms.is_(None)
    connection.execute(update(sessions).where(where).values(ended_at_ms=now_ms))


def end_sessions_of(connection: Connection, issuer: str, now_ms: int) -> None:
    """Ends every session that hangs on this issuer."""
    where = (sessions.c.key_id == issuer) & sessions.c.ended_at_ms.is_(None)
    connection.execute(update(sessions).where(where).values(ended_at_ms=now_ms))


def add_link(connection: Connection, link: SigninLink) -> None:
    """Inserts a sign-in link."""
    columns = {
        "id": link.id,
        "digest": link.digest,
        "name": link.name,
        "role": link.role,
        "created_by": link.issuer,
        "created_at_ms": link.created_at_ms,
        "expires_at_ms": link.expires_at_ms,
    }
    connection.execute(insert(signin_links).values(columns))


def take_link(connection: Connection, digest: bytes, now_ms: int) -> SigninLink | None:
    """Marks the link with this digest as used and returns it; `None` when it is used, too old or unknown."""
    where = (
        (signin_links.c.digest == digest)
        & signin_links.c.used_at_ms.is_(None)
        & (signin_links.c.expires_at_ms > now_ms)
    )
    taking = update(signin_links).where(where).values(used_at_ms=now_ms).returning(*signin_links.c)
    row = connection.execute(taking).first()
    if row is None:
        return None
    columns = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    columns["issuer"] = columns.pop("created_by")
    return SigninLink(**columns)


def delete_expired(connection: Connection, now_ms: int) -> int:
    """Deletes sessions and links that can no longer be used, and returns how many there were."""
    past_sessions = (sessions.c.expires_at_ms <= now_ms) | sessions.c.ended_at_ms.is_not(None)
    past_links = (signin_links.c.expires_at_ms <= now_ms) | signin_links.c.used_at_ms.is_not(None)
    ended = connection.execute(delete(sessions).where(past_sessions)).rowcount
    return ended + connection.execute(delete(signin_links).where(past_links)).rowcount


def _key_columns(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "digest": key.digest,
        "prefix": key.prefix,
        "name": key.name,
        "role": key.role,
        "team": key.team,
        "models": _to_json(key.models),
        "record_policy": _to_json(key.record),
        "rotated_from": key.rotated_from,
        "created_by": key.created_by,
        "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
        "last_used_at_ms": key.last_used_at_ms,
        "limits": _limits(key),
        "priority": key.priority,
    }


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        role=row.role,
        prefix=row.prefix,
        digest=row.digest,
        created_at_ms=row.created_at_ms,
        created_by=row.created_by,
        team=row.team,
        models=_names(row.models),
        record=None
        if row.record_policy is None
        else msgspec.json.decode(row.record_policy, type=RecordPolicy),
        expires_at_ms=row.expires_at_ms,
        revoked_at_ms=row.revoked_at_ms,
        last_used_at_ms=row.last_used_at_ms,
        rotated_from=row.rotated_from,
        limits=NO_LIMITS if row.limits is None else msgspec.json.decode(row.limits, type=Limits),
        priority=row.priority,
    )


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        digest=row.digest,
        issuer=row.key_id,
        name=row.name,
        role=row.role,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        team=row.team,
        models=_names(row.models),
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def _limits(key: Key) -> str | None:
    return None if key.limits == NO_LIMITS else _to_json(key.limits)


def _to_json(value: tuple[str, ...] | RecordPolicy | Limits | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()

"""The SQL of `alerts`, `alert_changes`, `alert_rules` and `silences`.

Refuses to know conditions and receivers. Invariant: an alert's state is changed only from the state it was
read in, so that of two processes one does it; a change and its line in the history are one transaction.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from pilothouse.monitors.alerts.alert import Alert, Change, Silence, StoredRule
from pilothouse.monitors.alerts.settings import RuleSettings
from pilothouse.store.tables import alert_changes, alert_rules, alerts, silences

__all__ = [
    "add_alert",
    "add_silence",
    "change_alert",
    "changes_of",
    "delete_pending",
    "delete_rule",
    "end_silence",
    "find_alert",
    "forget",
    "list_alerts",
    "list_rules",
    "list_silences",
    "live_alerts",
    "note_change",
    "put_rule",
    "see_alert",
    "untold",
]

_JSON = ("labels", "receivers")
_LIVE = alerts.c.resolved_at_ms.is_(None)


def add_alert(connection: Connection, alert: Alert) -> None:
    """Inserts an alert.

    Raises:
        sqlalchemy.exc.IntegrityError: One with its fingerprint is live: another process was first.
    """
    connection.execute(insert(alerts).values(_columns(alert)))
    note_change(connection, alert.id, Change(at_ms=alert.pending_at_ms, what="pending"))
    if alert.state == "open":
        note_change(connection, alert.id, Change(at_ms=alert.pending_at_ms, what="open"))


def change_alert(connection: Connection, before: Alert, after: Alert, change: Change | None) -> bool:
    """Writes what changed of an alert, unless somebody else has changed its state or its telling meanwhile.

    Returns:
        Whether it was written.
    """
    where = (
        (alerts.c.id == before.id)
        & (alerts.c.state == before.state)
        & alerts.c.told_state.is_not_distinct_from(before.told_state)
        & alerts.c.told_at_ms.is_not_distinct_from(before.told_at_ms)
    )
    if connection.execute(update(alerts).where(where).values(_columns(after))).rowcount != 1:
        return False
    if change is not None:
        note_change(connection, before.id, change)
    return True


def see_alert(connection: Connection, alert: Alert) -> None:
    """Writes an alert's newest value, and when the condition was last looked at."""
    columns = {
        "value": alert.value,
        "threshold": alert.threshold,
        "summary": alert.summary,
        "link": alert.link,
        "last_seen_at_ms": alert.last_seen_at_ms,
        "clear_at_ms": alert.clear_at_ms,
        "pending_at_ms": alert.pending_at_ms,
    }
    where = (alerts.c.id == alert.id) & (alerts.c.state == alert.state)
    connection.execute(update(alerts).where(where).values(columns))


def delete_pending(connection: Connection, alert_id: str) -> None:
    """Deletes an alert that never opened."""
    gone = delete(alerts).where((alerts.c.id == alert_id) & (alerts.c.state == "pending"))
    if connection.execute(gone).rowcount == 1:
        connection.execute(delete(alert_changes).where(alert_changes.c.alert_id == alert_id))


def note_change(connection: Connection, alert_id: str, change: Change) -> None:
    """Adds a line to an alert's history."""
    of_alert = alert_changes.c.alert_id == alert_id
    last = connection.execute(select(func.max(alert_changes.c.number)).where(of_alert)).scalar()
    columns = {"alert_id": alert_id, "number": (last or 0) + 1, **msgspec.structs.asdict(change)}
    connection.execute(insert(alert_changes).values(columns))


def changes_of(connection: Connection, alert_id: str) -> list[Change]:
    """Returns an alert's history, oldest first."""
    query = select(alert_changes).where(alert_changes.c.alert_id == alert_id).order_by(alert_changes.c.number)
    rows = connection.execute(query)
    return [Change(at_ms=row.at_ms, what=row.what, by=row.by, note=row.note) for row in rows]


def live_alerts(connection: Connection) -> list[Alert]:
    """Returns the alerts that are not resolved, those that opened last first."""
    order = (alerts.c.pending_at_ms.desc(), alerts.c.id)
    return [_alert(row) for row in connection.execute(select(alerts).where(_LIVE).order_by(*order))]


def untold(connection: Connection) -> list[Alert]:
    """Returns the alerts that were resolved after they were told, and nobody was told that."""
    where = (alerts.c.state == "resolved") & alerts.c.told_state.in_(("open", "acknowledged"))
    return [_alert(row) for row in connection.execute(select(alerts).where(where))]


def list_alerts(
    connection: Connection,
    *,
    states: Sequence[str],
    start_ms: int | None = None,
    end_ms: int | None = None,
    before: tuple[int, str] | None = None,
    most: int,
) -> list[Alert]:
    """Returns alerts in some states, newest first.

    Args:
        connection: Where.
        states: The states wanted.
        start_ms: Leave out those that were over before.
        end_ms: Leave out those that began after.
        before: Go on after this one: its `pending_at_ms` and id.
        most: At most so many.
    """
    where: ColumnElement[bool] = alerts.c.state.in_(list(states))
    if start_ms is not None:
        where &= _LIVE | (alerts.c.resolved_at_ms >= start_ms)
    if end_ms is not None:
        where &= alerts.c.pending_at_ms <= end_ms
    if before is not None:
        at_ms, last = before
        where &= (alerts.c.pending_at_ms < at_ms) | ((alerts.c.pending_at_ms == at_ms) & (alerts.c.id > last))
    order = (alerts.c.pending_at_ms.desc(), alerts.c.id)
    rows = connection.execute(select(alerts).where(where).order_by(*order).limit(most))
    return [_alert(row) for row in rows]


def find_alert(connection: Connection, alert_id: str) -> Alert | None:
    """Returns the alert with this id."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).first()
    return None if row is None else _alert(row)


def forget(connection: Connection, before_ms: int) -> int:
    """Deletes alerts that were resolved before a time, with their history, and silences that ended."""
    gone = select(alerts.c.id).where(alerts.c.resolved_at_ms < before_ms)
    connection.execute(delete(alert_changes).where(alert_changes.c.alert_id.in_(gone)))
    connection.execute(delete(silences).where(silences.c.ends_at_ms < before_ms))
    return connection.execute(delete(alerts).where(alerts.c.resolved_at_ms < before_ms)).rowcount


def list_rules(connection: Connection) -> list[StoredRule]:
    """Returns the stored rules by name."""
    rows = connection.execute(select(alert_rules).order_by(alert_rules.c.name))
    return [
        StoredRule(
            name=row.name,
            settings=msgspec.json.decode(row.document, type=RuleSettings),
            created_at_ms=row.created_at_ms,
            created_by=row.created_by,
        )
        for row in rows
    ]


def put_rule(connection: Connection, rule: StoredRule) -> None:
    """Stores a rule in place of the one with its name, if there is one."""
    connection.execute(delete(alert_rules).where(alert_rules.c.name == rule.name))
    columns = {
        "name": rule.name,
        "document": msgspec.json.encode(rule.settings).decode(),
        "created_by": rule.created_by,
        "created_at_ms": rule.created_at_ms,
    }
    connection.execute(insert(alert_rules).values(columns))


def delete_rule(connection: Connection, name: str) -> bool:
    """Deletes a stored rule; returns whether there was one."""
    return connection.execute(delete(alert_rules).where(alert_rules.c.name == name)).rowcount == 1


def add_silence(connection: Connection, silence: Silence) -> None:
    """Inserts a silence."""
    columns = msgspec.structs.asdict(silence)
    columns["matchers"] = msgspec.json.encode(silence.matchers).decode()
    connection.execute(insert(silences).values(columns))


def list_silences(connection: Connection, since_ms: int) -> list[Silence]:
    """Returns the silences that end after a time, those that end first first."""
    query = select(silences).where(silences.c.ends_at_ms > since_ms)
    rows = connection.execute(query.order_by(silences.c.ends_at_ms, silences.c.id))
    return [_silence(row) for row in rows]


def end_silence(connection: Connection, silence_id: str, now_ms: int) -> Silence | None:
    """Ends a silence now, and returns it; `None` when there is none."""
    row = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
    if row is None:
        return None
    found = _silence(row)
    ended = msgspec.structs.replace(found, ends_at_ms=min(found.ends_at_ms, now_ms))
    where = silences.c.id == silence_id
    connection.execute(update(silences).where(where).values(ends_at_ms=ended.ends_at_ms))
    return ended


def _columns(alert: Alert) -> dict[str, Any]:
    columns = msgspec.structs.asdict(alert)
    return columns | {name: msgspec.json.encode(columns[name]).decode() for name in _JSON}


def _alert(row: Row[Any]) -> Alert:
    columns = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    columns |= {name: msgspec.json.decode(columns[name]) for name in _JSON}
    columns["receivers"] = tuple(columns["receivers"])
    return Alert(**columns)


def _silence(row: Row[Any]) -> Silence:
    columns = dict(row._mapping)  # noqa: SLF001 - as in `_alert`
    columns["matchers"] = msgspec.json.decode(columns["matchers"])
    return Silence(**columns)

"""The SQL of `alert_deliveries`: what is to be told, tried, told, or given up.

Refuses to know ways and rules. Invariant: a try belongs to whoever moved its time on, so that two processes
never make the same one.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from pilothouse.monitors.delivery.notice import Notice
from pilothouse.store.tables import alert_deliveries as deliveries

__all__ = ["Delivery", "add", "claim", "counts", "due", "forget", "of_groups", "put_off", "settle", "waiting"]

State = Literal["waiting", "sent", "failed", "superseded"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notice for one receiver, and how far it is."""

    id: str
    group_key: str
    receiver: str
    notice: Notice
    created_at_ms: int
    state: State = "waiting"
    attempts: int = 0
    next_at_ms: int | None = None
    delivered_at_ms: int | None = None
    last_error: str | None = None


def add(connection: Connection, delivery: Delivery) -> None:
    """Inserts a delivery, in place of those that wait for its group and receiver: it says all they did."""
    earlier = (
        (deliveries.c.group_key == delivery.group_key)
        & (deliveries.c.receiver == delivery.receiver)
        & (deliveries.c.state == "waiting")
    )
    connection.execute(update(deliveries).where(earlier).values(state="superseded", next_at_ms=None))
    columns = {
        "id": delivery.id,
        "group_key": delivery.group_key,
        "receiver": delivery.receiver,
        "state": delivery.state,
        "document": msgspec.json.encode(delivery.notice).decode(),
        "attempts": delivery.attempts,
        "next_at_ms": delivery.next_at_ms,
        "created_at_ms": delivery.created_at_ms,
    }
    connection.execute(insert(deliveries).values(columns))


def waiting(connection: Connection, group_key: str, receiver: str) -> Delivery | None:
    """Returns what waits to be told of a group to a receiver."""
    where = (
        (deliveries.c.group_key == group_key)
        & (deliveries.c.receiver == receiver)
        & (deliveries.c.state == "waiting")
    )
    row = connection.execute(select(deliveries).where(where)).first()
    return None if row is None else _delivery(row)


def due(connection: Connection, now_ms: int, most: int) -> list[Delivery]:
    """Returns what is to be tried now, oldest first."""
    where = (deliveries.c.state == "waiting") & (deliveries.c.next_at_ms <= now_ms)
    order = (deliveries.c.created_at_ms, deliveries.c.id)
    rows = connection.execute(select(deliveries).where(where).order_by(*order).limit(most))
    return [_delivery(row) for row in rows]


def claim(connection: Connection, delivery: Delivery, *, until_ms: int) -> bool:
    """Takes the next try of a delivery, unless somebody else has; it is anybody's again after `until_ms`."""
    where = (
        (deliveries.c.id == delivery.id)
        & (deliveries.c.state == "waiting")
        & (deliveries.c.next_at_ms == delivery.next_at_ms)
    )
    taking = update(deliveries).where(where)
    found = connection.execute(taking.values(next_at_ms=until_ms, attempts=delivery.attempts + 1))
    return found.rowcount == 1


def settle(
    connection: Connection, delivery_id: str, state: State, now_ms: int, error: str | None = None
) -> None:
    """Ends a delivery: it was told, or is given up."""
    values = {
        "state": state,
        "next_at_ms": None,
        "last_error": error,
        "delivered_at_ms": now_ms if state == "sent" else None,
    }
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def put_off(connection: Connection, delivery_id: str, next_at_ms: int, error: str) -> None:
    """Notes a failed try and when the next one is; what was superseded meanwhile stays so."""
    where = (deliveries.c.id == delivery_id) & (deliveries.c.state == "waiting")
    connection.execute(update(deliveries).where(where).values(next_at_ms=next_at_ms, last_error=error))


def of_groups(connection: Connection, groups: Sequence[str], since_ms: int, most: int) -> list[Delivery]:
    """Returns the deliveries of some groups since a time, newest first."""
    where = deliveries.c.group_key.in_(list(groups)) & (deliveries.c.created_at_ms >= since_ms)
    order = (deliveries.c.created_at_ms.desc(), deliveries.c.id)
    rows = connection.execute(select(deliveries).where(where).order_by(*order).limit(most))
    return [_delivery(row) for row in rows]


def counts(connection: Connection, since_ms: int) -> dict[str, int]:
    """Returns how many deliveries made since a time are in each state."""
    where = deliveries.c.created_at_ms >= since_ms
    query = select(deliveries.c.state, func.count()).where(where).group_by(deliveries.c.state)
    return {str(state): int(many) for state, many in connection.execute(query)}


def forget(connection: Connection, before_ms: int) -> int:
    """Deletes deliveries that were ended and are older than a time."""
    where = (deliveries.c.state != "waiting") & (deliveries.c.created_at_ms < before_ms)
    return connection.execute(delete(deliveries).where(where)).rowcount


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        group_key=row.group_key,
        receiver=row.receiver,
        notice=msgspec.json.decode(row.document, type=Notice),
        created_at_ms=row.created_at_ms,
        state=row.state,
        attempts=row.attempts,
        next_at_ms=row.next_at_ms,
        delivered_at_ms=row.delivered_at_ms,
        last_error=row.last_error,
    )

"""Writes what is to be told: notes the news of each group of alerts and makes a delivery for each receiver.

Refuses to know conditions and how receivers are reached. Invariant: that an alert is told and the deliveries
that tell it are one transaction, so that a restart neither forgets news nor tells it twice.
"""

from collections import defaultdict
from collections.abc import Callable
from secrets import token_hex

import msgspec
from sqlalchemy import Connection, Engine

from pilothouse.monitors.alerts import repository
from pilothouse.monitors.alerts.alert import Alert, Silence, silence_of
from pilothouse.monitors.alerts.tell import News, news_of, notice_of
from pilothouse.monitors.delivery import repository as deliveries
from pilothouse.monitors.delivery.notice import Notice
from pilothouse.monitors.delivery.repository import Delivery

__all__ = ["Announcer"]

MS_IN_S = 1000


class Announcer:
    """Tells what has changed; ticked from one thread."""

    def __init__(self, engine: Engine, *, wants: Callable[[str, Notice], bool], group_wait_s: float) -> None:
        """Takes its parts.

        Args:
            engine: The state database.
            wants: Says whether a receiver is there and is told a notice of this kind.
            group_wait_s: How long new alerts wait for more of their group.
        """
        self._engine = engine
        self._wants = wants
        self._group_wait_s = group_wait_s

    def tick(self, now_ms: int) -> None:
        """Writes a delivery for each receiver of each group with news."""
        with self._engine.connect() as connection:
            alerts = repository.live_alerts(connection) + repository.untold(connection)
            silences = repository.list_silences(connection, now_ms)
        groups: dict[str, list[Alert]] = defaultdict(list)
        for alert in alerts:
            groups[alert.group_key].append(alert)
        for key, members in groups.items():
            self._tell(key, members, silences, now_ms)

    def _tell(self, key: str, members: list[Alert], silences: list[Silence], now_ms: int) -> None:
        silenced = {one.id for one in members if silence_of(one, silences, now_ms) is not None}
        found = [news_of(one, is_silenced=one.id in silenced, now_ms=now_ms) for one in members]
        news = [one for one in found if one is not None]
        if not news:
            return
        going_on = ("open", "acknowledged")
        others = [one for one in members if one.state in going_on and one.id not in silenced]
        with self._engine.begin() as connection:
            ours = [one for one in news if self._note_told(connection, one, now_ms)]
            if ours:
                notice = notice_of(key, ours, others, now_ms=now_ms)
                for receiver in dict.fromkeys(name for one in ours for name in one.alert.receivers):
                    if self._wants(receiver, notice):
                        self._write(connection, receiver, notice, now_ms)

    @staticmethod
    def _note_told(connection: Connection, news: News, now_ms: int) -> bool:
        """Notes that an alert is told; `False` when another process was first."""
        after = msgspec.structs.replace(news.alert, told_state=news.state, told_at_ms=now_ms)
        return repository.change_alert(connection, news.alert, after, None)

    def _write(self, connection: Connection, receiver: str, notice: Notice, now_ms: int) -> None:
        """Writes a delivery; what is new waits for more of its group, unless something waits already."""
        at_ms = now_ms
        if notice.status == "firing" and not notice.is_reminder:
            at_ms += int(self._group_wait_s * MS_IN_S)
        waiting = deliveries.waiting(connection, notice.group, receiver)
        if waiting is not None and waiting.attempts == 0 and waiting.next_at_ms is not None:
            at_ms = min(at_ms, waiting.next_at_ms)
        made = Delivery(
            id=f"dlv_{token_hex(8)}",
            group_key=notice.group,
            receiver=receiver,
            notice=notice,
            created_at_ms=now_ms,
            next_at_ms=at_ms,
        )
        deliveries.add(connection, made)

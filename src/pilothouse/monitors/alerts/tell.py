"""Decides what is told: which alerts have news, and what their group's notice says.

Refuses to know receivers' ways, databases and clocks. Invariant: what is silenced is not told, except that
something is over which was told before; nothing is told twice but reminders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.monitors.alerts.alert import Alert
from pilothouse.monitors.alerts.judge import State
from pilothouse.monitors.delivery.notice import Notice, Status, Told

__all__ = ["News", "news_of", "notice_of"]

MS_IN_S = 1000


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of an alert."""

    alert: Alert
    state: State
    is_reminder: bool = False


def news_of(alert: Alert, *, is_silenced: bool, now_ms: int) -> News | None:
    """Returns what is to be told of an alert now, if anything is."""
    if alert.state == "resolved":
        return News(alert, "resolved") if alert.told_state in {"open", "acknowledged"} else None
    if alert.state == "pending" or is_silenced:
        return None
    if alert.state == "acknowledged":
        return News(alert, "acknowledged") if alert.told_state == "open" else None
    if alert.told_state is None:
        return News(alert, "open")
    told_ms = alert.told_at_ms or 0
    if alert.remind_s and now_ms - told_ms >= alert.remind_s * MS_IN_S:
        return News(alert, "open", is_reminder=True)
    return None


def notice_of(group: str, news: Sequence[News], others: Sequence[Alert], *, now_ms: int) -> Notice:
    """Returns the notice of a group.

    Args:
        group: The group's key.
        news: What is new, at least one.
        others: The group's further alerts that are open or acknowledged, and not silenced.
        now_ms: The time.
    """
    told = [_told(one.alert) for one in news]
    known = {one.id for one in told}
    told += [_told(alert) for alert in others if alert.id not in known]
    states = {one.state for one in told}
    status: Status = (
        "firing" if "open" in states else "acknowledged" if "acknowledged" in states else "resolved"
    )
    order = ("open", "acknowledged", "resolved")
    return Notice(
        status=status,
        group=group,
        at_ms=now_ms,
        alerts=tuple(sorted(told, key=lambda one: (order.index(one.state), one.opened_at_ms or 0))),
        is_reminder=all(one.is_reminder for one in news),
    )


def _told(alert: Alert) -> Told:
    return Told(
        id=alert.id,
        rule=alert.rule,
        state=alert.state,
        severity=alert.severity,
        labels=alert.labels,
        summary=alert.summary,
        value=alert.value,
        threshold=alert.threshold,
        link=alert.link,
        runbook=alert.runbook,
        opened_at_ms=alert.opened_at_ms,
        acknowledged_by=alert.acknowledged_by,
        resolved_at_ms=alert.resolved_at_ms,
    )

"""What is told: the alerts of one group, as every way of telling takes them.

Refuses to know ways and receivers. Invariant: nothing in a notice is a secret or content of a call.
"""

from typing import Literal

import msgspec

__all__ = ["Notice", "Status", "Told", "headline", "lines", "shown"]

Status = Literal["firing", "acknowledged", "resolved", "test"]
THOUSAND = 1000.0
MOST_LISTED = 20
"""Alerts named one by one in a text for people."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, as it is told."""

    id: str
    rule: str
    state: str
    severity: str
    labels: dict[str, str]
    summary: str
    value: float | None = None
    threshold: float | None = None
    link: str | None = None
    runbook: str | None = None
    opened_at_ms: int | None = None
    acknowledged_by: str | None = None
    resolved_at_ms: int | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told at once: the open alerts of a group, and those that have just ended."""

    status: Status
    group: str
    at_ms: int
    alerts: tuple[Told, ...]
    is_reminder: bool = False

    @property
    def severity(self) -> str:
        """The worst of its alerts."""
        order = ("critical", "warning", "info")
        return min((told.severity for told in self.alerts), key=order.index, default="info")


def headline(notice: Notice) -> str:
    """Returns the notice in one line."""
    word = {"firing": "ALERT", "acknowledged": "SEEN", "resolved": "RESOLVED", "test": "TEST"}[notice.status]
    if notice.status == "test":
        return "[TEST] A test notice from Pilothouse"
    open_ones = [told for told in notice.alerts if told.state != "resolved"]
    first = (open_ones or list(notice.alerts))[0]
    more = len(open_ones or notice.alerts) - 1
    again = " (again)" if notice.is_reminder else ""
    return f"[{word}] {first.summary}{f' and {more} more' if more else ''}{again}"


def lines(notice: Notice) -> list[str]:
    """Returns the notice as plain lines for people."""
    said: list[str] = []
    for told in notice.alerts[:MOST_LISTED]:
        said.append(f"{told.severity.upper()} {told.summary} ({told.state})")
        labels = ", ".join(f"{name}={value}" for name, value in sorted(told.labels.items()))
        said.append(f"  {labels}")
        if told.acknowledged_by:
            said.append(f"  acknowledged by {told.acknowledged_by}")
        if told.runbook:
            said.append(f"  what to do: {told.runbook}")
        if told.link:
            said.append(f"  the calls behind it: {told.link}")
    rest = len(notice.alerts) - MOST_LISTED
    return said + ([f"... and {rest} more"] if rest > 0 else [])


def shown(value: float | None, unit: str = "") -> str:
    """Returns a number as a person reads it, with its unit."""
    if value is None:
        return "nothing"
    if unit == "share":
        return f"{value * 100:.3g} %"
    if unit == "ms" and abs(value) >= THOUSAND:
        return f"{value / THOUSAND:.3g} s"
    figure = f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.3g}"
    return f"{figure} {unit}".strip()

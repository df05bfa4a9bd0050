"""An alert, a silence and a stored rule, as they are kept and shown.

Refuses to know SQL and HTTP. Invariant: an alert's labels never change; its state does.
"""

import msgspec

from pilothouse.monitors.alerts.judge import Standing, State
from pilothouse.monitors.alerts.settings import RuleSettings, Severity

__all__ = ["Alert", "Change", "Silence", "StoredRule", "silence_of"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert."""

    id: str
    rule: str
    fingerprint: str
    group_key: str
    state: State
    severity: Severity
    labels: dict[str, str]
    receivers: tuple[str, ...]
    summary: str
    value: float | None
    threshold: float | None
    link: str | None
    runbook: str | None
    remind_s: float
    pending_at_ms: int
    last_seen_at_ms: int
    opened_at_ms: int | None = None
    clear_at_ms: int | None = None
    acknowledged_at_ms: int | None = None
    acknowledged_by: str | None = None
    resolved_at_ms: int | None = None
    told_state: State | None = None
    told_at_ms: int | None = None

    @property
    def standing(self) -> Standing:
        """Returns what decisions are made on."""
        return Standing(self.state, self.pending_at_ms, self.opened_at_ms, self.clear_at_ms)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an alert."""

    at_ms: int
    what: str
    by: str | None = None
    note: str | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """For a time, alerts with these labels are told to nobody."""

    id: str
    matchers: dict[str, str]
    """Label to value; a `*` at the end of a value stands for anything."""
    reason: str
    starts_at_ms: int
    ends_at_ms: int
    created_at_ms: int
    created_by: str | None = None

    def is_active(self, now_ms: int) -> bool:
        """Says whether it holds now."""
        return self.starts_at_ms <= now_ms < self.ends_at_ms

    def matches(self, labels: dict[str, str]) -> bool:
        """Says whether it is about an alert with these labels."""
        return all(_fits(wanted, labels.get(name)) for name, wanted in self.matchers.items())


class StoredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that somebody made while running."""

    name: str
    settings: RuleSettings
    created_at_ms: int
    created_by: str | None = None


def _fits(wanted: str, value: str | None) -> bool:
    if value is None:
        return False
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def silence_of(alert: Alert, silences: list[Silence], now_ms: int) -> Silence | None:
    """Returns the silence that holds for an alert now."""
    return next((one for one in silences if one.is_active(now_ms) and one.matches(alert.labels)), None)

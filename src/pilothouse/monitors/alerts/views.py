"""What the management API says of alerts, silences, rules and deliveries.

Refuses to know HTTP. Invariant: no secret and no address of a receiver is in a view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from pilothouse.monitors.alerts.alert import Alert, Change, Silence
from pilothouse.monitors.alerts.desk import Detail, RuleInForce
from pilothouse.monitors.alerts.sources import unit_of
from pilothouse.monitors.delivery.notice import headline
from pilothouse.monitors.delivery.repository import Delivery

__all__ = ["AlertView", "AroundView", "ChangeView", "DeliveryView", "DetailView", "RuleView", "SilenceView"]


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert."""

    id: str
    rule: str
    state: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    value: float | None
    threshold: float | None
    link: str | None
    runbook: str | None
    receivers: Sequence[str]
    pending_at_ms: int
    opened_at_ms: int | None
    last_seen_at_ms: int
    acknowledged_at_ms: int | None
    acknowledged_by: str | None
    resolved_at_ms: int | None
    told_at_ms: int | None
    silenced_until_ms: int | None

    @classmethod
    def of(cls, alert: Alert, silence: Silence | None = None) -> Self:
        """Returns an alert as it is shown."""
        return cls(
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
            receivers=alert.receivers,
            pending_at_ms=alert.pending_at_ms,
            opened_at_ms=alert.opened_at_ms,
            last_seen_at_ms=alert.last_seen_at_ms,
            acknowledged_at_ms=alert.acknowledged_at_ms,
            acknowledged_by=alert.acknowledged_by,
            resolved_at_ms=alert.resolved_at_ms,
            told_at_ms=alert.told_at_ms,
            silenced_until_ms=None if silence is None else silence.ends_at_ms,
        )


@dataclass(frozen=True, slots=True)
class ChangeView:
    """Something that happened to an alert."""

    at_ms: int
    what: str
    by: str | None
    note: str | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """Returns a change as it is shown."""
        return cls(change.at_ms, change.what, change.by, change.note)


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One notice for one receiver."""

    id: str
    receiver: str
    state: str
    title: str
    attempts: int
    created_at_ms: int
    next_at_ms: int | None
    delivered_at_ms: int | None
    last_error: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Returns a delivery as it is shown."""
        return cls(
            id=delivery.id,
            receiver=delivery.receiver,
            state=delivery.state,
            title=headline(delivery.notice),
            attempts=delivery.attempts,
            created_at_ms=delivery.created_at_ms,
            next_at_ms=delivery.next_at_ms,
            delivered_at_ms=delivery.delivered_at_ms,
            last_error=delivery.last_error,
        )


@dataclass(frozen=True, slots=True)
class AroundView:
    """The measure around an alert."""

    measure: str
    unit: str
    start_ms: int
    step_ms: int
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class DetailView:
    """All about one alert."""

    alert: AlertView
    history: list[ChangeView]
    deliveries: list[DeliveryView]
    around: AroundView | None

    @classmethod
    def of(cls, detail: Detail) -> Self:
        """Returns all about an alert as it is shown."""
        around = None
        if detail.around is not None and detail.measure is not None:
            values = next(iter(detail.around.lines.values()), ())
            past = detail.around
            unit = unit_of(detail.measure)
            around = AroundView(detail.measure, unit, past.start_ms, past.step_ms, values)
        return cls(
            alert=AlertView.of(detail.alert, detail.silence),
            history=[ChangeView.of(one) for one in detail.changes],
            deliveries=[DeliveryView.of(one) for one in detail.deliveries],
            around=around,
        )


@dataclass(frozen=True, slots=True)
class SilenceView:
    """For a time, alerts with these labels are told to nobody."""

    id: str
    matchers: Mapping[str, str]
    reason: str
    starts_at_ms: int
    ends_at_ms: int
    created_at_ms: int
    created_by: str | None

    @classmethod
    def of(cls, silence: Silence) -> Self:
        """Returns a silence as it is shown."""
        return cls(**msgspec.structs.asdict(silence))


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule: `origin` is `default`, `configuration` or `stored`."""

    name: str
    origin: str
    settings: dict[str, Any]
    window_s: float
    receivers: Sequence[str]
    created_at_ms: int | None
    created_by: str | None
    judged_at_ms: int | None
    error: str | None

    @classmethod
    def of(cls, found: RuleInForce) -> Self:
        """Returns a rule as it is shown: what stands at its default is left out of `settings`."""
        rule, stored, judged = found.rule, found.stored, found.judged
        return cls(
            name=rule.name,
            origin=rule.origin,
            settings={"kind": rule.settings.kind, **msgspec.to_builtins(rule.settings)},
            window_s=rule.window_s,
            receivers=rule.receivers,
            created_at_ms=stored.created_at_ms if stored else None,
            created_by=stored.created_by if stored else None,
            judged_at_ms=judged.at_ms if judged else None,
            error=judged.error if judged else None,
        )

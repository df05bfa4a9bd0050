"""Alerts on a real state database, with numbers that a test sets.

Refuses to know what a test checks. Invariant: times are the test's own.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from pilothouse.monitors.alerts.announce import Announcer
from pilothouse.monitors.alerts.desk import AlertDesk
from pilothouse.monitors.alerts.rules import configured
from pilothouse.monitors.alerts.settings import AlertSettings, RuleSettings
from pilothouse.monitors.alerts.sources import Burning, Past
from pilothouse.monitors.alerts.watch import Watch
from pilothouse.monitors.delivery.send import Sender
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.store.state import open_state

NOW_MS = 1_790_000_000_000


class FakeNumbers:
    """Measures as a test sets them: by measure and label, the same at all times but where it says."""

    def __init__(self) -> None:
        self.now: dict[str, dict[str, float | None]] = {}
        self.earlier: dict[str, dict[str, float | None]] = {}
        """Of windows that ended a day before `NOW_MS` or earlier, or that are a day long."""
        self.lines: dict[str, dict[str, list[float | None]]] = {}
        self.live: dict[str, dict[str, float]] = {}
        self.burning_now: list[Burning] = []
        self.fault: Exception | None = None
        self.asked = 0

    def value(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int
    ) -> Mapping[str, float | None]:
        del by, only
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        is_earlier = end_ms <= NOW_MS - 86_400_000 or end_ms - start_ms >= 86_400_000
        return (self.earlier if is_earlier else self.now).get(measure, {})

    def past(
        self, measure: str, by: str | None, only: Mapping[str, str], start_ms: int, end_ms: int, step_ms: int
    ) -> Past:
        del by, only
        count = (end_ms - start_ms) // step_ms
        lines = {
            label: ([None] * count + values)[-count:] for label, values in self.lines.get(measure, {}).items()
        }
        return Past(start_ms, step_ms, lines)

    def readings(self, now_ms: int) -> Mapping[str, Mapping[str, float]]:
        del now_ms
        return self.live

    def burning(self, now_ms: int) -> list[Burning]:
        del now_ms
        return self.burning_now


class Alerting:
    """One process's alerting; several may share a database."""

    def __init__(
        self,
        engine: Engine,
        numbers: FakeNumbers,
        settings: AlertSettings,
        receivers: Mapping[str, ReceiverSettings],
        secrets: Mapping[str, str],
    ) -> None:
        self.engine = engine
        self.sender = Sender(engine, receivers, secrets)
        self.watch = Watch(
            engine,
            settings,
            configured(settings),
            numbers,
            numbers,
            Announcer(engine, wants=self.sender.wants, group_wait_s=settings.group_wait_s),
            "http://127.0.0.1:8080",
            numbers,
        )
        self.desk = AlertDesk(engine, watch=self.watch, sender=self.sender, numbers=numbers)

    def tick(self, now_ms: int) -> None:
        """Lets both jobs work once."""
        self.watch.tick(now_ms)
        self.sender.tick(now_ms)


def state(folder: Path) -> Engine:
    """Opens a state database in a folder."""
    return open_state(str(folder / "state.sqlite"), backups=str(folder / "backups"), now_ms=NOW_MS)


def settings_of(*, receivers: list[str] | None = None, **rules: RuleSettings) -> AlertSettings:
    """Returns settings with these rules only, told without waiting for a group."""
    return AlertSettings(
        rules={name.replace("_", "-"): rule for name, rule in rules.items()},
        has_default_rules=False,
        receivers=receivers or [],
        group_wait_s=0.0,
    )

"""The job of alerts: reads what is due, judges it, and keeps what came of it.

Refuses to know HTTP and how receivers are reached. Invariant: one rule's fault leaves its alerts as they are
and holds up no other rule; everything that a restart must not forget is in the database.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from pilothouse.contracts.errors import PilothouseError
from pilothouse.monitors.alerts import repository
from pilothouse.monitors.alerts.alert import Alert, Change
from pilothouse.monitors.alerts.announce import Announcer
from pilothouse.monitors.alerts.judge import Standing, Verdict, advance, judge, refreshed
from pilothouse.monitors.alerts.links import filter_of, link_to
from pilothouse.monitors.alerts.read import Baselines, Read, read
from pilothouse.monitors.alerts.rules import Rule, fingerprint, group_key, rule_of
from pilothouse.monitors.alerts.settings import AlertSettings, Severity
from pilothouse.monitors.alerts.sources import Asked, Live, Numbers, Objectives, is_live
from pilothouse.monitors.alerts.wording import summary_of
from pilothouse.monitors.delivery import repository as deliveries

__all__ = ["Judged", "Seen", "Watch"]

logger = logging.getLogger(__name__)

MS_IN_S = 1000
DAY_MS = 86_400_000
SHORTEST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 60_000
LOOKS_A_WINDOW = 30
SEE_EVERY_MS = 30_000
"""How often the value of an alert that goes on is written."""
FORGET_EVERY_MS = 3_600_000


@dataclass(slots=True)
class Judged:
    """How a rule's last look went."""

    at_ms: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A condition of one fingerprint, as it is now."""

    labels: dict[str, str]
    verdict: Verdict
    measure: str | None = None


@dataclass(slots=True)
class Watch:
    """Looks at rules; ticked from one thread."""

    engine: Engine
    settings: AlertSettings
    configured: list[Rule]
    """The rules of the configuration."""
    numbers: Numbers
    live: Live
    announcer: Announcer
    """Who writes what is to be told."""
    address: str
    """Where the console is."""
    objectives: Objectives | None = None
    judged: dict[str, Judged] = field(default_factory=dict)
    _baselines: Baselines = field(default_factory=Baselines)
    _forgot_at_ms: int = 0

    def rules(self) -> list[Rule]:
        """Returns all rules: those of the configuration, then the stored ones that none of them replaces."""
        with self.engine.connect() as connection:
            stored = repository.list_rules(connection)
        taken = {rule.name for rule in self.configured}
        own = [rule_of(one.name, one.settings, "stored", self.settings) for one in stored]
        return self.configured + [rule for rule in own if rule.name not in taken]

    def tick(self, now_ms: int) -> bool:
        """Looks at every rule that is due; there is never more to do at once."""
        rules = {rule.name: rule for rule in self.rules() if not rule.settings.is_off}
        with self.engine.connect() as connection:
            live = repository.live_alerts(connection)
        by_rule: dict[str, list[Alert]] = defaultdict(list)
        for alert in live:
            by_rule[alert.rule].append(alert)
        asked, present = Asked(self.numbers), self.live.readings(now_ms)
        for rule in rules.values():
            if self._is_due(rule, now_ms):
                self._look(rule, by_rule[rule.name], asked, present, now_ms)
        for alert in live:
            if alert.rule not in rules:
                self._drop(alert, now_ms)
        self.announcer.tick(now_ms)
        self._forget(now_ms)
        return False

    def _is_due(self, rule: Rule, now_ms: int) -> bool:
        last = self.judged.get(rule.name)
        pause_ms = SHORTEST_PAUSE_MS
        if not is_live(rule.settings.measure):
            pause_ms = int(rule.window_s * MS_IN_S / LOOKS_A_WINDOW)
        pause_ms = min(LONGEST_PAUSE_MS, max(SHORTEST_PAUSE_MS, pause_ms))
        # A tick comes a little early or late; half a pause of grace keeps every rule on its pace.
        return last is None or now_ms - last.at_ms >= pause_ms - SHORTEST_PAUSE_MS // 2

    def _look(
        self,
        rule: Rule,
        alerts: list[Alert],
        asked: Numbers,
        present: Mapping[str, Mapping[str, float]],
        now_ms: int,
    ) -> None:
        try:
            found = read(
                rule,
                asked,
                live=present,
                objectives=self.objectives,
                baselines=self._baselines,
                now_ms=now_ms,
            )
        except PilothouseError as error:
            self.judged[rule.name] = Judged(now_ms, error.message)
            logger.warning("a rule could not be judged: %s", error.message, extra={"rule": rule.name})
            return
        self.judged[rule.name] = Judged(now_ms)
        seen = dict(self._seen(rule, one) for one in found)
        for alert in alerts:
            now = seen.pop(alert.fingerprint, Seen(alert.labels, Verdict("unknown")))
            self._go_on(rule, alert, now, now_ms)
        for key, now in seen.items():
            self._begin(rule, key, now, now_ms)

    def _seen(self, rule: Rule, one: Read) -> tuple[str, Seen]:
        labels = rule.labels(one.label, one.extra)
        return fingerprint(labels), Seen(
            labels, judge(rule.settings, one.reading), one.measure or rule.settings.measure
        )

    def _begin(self, rule: Rule, key: str, now: Seen, now_ms: int) -> None:
        standing = self._advanced(rule, None, now.verdict, now_ms)
        if standing is None:
            return
        alert = Alert(
            id=f"alt_{token_hex(8)}",
            rule=rule.name,
            fingerprint=key,
            group_key=group_key(rule, now.labels),
            state=standing.state,
            severity=_severity(now.labels),
            labels=now.labels,
            receivers=rule.receivers,
            summary=summary_of(rule, now.verdict, now.labels),
            value=now.verdict.value,
            threshold=now.verdict.threshold,
            link=self._link(rule, now, standing, now_ms),
            runbook=rule.settings.runbook,
            remind_s=rule.remind_s,
            pending_at_ms=standing.pending_at_ms,
            opened_at_ms=standing.opened_at_ms,
            last_seen_at_ms=now_ms,
        )
        try:
            with self.engine.begin() as connection:
                repository.add_alert(connection, alert)
        except IntegrityError:
            logger.info("another process has opened the alert", extra={"rule": rule.name})

    def _go_on(self, rule: Rule, alert: Alert, now: Seen, now_ms: int) -> None:
        before = refreshed(alert.standing, seen_at_ms=alert.last_seen_at_ms, now_ms=now_ms)
        standing = self._advanced(rule, before, now.verdict, now_ms)
        with self.engine.begin() as connection:
            if standing is None:
                repository.delete_pending(connection, alert.id)
                return
            after = self._updated(rule, alert, now, standing, now_ms)
            if after.state != alert.state:
                change = Change(at_ms=now_ms, what=after.state, note=after.summary)
                repository.change_alert(connection, alert, after, change)
            elif (
                after.clear_at_ms != alert.clear_at_ms
                or after.pending_at_ms != alert.pending_at_ms
                or now_ms - alert.last_seen_at_ms >= SEE_EVERY_MS
            ):
                repository.see_alert(connection, after)

    def _updated(self, rule: Rule, alert: Alert, now: Seen, standing: Standing, now_ms: int) -> Alert:
        """Returns the alert as it is now; what was measured last stays when there is nothing to measure."""
        after = msgspec.structs.replace(
            alert,
            state=standing.state,
            pending_at_ms=standing.pending_at_ms,
            opened_at_ms=standing.opened_at_ms,
            clear_at_ms=standing.clear_at_ms,
            last_seen_at_ms=now_ms,
            resolved_at_ms=now_ms if standing.state == "resolved" else None,
        )
        if now.verdict.condition not in {"met", "between"}:
            return after
        return msgspec.structs.replace(
            after,
            value=now.verdict.value,
            threshold=now.verdict.threshold,
            summary=summary_of(rule, now.verdict, alert.labels),
            link=self._link(rule, now, standing, now_ms),
        )

    @staticmethod
    def _advanced(rule: Rule, standing: Standing | None, verdict: Verdict, now_ms: int) -> Standing | None:
        settings = rule.settings
        return advance(
            standing, verdict.condition, now_ms=now_ms, for_s=settings.for_s, keep_s=settings.keep_s
        )

    def _link(self, rule: Rule, now: Seen, standing: Standing, now_ms: int) -> str | None:
        if is_live(now.measure):
            return None
        start_ms = standing.pending_at_ms - int(rule.window_s * MS_IN_S)
        text = filter_of(now.measure, now.labels, now.verdict.threshold)
        return link_to(self.address, text, start_ms=start_ms, end_ms=now_ms)

    def _drop(self, alert: Alert, now_ms: int) -> None:
        """Ends an alert whose rule is gone or off."""
        with self.engine.begin() as connection:
            if alert.state == "pending":
                repository.delete_pending(connection, alert.id)
                return
            after = msgspec.structs.replace(alert, state="resolved", resolved_at_ms=now_ms)
            change = Change(at_ms=now_ms, what="resolved", note="its rule is gone")
            repository.change_alert(connection, alert, after, change)

    def _forget(self, now_ms: int) -> None:
        if now_ms - self._forgot_at_ms < FORGET_EVERY_MS:
            return
        self._forgot_at_ms = now_ms
        before_ms = now_ms - self.settings.keep_days * DAY_MS
        with self.engine.begin() as connection:
            repository.forget(connection, before_ms)
            deliveries.forget(connection, before_ms)


def _severity(labels: Mapping[str, str]) -> Severity:
    found: Severity = msgspec.convert(labels["severity"], Severity)
    return found

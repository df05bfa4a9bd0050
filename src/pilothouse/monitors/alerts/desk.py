"""The desk where alerts are read, acknowledged and silenced, and rules are made, changed and tried.

Refuses to know HTTP and who may do what. Invariant: each verb is one transaction; a rule of the configuration
is changed only there.
"""

from collections.abc import Sequence
from secrets import token_hex

import msgspec
from sqlalchemy import Connection, Engine

from pilothouse.contracts.errors import ConflictError, InvalidRequestError, NotFoundError
from pilothouse.monitors.alerts import repository
from pilothouse.monitors.alerts.alert import Alert, Change, Silence, StoredRule, silence_of
from pilothouse.monitors.alerts.preview import Preview, preview
from pilothouse.monitors.alerts.rules import Rule, problems, rule_of
from pilothouse.monitors.alerts.settings import RuleSettings
from pilothouse.monitors.alerts.sources import Numbers, Past, is_live, known_measures
from pilothouse.monitors.alerts.watch import Judged, Watch
from pilothouse.monitors.delivery import repository as deliveries
from pilothouse.monitors.delivery.notice import Notice, Told
from pilothouse.monitors.delivery.repository import Delivery
from pilothouse.monitors.delivery.send import Sender

__all__ = ["AlertDesk", "Detail", "RuleInForce"]

LONGEST_SILENCE_MS = 366 * 86_400_000
MOST_RULES = 500
MOST_OPEN = 1000
MOST_DELIVERIES = 50
AROUND_MS = 3_600_000
POINTS = 120
WEEK_MS = 7 * 86_400_000
LIVE_STATES = ("open", "acknowledged")


class Detail(msgspec.Struct, frozen=True):
    """All about one alert."""

    alert: Alert
    silence: Silence | None
    changes: list[Change]
    deliveries: list[Delivery]
    around: Past | None
    """The measure around it, for a chart; `None` where nobody keeps its past."""
    measure: str | None


class RuleInForce(msgspec.Struct, frozen=True):
    """A rule, where it comes from, and how its last look went."""

    rule: Rule
    stored: StoredRule | None
    judged: Judged | None


class AlertDesk:
    """All that people do with alerts."""

    def __init__(self, engine: Engine, *, watch: Watch, sender: Sender, numbers: Numbers) -> None:
        """Takes its parts.

        Args:
            engine: The state database.
            watch: The job, which knows the rules.
            sender: Who reaches receivers.
            numbers: Who knows the measures.
        """
        self._engine = engine
        self._watch = watch
        self._sender = sender
        self._numbers = numbers

    # -- alerts -----------------------------------------------------------------------------------------

    def open_alerts(self, now_ms: int) -> list[tuple[Alert, Silence | None]]:
        """Returns the alerts that are open or acknowledged, each with the silence that holds for it."""
        with self._engine.connect() as connection:
            live = repository.live_alerts(connection)
            silences = repository.list_silences(connection, now_ms)
        going_on = [alert for alert in live if alert.state in LIVE_STATES][:MOST_OPEN]
        return [(alert, silence_of(alert, silences, now_ms)) for alert in going_on]

    def list_alerts(
        self,
        *,
        states: Sequence[str],
        start_ms: int | None,
        end_ms: int | None,
        before: str | None,
        most: int,
        now_ms: int,
    ) -> list[tuple[Alert, Silence | None]]:
        """Returns alerts, newest first; `before` goes on after the alert with this id.

        Raises:
            NotFoundError: There is no alert with the id `before`.
        """
        with self._engine.connect() as connection:
            last = self._find(connection, before) if before is not None else None
            found = repository.list_alerts(
                connection,
                states=states,
                start_ms=start_ms,
                end_ms=end_ms,
                before=None if last is None else (last.pending_at_ms, last.id),
                most=most,
            )
            silences = repository.list_silences(connection, now_ms)
        return [(alert, _silence(alert, silences, now_ms)) for alert in found]

    def show(self, alert_id: str, now_ms: int) -> Detail:
        """Returns all about an alert.

        Raises:
            NotFoundError: There is no such alert.
        """
        with self._engine.connect() as connection:
            alert = self._find(connection, alert_id)
            silences = repository.list_silences(connection, now_ms)
            changes = repository.changes_of(connection, alert_id)
            since_ms = alert.opened_at_ms or alert.pending_at_ms
            told = deliveries.of_groups(connection, [alert.group_key], since_ms, MOST_DELIVERIES)
        told = [one for one in told if any(named.id == alert.id for named in one.notice.alerts)]
        rule = next((one for one in self._watch.rules() if one.name == alert.rule), None)
        measure = rule.settings.measure if rule is not None else None
        around = self._around(rule, alert, now_ms) if rule is not None else None
        return Detail(alert, _silence(alert, silences, now_ms), changes, told, around, measure)

    def acknowledge(self, alert_id: str, *, by: str, note: str | None, now_ms: int) -> Alert:
        """Notes that somebody takes care of an alert; a second time changes nothing.

        Raises:
            NotFoundError: There is no such alert.
            ConflictError: It is not open.
        """
        with self._engine.begin() as connection:
            alert = self._find(connection, alert_id)
            if alert.state == "acknowledged":
                return alert
            after = msgspec.structs.replace(
                alert, state="acknowledged", acknowledged_at_ms=now_ms, acknowledged_by=by
            )
            change = Change(at_ms=now_ms, what="acknowledged", by=by, note=note)
            if alert.state != "open" or not repository.change_alert(connection, alert, after, change):
                raise ConflictError(
                    f"The alert {alert_id} is {alert.state}; only an open one can be acknowledged.",
                    hint="Look at it again.",
                )
        return after

    # -- silences ---------------------------------------------------------------------------------------

    def silences(self, since_ms: int) -> list[Silence]:
        """Returns the silences that end after a time."""
        with self._engine.connect() as connection:
            return repository.list_silences(connection, since_ms)

    def silence(
        self,
        matchers: dict[str, str],
        *,
        reason: str,
        starts_at_ms: int,
        ends_at_ms: int,
        by: str,
        now_ms: int,
    ) -> Silence:
        """Makes a silence.

        Raises:
            InvalidRequestError: It matches everything, or its time makes no sense.
        """
        if not matchers or all(value == "*" for value in matchers.values()):
            raise InvalidRequestError(
                "A silence of everything would hide an outage.",
                param="matchers",
                hint='Name a label, such as {"rule": "availability"}.',
            )
        if not now_ms < ends_at_ms <= now_ms + LONGEST_SILENCE_MS or starts_at_ms >= ends_at_ms:
            raise InvalidRequestError(
                "A silence ends in the future, within a year, and after its start.",
                param="ends_at_ms",
                hint="Give Unix milliseconds.",
            )
        made = Silence(
            id=f"sil_{token_hex(8)}",
            matchers=matchers,
            reason=reason,
            starts_at_ms=starts_at_ms,
            ends_at_ms=ends_at_ms,
            created_at_ms=now_ms,
            created_by=by,
        )
        with self._engine.begin() as connection:
            repository.add_silence(connection, made)
        return made

    def end_silence(self, silence_id: str, now_ms: int) -> Silence:
        """Ends a silence now.

        Raises:
            NotFoundError: There is no such silence.
        """
        with self._engine.begin() as connection:
            ended = repository.end_silence(connection, silence_id, now_ms)
        if ended is None:
            raise NotFoundError(f"There is no silence {silence_id}.", hint="GET /api/v1/silences lists them.")
        return ended

    # -- rules ------------------------------------------------------------------------------------------

    def rules(self) -> list[RuleInForce]:
        """Returns every rule, off or on."""
        with self._engine.connect() as connection:
            stored = {one.name: one for one in repository.list_rules(connection)}
        return [
            RuleInForce(
                rule, stored.get(rule.name) if rule.origin == "stored" else None, self._judged(rule.name)
            )
            for rule in self._watch.rules()
        ]

    def put_rule(
        self, name: str, settings: RuleSettings, *, is_new: bool, by: str, now_ms: int
    ) -> RuleInForce:
        """Stores a rule.

        Raises:
            ConflictError: The name is taken.
            NotFoundError: It is to be changed, and is not there.
            InvalidRequestError: It contradicts itself, or names what is not there.
        """
        rule = self.checked(name, settings)
        if any(one.name == name for one in self._watch.configured):
            raise ConflictError(
                f"The rule {name!r} is one of the configuration.",
                param="name",
                hint="Change it in the file, under `alerts.rules`, or choose another name.",
            )
        stored = StoredRule(name=name, settings=settings, created_at_ms=now_ms, created_by=by)
        with self._engine.begin() as connection:
            known = repository.list_rules(connection)
            is_there = any(one.name == name for one in known)
            if is_new and is_there:
                raise ConflictError(f"There is a rule {name!r} already.", param="name", hint="Use PUT.")
            if not is_new and not is_there:
                raise NotFoundError(f"There is no stored rule {name!r}.", hint="Use POST to make one.")
            if is_new and len(known) >= MOST_RULES:
                raise ConflictError(f"There are {MOST_RULES} rules already.", hint="Delete one first.")
            repository.put_rule(connection, stored)
        return RuleInForce(rule, stored, None)

    def delete_rule(self, name: str) -> None:
        """Deletes a stored rule; its open alerts are resolved at the next look.

        Raises:
            ConflictError: It is one of the configuration.
            NotFoundError: There is no such rule.
        """
        with self._engine.begin() as connection:
            is_gone = repository.delete_rule(connection, name)
        if is_gone:
            return
        if any(one.name == name for one in self._watch.configured):
            raise ConflictError(
                f"The rule {name!r} is one of the configuration.",
                hint="Turn it off there: `alerts: {rules: {NAME: {is_off: true}}}`.",
            )
        raise NotFoundError(f"There is no rule {name!r}.", hint="GET /api/v1/alert-rules lists them.")

    def checked(self, name: str, settings: RuleSettings) -> Rule:
        """Returns a rule with its defaults filled in.

        Raises:
            InvalidRequestError: It contradicts itself, or names what is not there.
        """
        found = problems(settings, measures=known_measures(), receivers=list(self._sender.receivers))
        for setting, message, hint in found:
            raise InvalidRequestError(
                f"The rule {name!r} cannot be judged: {message}.", param=setting, hint=hint
            )
        return rule_of(name, settings, "stored", self._watch.settings)

    def preview(self, name: str, settings: RuleSettings, *, start_ms: int | None, now_ms: int) -> Preview:
        """Returns what a rule would have done since a time, a week ago by default.

        Raises:
            InvalidRequestError: It contradicts itself, or nobody keeps the past of what it watches.
        """
        rule = self.checked(name, settings)
        first_ms = max(now_ms - 4 * WEEK_MS, now_ms - WEEK_MS if start_ms is None else start_ms)
        if first_ms >= now_ms:
            raise InvalidRequestError(
                "A rule is tried on the past, and this time is not past.", param="from_ms", hint="Give less."
            )
        return preview(rule, self._numbers, start_ms=first_ms, end_ms=now_ms)

    # -- receivers --------------------------------------------------------------------------------------

    def receivers(self) -> dict[str, str]:
        """Returns each receiver's name and way."""
        return {name: settings.kind for name, settings in self._sender.receivers.items()}

    def test_receiver(self, name: str, now_ms: int) -> None:
        """Tells one receiver that this is a test.

        Raises:
            NotFoundError: There is no such receiver.
            InvalidRequestError: It could not be told, and why.
        """
        told = Told(
            id="alt_test",
            rule="test",
            state="open",
            severity="info",
            labels={"rule": "test"},
            summary="This is a test: nothing is wrong",
            opened_at_ms=now_ms,
        )
        notice = Notice(status="test", group=f"test-{token_hex(8)}", at_ms=now_ms, alerts=(told,))
        self._sender.test(name, notice, now_ms)

    # -- inside -----------------------------------------------------------------------------------------

    def _judged(self, name: str) -> Judged | None:
        return self._watch.judged.get(name)

    @staticmethod
    def _find(connection: Connection, alert_id: str) -> Alert:
        found = repository.find_alert(connection, alert_id)
        if found is None:
            raise NotFoundError(f"There is no alert {alert_id}.", hint="GET /api/v1/alerts lists them.")
        return found

    def _around(self, rule: Rule, alert: Alert, now_ms: int) -> Past | None:
        settings = rule.settings
        if settings.measure is None or is_live(settings.measure):
            return None
        start_ms = alert.pending_at_ms - AROUND_MS
        end_ms = min(now_ms, (alert.resolved_at_ms or now_ms) + AROUND_MS)
        step_ms = max(60_000, (end_ms - start_ms) // POINTS // 60_000 * 60_000)
        only = dict(settings.only)
        if settings.by is not None and settings.by in alert.labels:
            only[settings.by] = alert.labels[settings.by]
        return self._numbers.past(settings.measure, None, only, start_ms, end_ms, step_ms)


def _silence(alert: Alert, silences: list[Silence], now_ms: int) -> Silence | None:
    return silence_of(alert, silences, now_ms) if alert.state != "resolved" else None

"""Alerts open, are grouped, told, acknowledged, silenced and resolved, and survive a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.integration.monitors.receivers import Hook, web_server
from tests.integration.monitors.watching import NOW_MS, Alerting, FakeNumbers, settings_of, state

from pilothouse.contracts.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.monitors.alerts.settings import AlertSettings, RuleSettings
from pilothouse.monitors.alerts.sources import Burning
from pilothouse.monitors.delivery.settings import ReceiverSettings

S = 1000
HOUR = 3_600_000
ERRORS = RuleSettings(
    measure="error_rate", above=0.05, by="model", for_s=20, keep_s=30, severity="critical", runbook="look"
)
RECEIVERS = {
    "ops": ReceiverSettings(kind="webhook", webhook_url="${HOOK}", allow_private=True, timeout_s=5.0),
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = state(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def numbers() -> FakeNumbers:
    return FakeNumbers()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as running:
        yield running


def made(engine: Engine, numbers: FakeNumbers, hook: Hook, settings: AlertSettings) -> Alerting:
    return Alerting(engine, numbers, settings, RECEIVERS, {"HOOK": f"{hook.url}/hook"})


def states(alerting: Alerting, now_ms: int = NOW_MS) -> dict[str, str]:
    found = alerting.desk.list_alerts(
        states=("pending", "open", "acknowledged", "resolved"),
        start_ms=None, end_ms=None, before=None, most=100, now_ms=now_ms,
    )  # fmt: skip
    return {alert.labels.get("model", ""): alert.state for alert, _ in found}


def test_the_life_of_an_alert(state_engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(state_engine, numbers, hook, settings_of(receivers=["ops"], errors=ERRORS))
    numbers.now["error_rate"] = {"a": 0.2, "b": 0.01}
    alerting.tick(NOW_MS)
    assert states(alerting) == {"a": "pending"}
    assert hook.taken == []
    alerting.tick(NOW_MS + 10 * S)
    alerting.tick(NOW_MS + 20 * S)
    assert states(alerting) == {"a": "open"}
    [alert] = [alert for alert, _ in alerting.desk.open_alerts(NOW_MS)]
    [taken] = hook.taken
    assert taken.json["status"] == "firing"
    assert taken.json["alerts"][0]["id"] == alert.id
    assert taken.json["alerts"][0]["runbook"] == "look"
    assert "model+%3D+%22a%22" in taken.json["alerts"][0]["link"]

    seen = alerting.desk.acknowledge(alert.id, by="ann", note="mine", now_ms=NOW_MS + 25 * S)
    assert seen.acknowledged_by == "ann"
    alerting.tick(NOW_MS + 30 * S)
    numbers.now["error_rate"] = {"a": 0.0}
    for second in range(40, 80, 10):
        alerting.tick(NOW_MS + second * S)
    assert states(alerting) == {"a": "resolved"}
    assert [one.json["status"] for one in hook.taken] == ["firing", "acknowledged", "resolved"]
    detail = alerting.desk.show(alert.id, NOW_MS + 80 * S)
    assert [change.what for change in detail.changes] == ["pending", "open", "acknowledged", "resolved"]
    assert [one.state for one in detail.deliveries] == ["sent"] * 3
    alerting.tick(NOW_MS + 90 * S)
    assert len(hook.taken) == 3


def test_one_group_is_told_in_one_notice(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(engine, numbers, hook, settings_of(receivers=["ops"], errors=ERRORS))
    numbers.now["error_rate"] = {f"m{number}": 0.5 for number in range(5)}
    for second in (0, 10, 20):
        alerting.tick(NOW_MS + second * S)
    [taken] = hook.taken
    assert len(taken.json["alerts"]) == 5


def test_alerts_wait_for_more_of_their_group(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    rule = RuleSettings(measure="error_rate", above=0.05, by="model", for_s=0)
    settings = AlertSettings(
        rules={"errors": rule}, has_default_rules=False, receivers=["ops"], group_wait_s=15.0
    )
    alerting = made(engine, numbers, hook, settings)
    numbers.now["error_rate"] = {"a": 0.5}
    alerting.tick(NOW_MS)
    numbers.now["error_rate"] = {"a": 0.5, "b": 0.5}
    alerting.tick(NOW_MS + 10 * S)
    assert hook.taken == []
    alerting.tick(NOW_MS + 16 * S)
    [taken] = hook.taken
    assert {told["labels"]["model"] for told in taken.json["alerts"]} == {"a", "b"}


def test_a_restart_forgets_nothing_and_tells_nothing_twice(
    engine: Engine, numbers: FakeNumbers, hook: Hook
) -> None:
    settings = settings_of(receivers=["ops"], errors=ERRORS)
    numbers.now["error_rate"] = {"a": 0.2}
    for second in (0, 10, 20):
        made(engine, numbers, hook, settings).tick(NOW_MS + second * S)
    assert len(hook.taken) == 1
    numbers.now["error_rate"] = {"a": 0.0}
    for second in (30, 60):
        made(engine, numbers, hook, settings).tick(NOW_MS + second * S)
    assert [one.json["status"] for one in hook.taken] == ["firing", "resolved"]


def test_two_processes_open_and_tell_an_alert_once(
    state_engine: Engine, numbers: FakeNumbers, hook: Hook
) -> None:
    settings = settings_of(receivers=["ops"], errors=ERRORS)
    both = [made(state_engine, numbers, hook, settings) for _ in range(2)]
    numbers.now["error_rate"] = {"a": 0.2}
    for second in (0, 10, 20, 30):
        for one in both:
            one.watch.tick(NOW_MS + second * S)
        for one in both:
            one.sender.tick(NOW_MS + second * S)
    assert len(hook.taken) == 1
    assert states(both[0]) == {"a": "open"}


def test_a_silence_keeps_quiet_until_it_ends(state_engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(state_engine, numbers, hook, settings_of(receivers=["ops"], errors=ERRORS))
    ends_at_ms = NOW_MS + HOUR
    silence = alerting.desk.silence(
        {"model": "a"}, reason="r", starts_at_ms=NOW_MS, ends_at_ms=ends_at_ms, by="ann", now_ms=NOW_MS
    )
    numbers.now["error_rate"] = {"a": 0.2, "b": 0.2}
    for second in (0, 10, 20):
        alerting.tick(NOW_MS + second * S)
    [taken] = hook.taken
    assert [told["labels"]["model"] for told in taken.json["alerts"]] == ["b"]
    shown = {a.labels["model"]: s is not None for a, s in alerting.desk.open_alerts(NOW_MS + 20 * S)}
    assert shown == {"a": True, "b": False}
    alerting.desk.end_silence(silence.id, NOW_MS + 25 * S)
    alerting.tick(NOW_MS + 30 * S)
    assert len(hook.taken) == 2
    assert {told["labels"]["model"] for told in hook.taken[1].json["alerts"]} == {"a", "b"}


def test_an_open_alert_reminds(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    rule = RuleSettings(measure="error_rate", above=0.05, for_s=0, remind_s=60)
    alerting = made(engine, numbers, hook, settings_of(receivers=["ops"], errors=rule))
    numbers.now["error_rate"] = {"": 0.2}
    for second in range(0, 130, 10):
        alerting.tick(NOW_MS + second * S)
    assert [one.json["is_reminder"] for one in hook.taken] == [False, True, True]


def test_the_live_and_the_burning_are_judged_too(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    settings = settings_of(
        down=RuleSettings(measure="engines_down", by="deployment", above=0, for_s=0),
        burn=RuleSettings(kind="burn_rate", for_s=0),
    )
    alerting = made(engine, numbers, hook, settings)
    numbers.live = {"engines_down": {"m/e-0": 1.0, "m/e-1": 0.0}}
    numbers.burning_now = [
        Burning("fast", 20.0, 14.4, 3600.0, "availability", {"model": "m"}),
        Burning("slow", 0.5, 14.4, 3600.0),
    ]
    alerting.tick(NOW_MS)
    found = [alert.labels for alert, _ in alerting.desk.open_alerts(NOW_MS)]
    assert {"rule": "down", "severity": "warning", "deployment": "m/e-0"} in found
    assert {"rule": "burn", "severity": "critical", "objective": "fast", "model": "m"} in found
    assert len(found) == 2


def test_a_slow_burn_that_gets_fast_is_an_alert_of_its_own(
    engine: Engine, numbers: FakeNumbers, hook: Hook
) -> None:
    burn = RuleSettings(kind="burn_rate", for_s=0)
    alerting = made(engine, numbers, hook, settings_of(receivers=["ops"], burn=burn))
    numbers.burning_now = [Burning("o", 1.5, 1.0, 259_200.0, severity="warning")]
    alerting.tick(NOW_MS)
    numbers.burning_now = [Burning("o", 50.0, 14.4, 3600.0, severity="critical")]
    alerting.tick(NOW_MS + 10 * S)
    assert [one.json["severity"] for one in hook.taken] == ["warning", "critical"]


def test_absence_change_and_anomaly_read_the_past(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    settings = settings_of(
        gone=RuleSettings(kind="absence", measure="calls", by="model", for_s=0),
        dearer=RuleSettings(kind="change", measure="cost_usd", rises_by=0.5, for_s=0),
        odd=RuleSettings(kind="anomaly", measure="latency_p95_ms", for_s=0),
    )
    alerting = made(engine, numbers, hook, settings)
    numbers.now = {"calls": {"a": 4.0}, "cost_usd": {"": 20.0}, "latency_p95_ms": {"": 900.0}}
    numbers.earlier = {"calls": {"a": 9.0, "b": 9.0}, "cost_usd": {"": 10.0}}
    numbers.lines = {"latency_p95_ms": {"": [100.0 + hour % 7 for hour in range(672)]}}
    alerting.tick(NOW_MS)
    found = {alert.rule: alert for alert, _ in alerting.desk.open_alerts(NOW_MS)}
    assert found["gone"].labels["model"] == "b"
    assert found["dearer"].threshold == 15.0
    assert found["odd"].value == 900.0
    assert len(found) == 3


def test_a_rule_that_cannot_be_read_leaves_its_alerts_and_the_others(
    engine: Engine, numbers: FakeNumbers, hook: Hook
) -> None:
    settings = settings_of(
        errors=ERRORS, down=RuleSettings(measure="engines_down", by="deployment", above=0, for_s=0)
    )
    alerting = made(engine, numbers, hook, settings)
    numbers.now["error_rate"] = {"a": 0.2}
    for second in (0, 10, 20):
        alerting.tick(NOW_MS + second * S)
    numbers.fault = UnavailableError("the record is away")
    numbers.live = {"engines_down": {"e": 1.0}}
    for second in range(30, 120, 10):
        alerting.tick(NOW_MS + second * S)
    rules = {one.rule.name: one.judged for one in alerting.desk.rules()}
    assert rules["errors"] is not None
    assert rules["errors"].error == "the record is away"
    open_ones = {alert.rule for alert, _ in alerting.desk.open_alerts(NOW_MS)}
    assert open_ones == {"errors", "down"}


def test_stored_rules_come_and_go(state_engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(state_engine, numbers, hook, settings_of(errors=ERRORS))
    rule = RuleSettings(measure="calls", above=10.0, for_s=0)
    alerting.desk.put_rule("busy", rule, is_new=True, by="ann", now_ms=NOW_MS)
    numbers.now["calls"] = {"": 11.0}
    alerting.tick(NOW_MS)
    assert [alert.rule for alert, _ in alerting.desk.open_alerts(NOW_MS)] == ["busy"]
    with pytest.raises(ConflictError):
        alerting.desk.put_rule("busy", rule, is_new=True, by="ann", now_ms=NOW_MS)
    with pytest.raises(ConflictError):
        alerting.desk.put_rule("errors", rule, is_new=False, by="ann", now_ms=NOW_MS)
    with pytest.raises(NotFoundError):
        alerting.desk.put_rule("other", rule, is_new=False, by="ann", now_ms=NOW_MS)
    with pytest.raises(InvalidRequestError):
        alerting.desk.put_rule(
            "wrong", RuleSettings(measure="nonsense", above=1.0), is_new=True, by="ann", now_ms=NOW_MS
        )
    alerting.desk.delete_rule("busy")
    alerting.tick(NOW_MS + 10 * S)
    assert alerting.desk.open_alerts(NOW_MS) == []


def test_a_rule_is_tried_on_the_past(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(engine, numbers, hook, settings_of())
    steps = 7 * 24 * 12
    values: list[float | None] = [0.0] * steps
    values[100:110] = [0.5] * 10
    values[500] = 0.5
    numbers.lines = {"error_rate": {"": values}, "calls": {"": [50.0] * steps}}
    rule = RuleSettings(measure="error_rate", above=0.05, for_s=600, keep_s=300, min_calls=20)
    found = alerting.desk.preview("x", rule, start_ms=None, now_ms=NOW_MS)
    [firing] = found.firings
    first_ms = found.start_ms + 101 * found.step_ms
    assert firing.opened_at_ms == first_ms + 600 * S
    assert firing.resolved_at_ms == found.start_ms + 112 * found.step_ms
    few = RuleSettings(measure="error_rate", above=0.05, for_s=600, min_calls=51)
    assert alerting.desk.preview("x", few, start_ms=None, now_ms=NOW_MS).firings == []
    live = RuleSettings(measure="disk_used_share", above=0.9)
    with pytest.raises(InvalidRequestError, match="keeps the past"):
        alerting.desk.preview("x", live, start_ms=None, now_ms=NOW_MS)


def test_a_silence_of_everything_is_refused(engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    alerting = made(engine, numbers, hook, settings_of())
    for matchers in ({}, {"rule": "*"}):
        with pytest.raises(InvalidRequestError):
            alerting.desk.silence(
                matchers, reason="r", starts_at_ms=NOW_MS, ends_at_ms=NOW_MS + HOUR, by="a", now_ms=NOW_MS
            )


def test_old_alerts_are_forgotten(state_engine: Engine, numbers: FakeNumbers, hook: Hook) -> None:
    rule = RuleSettings(measure="calls", above=1.0, for_s=0, keep_s=0)
    alerting = made(state_engine, numbers, hook, settings_of(busy=rule))
    numbers.now["calls"] = {"": 2.0}
    alerting.tick(NOW_MS)
    numbers.now["calls"] = {"": 0.0}
    alerting.tick(NOW_MS + 10 * S)
    assert states(alerting) == {"": "resolved"}
    alerting.tick(NOW_MS + 91 * 24 * HOUR)
    assert states(alerting) == {}


def test_a_look_at_all_rules_asks_each_question_once(
    engine: Engine, numbers: FakeNumbers, hook: Hook
) -> None:
    one = RuleSettings(measure="error_rate", above=0.05)
    alerting = made(engine, numbers, hook, settings_of(a=one, b=one, c=one))
    alerting.tick(NOW_MS)
    assert numbers.asked == 1

"""When a condition is met, and what that makes of an alert."""

import pytest

from pilothouse.monitors.alerts.judge import Condition, Reading, Standing, Verdict, advance, judge, refreshed
from pilothouse.monitors.alerts.settings import RuleSettings

ABOVE = RuleSettings(measure="error_rate", above=0.05, clears_at=0.02)
BELOW = RuleSettings(measure="availability", below=0.95, clears_at=0.98)


@pytest.mark.parametrize(
    ("settings", "value", "condition"),
    [
        (ABOVE, 0.06, "met"),
        (ABOVE, 0.05, "between"),
        (ABOVE, 0.03, "between"),
        (ABOVE, 0.02, "over"),
        (BELOW, 0.90, "met"),
        (BELOW, 0.97, "between"),
        (BELOW, 0.99, "over"),
        (RuleSettings(measure="calls", above=5.0), 5.0, "over"),
        (ABOVE, None, "unknown"),
    ],
)
def test_a_threshold_has_a_band_in_which_nothing_changes(
    settings: RuleSettings, value: float | None, condition: Condition
) -> None:
    assert judge(settings, Reading(value)).condition == condition


def test_few_calls_are_not_judged() -> None:
    settings = RuleSettings(measure="error_rate", above=0.05, min_calls=20)
    assert judge(settings, Reading(0.5, calls=19)).condition == "unknown"
    assert judge(settings, Reading(0.5, calls=20)) == Verdict("met", 0.5, 0.05)


def test_a_change_is_measured_against_last_week() -> None:
    settings = RuleSettings(kind="change", measure="cost_usd", rises_by=0.5, falls_by=0.8)
    assert judge(settings, Reading(16.0, usual=10.0)) == Verdict("met", 16.0, 15.0)
    assert judge(settings, Reading(1.0, usual=10.0)).condition == "met"
    assert judge(settings, Reading(14.0, usual=10.0)).condition == "over"
    assert judge(settings, Reading(14.0, usual=None)).condition == "unknown"
    assert judge(settings, Reading(14.0, usual=0.0)).condition == "unknown"


def test_absence_needs_that_there_was_something() -> None:
    settings = RuleSettings(kind="absence", measure="calls")
    assert judge(settings, Reading(0.0, was_there=True)).condition == "met"
    assert judge(settings, Reading(None, was_there=True)).condition == "met"
    assert judge(settings, Reading(0.0, was_there=False)).condition == "over"
    assert judge(settings, Reading(3.0, was_there=True)).condition == "over"


def test_an_anomaly_is_far_from_the_usual_on_the_side_that_counts() -> None:
    settings = RuleSettings(kind="anomaly", measure="calls", deviations=5.0, side="below")
    assert judge(settings, Reading(10.0, usual=100.0, spread=10.0)) == Verdict("met", 10.0, 50.0)
    assert judge(settings, Reading(300.0, usual=100.0, spread=10.0)).condition == "over"
    assert judge(settings, Reading(300.0)).condition == "unknown"


def test_a_burn_rate_brings_its_own_threshold() -> None:
    settings = RuleSettings(kind="burn_rate")
    assert judge(settings, Reading(15.0, threshold=14.4)).condition == "met"
    assert judge(settings, Reading(14.0, threshold=14.4)).condition == "over"


def life(conditions: list[Condition], *, for_s: float, keep_s: float, step_s: float = 10) -> list[str]:
    """Returns the state after each condition, one every `step_s`."""
    standing: Standing | None = None
    states: list[str] = []
    for index, condition in enumerate(conditions):
        now_ms = int(index * step_s * 1000)
        standing = advance(standing, condition, now_ms=now_ms, for_s=for_s, keep_s=keep_s)
        states.append(standing.state if standing else "-")
    return states


def test_an_alert_waits_to_open_and_waits_to_end() -> None:
    met: list[Condition] = ["met", "met", "met"]
    assert life([*met, "over", "over", "over"], for_s=20, keep_s=20) == [
        "pending", "pending", "open", "open", "open", "resolved",
    ]  # fmt: skip


def test_a_spike_opens_nothing() -> None:
    assert life(["met", "over", "met", "met", "between"], for_s=20, keep_s=0) == [
        "pending", "-", "pending", "pending", "-",
    ]  # fmt: skip


def test_an_open_alert_does_not_flap() -> None:
    wobble: list[Condition] = ["met", "over", "between", "over", "met", "over", "over", "over"]
    assert life(wobble, for_s=0, keep_s=20) == ["open"] * 7 + ["resolved"]


def test_without_data_an_open_alert_ends_in_its_time() -> None:
    assert life(["met", "unknown", "unknown", "unknown"], for_s=0, keep_s=20)[-1] == "resolved"


def test_an_acknowledged_alert_ends_too() -> None:
    seen = Standing("acknowledged", 0, 0, clear_at_ms=0)
    after = advance(seen, "over", now_ms=60_000, for_s=0, keep_s=60)
    assert after is not None
    assert after.state == "resolved"


def test_a_condition_nobody_looked_at_is_not_met_on_end() -> None:
    pending = Standing("pending", 0)
    assert refreshed(pending, seen_at_ms=0, now_ms=3_600_000).pending_at_ms == 3_600_000
    assert refreshed(pending, seen_at_ms=3_590_000, now_ms=3_600_000).pending_at_ms == 0

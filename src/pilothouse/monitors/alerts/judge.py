"""Decides: whether a reading meets a rule's condition, and what that makes of an alert.

    nothing -> pending -> open -> acknowledged -> resolved
                  |         |___________________^
                  v  (not met for `for_s` on end)
               nothing

An alert opens when the condition was met for `for_s` on end, and is resolved when it was over for `keep_s` on
end. Between `above` and `clears_at` neither goes on: that is the hysteresis. No data is not a condition met,
so an open alert is resolved when its calls have ended.

Refuses to know clocks, databases and measures: readings and times come in. Invariant: the same readings give
the same decisions.
"""

from dataclasses import dataclass, replace
from typing import Literal

from pilothouse.monitors.alerts.settings import RuleSettings

__all__ = ["Condition", "Reading", "Standing", "State", "Verdict", "advance", "judge", "refreshed"]

Condition = Literal["met", "between", "over", "unknown"]
State = Literal["pending", "open", "acknowledged", "resolved"]
MS_IN_S = 1000
STALE_PENDING_MS = 180_000
"""A condition not looked at for so long was not met on end: nobody knows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read for one value of the rule's dimension."""

    value: float | None
    calls: float | None = None
    """Calls in the window, where the rule asks for a least number."""
    usual: float | None = None
    """The value of last week (`change`), or the usual one (`anomaly`)."""
    spread: float | None = None
    """For `anomaly`: the usual distance from the usual."""
    was_there: bool = True
    """For `absence`: whether there was something before."""
    threshold: float | None = None
    """For `burn_rate`: the rate at which it alerts; `value` is the rate."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reading means."""

    condition: Condition
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as far as decisions go."""

    state: State
    pending_at_ms: int
    opened_at_ms: int | None = None
    clear_at_ms: int | None = None
    """Since when the condition is over."""


def judge(settings: RuleSettings, reading: Reading) -> Verdict:
    """Says whether a reading meets a rule's condition."""
    if reading.calls is not None and reading.calls < settings.min_calls:
        return Verdict("unknown", reading.value)
    if settings.kind == "absence":
        is_absent = not reading.value
        return Verdict("met" if is_absent and reading.was_there else "over", reading.value, 0.0)
    if reading.value is None:
        return Verdict("unknown")
    if settings.kind == "burn_rate":
        return _against(reading.value, reading.threshold, None, is_upper=True)
    if settings.kind == "threshold":
        return _threshold(settings, reading.value)
    if settings.kind == "change":
        return _change(settings, reading.value, reading.usual)
    return _anomaly(settings, reading)


def _threshold(settings: RuleSettings, value: float) -> Verdict:
    if settings.above is not None:
        return _against(value, settings.above, settings.clears_at, is_upper=True)
    return _against(value, settings.below, settings.clears_at, is_upper=False)


def _against(value: float, limit: float | None, clears_at: float | None, *, is_upper: bool) -> Verdict:
    if limit is None:
        return Verdict("unknown", value)
    sign = 1.0 if is_upper else -1.0
    clears = limit if clears_at is None else clears_at
    if sign * value > sign * limit:
        return Verdict("met", value, limit)
    return Verdict("over" if sign * value <= sign * clears else "between", value, limit)


def _change(settings: RuleSettings, value: float, usual: float | None) -> Verdict:
    if usual is None or usual <= 0:
        return Verdict("unknown", value)
    if settings.rises_by is not None and value > usual * (1 + settings.rises_by):
        return Verdict("met", value, usual * (1 + settings.rises_by))
    if settings.falls_by is not None and value < usual * (1 - settings.falls_by):
        return Verdict("met", value, usual * (1 - settings.falls_by))
    return Verdict("over", value, usual)


def _anomaly(settings: RuleSettings, reading: Reading) -> Verdict:
    value, usual, spread = reading.value, reading.usual, reading.spread
    if value is None or usual is None or not spread:
        return Verdict("unknown", value)
    room = settings.deviations * spread
    if settings.side != "below" and value > usual + room:
        return Verdict("met", value, usual + room)
    if settings.side != "above" and value < usual - room:
        return Verdict("met", value, usual - room)
    return Verdict("over", value, usual + room if value >= usual else usual - room)


def advance(
    standing: Standing | None, condition: Condition, *, now_ms: int, for_s: float, keep_s: float
) -> Standing | None:
    """Returns what a condition makes of an alert; `None` when there is none, or none any more.

    Args:
        standing: The alert so far; `None` when there is none.
        condition: What holds now.
        now_ms: The time.
        for_s: How long the condition must be met before the alert opens.
        keep_s: How long it must be over before the alert is resolved.
    """
    if standing is None or standing.state == "resolved":
        if condition != "met":
            return None
        standing = Standing("pending", now_ms)
    if standing.state == "pending":
        return _pending(standing, condition, now_ms, for_s)
    if condition in {"met", "between"}:
        return replace(standing, clear_at_ms=None)
    since_ms = now_ms if standing.clear_at_ms is None else standing.clear_at_ms
    is_over = now_ms - since_ms >= keep_s * MS_IN_S
    return replace(standing, clear_at_ms=since_ms, state="resolved" if is_over else standing.state)


def _pending(standing: Standing, condition: Condition, now_ms: int, for_s: float) -> Standing | None:
    if condition != "met":
        return None
    if now_ms - standing.pending_at_ms >= for_s * MS_IN_S:
        return replace(standing, state="open", opened_at_ms=now_ms)
    return standing


def refreshed(standing: Standing, *, seen_at_ms: int, now_ms: int) -> Standing:
    """Returns a pending alert that nobody looked at for long as one that has just begun."""
    if standing.state == "pending" and now_ms - seen_at_ms > STALE_PENDING_MS:
        return replace(standing, pending_at_ms=now_ms)
    return standing

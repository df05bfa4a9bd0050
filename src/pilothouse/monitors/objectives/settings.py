"""The `objectives:` section of the configuration file: what is promised of which calls.

Refuses to know how calls are counted. Invariant: every objective that passes `problems` can be computed.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

__all__ = ["DAY_MS", "DIMENSIONS", "ObjectiveMeasure", "ObjectiveSettings", "problems", "window_ms_of"]

ObjectiveMeasure = Literal["availability", "latency", "first_token"]
DIMENSIONS = ("model", "provider", "deployment", "key", "team", "operation")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
UNITS_MS = {"h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
WINDOW = re.compile(r"^([1-9]\d{0,3})([hdw])$")
LONGEST_MS = 90 * DAY_MS


class ObjectiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One objective: a share of calls that is to be good over a window."""

    measure: ObjectiveMeasure = "availability"
    """`availability`: neither a provider nor we failed; callers' own errors do not count. `latency`: answered
    within `threshold_ms`. `first_token`: the first token of a stream came within `threshold_ms`."""
    goal: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.999
    """The share of calls that is to be good: what is left to 1 is the error budget."""
    window: str = "30d"
    """Over how long, up to now: hours, days or weeks, as `24h`, `30d` or `4w`; 90 days at most."""
    threshold_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """For `latency` and `first_token`: what is still good, in milliseconds."""
    only: dict[str, str] = {}
    """Which calls: dimension to value, such as `{model: assistant}`; left out, all."""
    min_calls: Annotated[int, msgspec.Meta(ge=1)] = 10
    """With fewer calls in a window, how fast the budget goes is not judged: one of two is no outage."""
    description: Annotated[str, msgspec.Meta(max_length=300)] | None = None
    """What is promised, in a sentence for people."""


def window_ms_of(window: str) -> int | None:
    """Returns a window in milliseconds, `None` if it is none."""
    match = WINDOW.match(window)
    if match is None:
        return None
    size_ms = int(match[1]) * UNITS_MS[match[2]]
    return size_ms if size_ms <= LONGEST_MS else None


def problems(settings: ObjectiveSettings) -> Iterator[tuple[str, str, str]]:
    """Yields each contradiction in an objective: the setting, what is wrong, what to do."""
    if window_ms_of(settings.window) is None:
        yield (
            "window",
            f"{settings.window!r} is no window",
            "Give hours, days or weeks up to 90 days: `24h`, `30d`, `4w`.",
        )
    for name in settings.only:
        if name not in DIMENSIONS:
            yield "only", f"{name!r} is no dimension", f"There is: {', '.join(DIMENSIONS)}."
    if settings.measure == "availability" and settings.threshold_ms is not None:
        yield "threshold_ms", "availability has no threshold", "Take it out, or aim at `latency`."
    if settings.measure != "availability" and settings.threshold_ms is None:
        yield (
            "threshold_ms",
            f"{settings.measure} needs a threshold",
            "Say what is good: `threshold_ms: 800`.",
        )

"""Reads what a rule watches: for each value of its dimension what `judge` needs.

Refuses to know alerts. Invariant: reading changes nothing, and costs a few bounded questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.monitors.alerts.baseline import HISTORY_MS, Baseline, learn
from pilothouse.monitors.alerts.judge import Reading
from pilothouse.monitors.alerts.rules import Rule
from pilothouse.monitors.alerts.sources import Burning, Numbers, Objectives, is_live

__all__ = ["Baselines", "Read", "read"]

WHOLE = ""
WEEK_MS = 604_800_000
BEFORE_MS = 86_400_000
"""For `absence`: how long before the window something must have been."""
LEARN_EVERY_MS = 3_600_000
MOST_LABELS = 200
"""Labels of one rule that are judged; a key each for 100,000 users is no rule."""
MS_IN_S = 1000


@dataclass(frozen=True, slots=True)
class Read:
    """One reading with what tells its alert from the rule's others."""

    label: str
    reading: Reading
    extra: Mapping[str, str]
    """Labels besides the rule's own; `severity` goes before the rule's."""
    measure: str | None = None
    """What is measured, where the rule does not name it."""


class Baselines:
    """What is usual for each rule and label, learnt again every hour."""

    def __init__(self) -> None:
        self._learnt: dict[str, tuple[int, tuple[object, ...], dict[str, Baseline]]] = {}

    def of(self, rule: Rule, numbers: Numbers, now_ms: int) -> Mapping[str, Baseline]:
        """Returns the baselines of a rule, by label."""
        step_ms = int(rule.window_s * MS_IN_S)
        asked = (rule.settings.measure, rule.settings.by, tuple(sorted(rule.settings.only.items())), step_ms)
        known = self._learnt.get(rule.name)
        if known is not None and known[1] == asked and now_ms - known[0] < LEARN_EVERY_MS:
            return known[2]
        end_ms = now_ms // step_ms * step_ms
        start_ms = end_ms - HISTORY_MS // step_ms * step_ms
        settings = rule.settings
        past = numbers.past(settings.measure or "", settings.by, settings.only, start_ms, end_ms, step_ms)
        made = {label: learn(_timed(values, start_ms, step_ms)) for label, values in past.lines.items()}
        self._learnt[rule.name] = (now_ms, asked, made)
        return made


def _timed(values: object, start_ms: int, step_ms: int) -> list[tuple[int, float | None]]:
    """Returns values with their times, from the first that is not empty on: the record began there."""
    assert isinstance(values, list | tuple)
    first = next((index for index, value in enumerate(values) if value), len(values))
    return [(start_ms + index * step_ms, value) for index, value in enumerate(values) if index >= first]


def read(
    rule: Rule,
    numbers: Numbers,
    *,
    live: Mapping[str, Mapping[str, float]],
    objectives: Objectives | None,
    baselines: Baselines,
    now_ms: int,
) -> list[Read]:
    """Returns what a rule watches, as it is now.

    Args:
        rule: The rule.
        numbers: Who knows the measures.
        live: The measures of the present, by name and label.
        objectives: Who keeps the objectives, if anybody does.
        baselines: What is usual.
        now_ms: The time, the end of the window.
    """
    settings = rule.settings
    if settings.kind == "burn_rate":
        burning = objectives.burning(now_ms) if objectives is not None else ()
        wanted = [one for one in burning if settings.objective in {None, one.objective}]
        return [_burn(one) for one in wanted]
    measure = settings.measure or ""
    if is_live(measure):
        found = live.get(measure, {})
        if settings.by is None:
            found = {WHOLE: max(found.values())} if found else {}
        wanted_labels = settings.only.get(settings.by) if settings.by else None
        return [
            Read(label, Reading(value), {})
            for label, value in found.items()
            if wanted_labels in {None, label}
        ]
    return _recorded(rule, numbers, baselines, now_ms)[:MOST_LABELS]


def _burn(one: Burning) -> Read:
    return Read(
        one.objective,
        Reading(one.rate, threshold=one.threshold),
        {**(one.only or {}), "objective": one.objective, "severity": one.severity},
        one.measure,
    )


def _recorded(rule: Rule, numbers: Numbers, baselines: Baselines, now_ms: int) -> list[Read]:
    settings, measure = rule.settings, rule.settings.measure or ""
    start_ms = now_ms - int(rule.window_s * MS_IN_S)

    def ask(name: str, from_ms: int, to_ms: int) -> Mapping[str, float | None]:
        return numbers.value(name, settings.by, settings.only, from_ms, to_ms)

    found = ask(measure, start_ms, now_ms)
    calls = ask("calls", start_ms, now_ms) if settings.min_calls else None

    def reading(label: str, **more: float | bool | None) -> Read:
        known = None if calls is None else calls.get(label) or 0.0
        return Read(label, Reading(found.get(label), calls=known, **more), {})  # type: ignore[arg-type]  # by name

    if settings.kind == "absence":
        before = ask(measure, start_ms - BEFORE_MS, start_ms)
        return [reading(label, was_there=bool(before.get(label))) for label in {**before, **found}]
    if settings.kind == "change":
        last_week = ask(measure, start_ms - WEEK_MS, now_ms - WEEK_MS)
        return [reading(label, usual=last_week.get(label)) for label in {**last_week, **found}]
    if settings.kind == "anomaly":
        usual = baselines.of(rule, numbers, now_ms)
        readings = []
        for label in {**usual, **found}:
            expected = usual[label].at(start_ms) if label in usual else None
            if expected is not None:
                readings.append(reading(label, usual=expected.value, spread=expected.spread))
        return readings
    return [reading(label) for label in found]

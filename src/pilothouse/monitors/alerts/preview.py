"""A rule over the past: when it would have opened an alert, and when that would have been over.

The past is taken in steps of the rule's window, so an alert is found to a window's length.
Refuses to know what is kept. Invariant: it decides with the same functions as the job does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.monitors.alerts.baseline import HISTORY_MS, Baseline, learn
from pilothouse.monitors.alerts.judge import Reading, Standing, Verdict, advance, judge
from pilothouse.monitors.alerts.rules import Rule
from pilothouse.monitors.alerts.sources import Numbers, Past, is_live

__all__ = ["Firing", "Preview", "PreviewLine", "preview"]

MS_IN_S = 1000
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS
LEARN_EVERY_MS = 6 * HOUR_MS
MOST_LINES = 20
MOST_FIRINGS = 500


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that would have been."""

    label: str
    opened_at_ms: int
    resolved_at_ms: int | None
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """What the rule would have seen of one label."""

    label: str
    values: Sequence[float | None]
    thresholds: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would have been."""

    start_ms: int
    step_ms: int
    lines: Sequence[PreviewLine]
    firings: Sequence[Firing]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The past that the readings are made of."""

    values: Past
    calls: Past | None
    before: Past | None
    """Last week's (`change`), or four weeks' (`anomaly`)."""


def preview(rule: Rule, numbers: Numbers, *, start_ms: int, end_ms: int) -> Preview:
    """Returns what a rule would have done in a stretch of time.

    Raises:
        InvalidRequestError: Nobody keeps the past of what it watches.
    """
    settings = rule.settings
    if settings.kind == "burn_rate" or is_live(settings.measure):
        raise InvalidRequestError(
            f"Nobody keeps the past of what the rule {rule.name!r} watches.",
            hint="Only rules on measures of the record can be tried on the past.",
            param="measure",
            code="no_history",
        )
    step_ms = max(60 * MS_IN_S, int(rule.window_s * MS_IN_S))
    start_ms = start_ms // step_ms * step_ms
    end_ms = max(start_ms + step_ms, end_ms // step_ms * step_ms)
    asked = _ask(rule, numbers, start_ms, end_ms, step_ms)
    lines: list[PreviewLine] = []
    firings: list[Firing] = []
    for label in list(asked.values.lines)[:MOST_LINES]:
        verdicts = [judge(settings, one) for one in _readings(rule, asked, label)]
        values = asked.values.lines[label]
        lines.append(PreviewLine(label, values, [one.threshold for one in verdicts]))
        firings += _firings(rule, label, verdicts, start_ms, step_ms)
    firings.sort(key=lambda one: (one.opened_at_ms, one.label))
    return Preview(start_ms, step_ms, lines, firings[:MOST_FIRINGS])


def _ask(rule: Rule, numbers: Numbers, start_ms: int, end_ms: int, step_ms: int) -> _Asked:
    settings, measure = rule.settings, rule.settings.measure or ""

    def past(name: str, from_ms: int, to_ms: int) -> Past:
        return numbers.past(name, settings.by, settings.only, from_ms, to_ms, step_ms)

    before = None
    if settings.kind == "change":
        before = past(measure, start_ms - WEEK_MS, end_ms - WEEK_MS)
    elif settings.kind == "anomaly":
        first_ms = start_ms - HISTORY_MS // step_ms * step_ms
        before = past(measure, first_ms, end_ms)
    calls = past("calls", start_ms, end_ms) if settings.min_calls else None
    return _Asked(past(measure, start_ms, end_ms), calls, before)


def _readings(rule: Rule, asked: _Asked, label: str) -> Iterator[Reading]:
    values = asked.values.lines[label]
    calls = asked.calls.lines.get(label) if asked.calls else None
    before = asked.before.lines.get(label) if asked.before else None
    usual = _usual(rule, asked, label)
    was_there = False
    for index, value in enumerate(values):
        called = (calls[index] or 0.0) if calls is not None else (0.0 if asked.calls else None)
        if rule.settings.kind == "change":
            yield Reading(value, calls=called, usual=before[index] if before else None)
        elif rule.settings.kind == "anomaly":
            expected, spread = usual[index]
            yield Reading(value, calls=called, usual=expected, spread=spread)
        else:
            yield Reading(value, calls=called, was_there=was_there)
        was_there = was_there or bool(value)


def _usual(rule: Rule, asked: _Asked, label: str) -> list[tuple[float | None, float | None]]:
    """Returns, for each step, what was usual as far as was known then."""
    if rule.settings.kind != "anomaly" or asked.before is None:
        return []
    past, step_ms = asked.before.lines.get(label, ()), asked.values.step_ms
    lead = (asked.values.start_ms - asked.before.start_ms) // step_ms
    found: list[tuple[float | None, float | None]] = []
    baseline = Baseline([])
    learnt_at_ms: int | None = None
    for index in range(len(asked.values.lines[label])):
        at_ms = asked.values.start_ms + index * step_ms
        if learnt_at_ms is None or at_ms - learnt_at_ms >= LEARN_EVERY_MS:
            known = past[max(0, lead + index - HISTORY_MS // step_ms) : lead + index]
            first_ms = at_ms - len(known) * step_ms
            baseline, learnt_at_ms = learn(_timed(known, first_ms, step_ms)), at_ms
        usual = baseline.at(at_ms)
        found.append((usual.value, usual.spread) if usual else (None, None))
    return found


def _timed(values: Sequence[float | None], start_ms: int, step_ms: int) -> Iterator[tuple[int, float | None]]:
    has_begun = False
    for index, value in enumerate(values):
        has_begun = has_begun or bool(value)
        if has_begun:
            yield start_ms + index * step_ms, value


def _firings(
    rule: Rule, label: str, verdicts: Sequence[Verdict], start_ms: int, step_ms: int
) -> Iterator[Firing]:
    settings = rule.settings
    standing: Standing | None = None
    worst = Verdict("unknown")
    for index, verdict in enumerate(verdicts):
        now_ms = start_ms + (index + 1) * step_ms
        was_open = standing is not None and standing.state == "open"
        standing = advance(
            standing, verdict.condition, now_ms=now_ms, for_s=settings.for_s, keep_s=settings.keep_s
        )
        if standing is None:
            continue
        if standing.state == "open" and not was_open:
            worst = verdict
        if standing.state == "resolved":
            yield _firing(label, standing, now_ms, worst)
            standing = None
    if standing is not None and standing.state == "open":
        yield _firing(label, standing, None, worst)


def _firing(label: str, standing: Standing, resolved_at_ms: int | None, verdict: Verdict) -> Firing:
    opened_at_ms = standing.opened_at_ms or standing.pending_at_ms
    return Firing(label, opened_at_ms, resolved_at_ms, verdict.value, verdict.threshold)

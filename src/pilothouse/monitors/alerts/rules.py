"""A rule as it is judged: settings with their defaults filled in, its labels, its fingerprints.

Refuses to know values and times. Invariant: what `problems` finds nothing in can be judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite

from pilothouse.monitors.alerts.settings import AlertSettings, RuleSettings

__all__ = [
    "DEFAULT_RULES",
    "Labels",
    "Origin",
    "Rule",
    "configured",
    "fingerprint",
    "group_key",
    "is_known",
    "problems",
    "rule_of",
]

Labels = Mapping[str, str]
ORIGINS = ("default", "configuration", "stored")
Origin = str
DIMENSIONS = ("model", "provider", "deployment", "key", "team", "operation")
ANOMALY_WINDOW_S = (900.0, 3600.0)
"""The windows that an anomaly may have: shorter ones are noise, longer ones blur the hours of the week."""
WINDOWS_S = {"threshold": 300.0, "change": 900.0, "absence": 900.0, "anomaly": 3600.0, "burn_rate": 300.0}
"""The windows of rules that name none."""
NUMBERS = ("above", "below", "clears_at", "rises_by", "falls_by", "deviations", "window_s", "for_s", "keep_s")
DIGEST_CHARACTERS = 24

DEFAULT_RULES: dict[str, RuleSettings] = {
    "gateway-errors": RuleSettings(
        measure="error_rate",
        above=0.05,
        clears_at=0.02,
        min_calls=20,
        for_s=120,
        summary="The gateway itself answers with errors",
        runbook="Open the calls behind it: the error type says which part failed. Then `pilothouse doctor`.",
    ),
    "availability": RuleSettings(
        measure="availability",
        by="model",
        below=0.95,
        clears_at=0.98,
        window_s=600,
        min_calls=20,
        for_s=120,
        severity="critical",
        runbook="Look at the model's deployments: which one fails, and is there a fallback?",
    ),
    "ingest-lag": RuleSettings(
        measure="ingest_lag_ms",
        above=30_000,
        clears_at=5_000,
        for_s=60,
        keep_s=60,
        runbook="No call is lost: they wait in the journal. The disk or a long query holds them up.",
    ),
    "engine-down": RuleSettings(
        measure="engines_down",
        by="deployment",
        above=0,
        for_s=90,
        keep_s=60,
        severity="critical",
        runbook="See the engine's log in the home's `logs/`; it is started again and again meanwhile.",
    ),
    "gateway-down": RuleSettings(
        measure="gateways_down",
        above=0,
        for_s=30,
        keep_s=60,
        severity="critical",
        runbook="See `logs/` in the home; the status strip names the reason.",
    ),
    "disk-nearly-full": RuleSettings(
        measure="disk_used_share",
        above=0.92,
        clears_at=0.9,
        for_s=60,
        severity="critical",
        runbook="Free space, or shorten `journal.content_retention_days`: with no room left, intake stops.",
    ),
    "budget-burn": RuleSettings(
        kind="burn_rate",
        for_s=0,
        keep_s=300,
        severity="critical",
        runbook="The error budget goes far too fast: see which deployment fails, and shift its traffic.",
    ),
}
"""What is watched when nothing is configured: thresholds that a healthy installation does not meet."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with every default filled in."""

    name: str
    settings: RuleSettings
    origin: Origin
    receivers: tuple[str, ...]
    group_by: tuple[str, ...]
    remind_s: float

    @property
    def window_s(self) -> float:
        """Over how many seconds the measure is taken."""
        return self.settings.window_s or WINDOWS_S[self.settings.kind]

    def labels(self, value: str | None, extra: Labels | None = None) -> dict[str, str]:
        """Returns the labels of the alert for one value of the rule's dimension."""
        made = {"rule": self.name, "severity": self.settings.severity, **self.settings.only, **(extra or {})}
        if self.settings.by is not None and value is not None:
            made[self.settings.by] = value
        return made


def rule_of(name: str, settings: RuleSettings, origin: Origin, around: AlertSettings) -> Rule:
    """Returns a rule with what the section says where the rule says nothing."""
    return Rule(
        name=name,
        settings=settings,
        origin=origin,
        receivers=tuple(around.receivers if settings.receivers is None else settings.receivers),
        group_by=tuple(around.group_by if settings.group_by is None else settings.group_by),
        remind_s=around.remind_s if settings.remind_s is None else settings.remind_s,
    )


def configured(around: AlertSettings) -> list[Rule]:
    """Returns the rules of the configuration: the default ones first, unless replaced or left out."""
    defaults = DEFAULT_RULES if around.has_default_rules else {}
    rules = [rule_of(n, s, "default", around) for n, s in defaults.items() if n not in around.rules]
    return rules + [
        rule_of(name, settings, "configuration", around) for name, settings in around.rules.items()
    ]


def fingerprint(labels: Labels) -> str:
    """Returns what is the same for the same rule and labels, and differs otherwise.

    A rule may find the same thing at two severities (a slow and a fast burn), which are two alerts.
    """
    return _digest([f"{name}={labels[name]}" for name in sorted(labels)])


def group_key(rule: Rule, labels: Labels) -> str:
    """Returns what alerts that are told together share."""
    named = [f"{name}={labels.get(name, '')}" for name in sorted(rule.group_by)]
    return _digest([*named, *sorted(rule.receivers)])


def _digest(parts: Sequence[str]) -> str:
    return sha256("\x00".join(parts).encode()).hexdigest()[:DIGEST_CHARACTERS]


def problems(
    settings: RuleSettings, *, measures: Sequence[str] | None = None, receivers: Sequence[str] | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yields each contradiction in a rule: the setting, what is wrong, what to do.

    Args:
        settings: The rule.
        measures: The measures there are; `None` where that is not known yet.
        receivers: The receivers there are; `None` where that is not known.
    """
    if settings.kind == "burn_rate":
        if settings.measure is not None:
            yield "measure", "a burn rate has no measure", "Name an `objective`, or take `measure` out."
    elif settings.measure is None:
        yield "measure", "there is no measure", "Add `measure:`; `/api/v1/measures` lists them."
    elif measures is not None and not is_known(settings.measure, measures):
        yield "measure", f"there is no measure {settings.measure!r}", "`/api/v1/measures` lists them."
    yield from _not_finite(settings)
    yield from _KINDS[settings.kind](settings)
    unknown = [name for name in settings.only if name not in DIMENSIONS]
    if unknown:
        yield "only", f"{unknown[0]!r} is no dimension", f"There is: {', '.join(DIMENSIONS)}."
    for name in settings.receivers or ():
        if receivers is not None and name not in receivers:
            yield "receivers", f"there is no receiver {name!r}", "Add it under `receivers:`."


def is_known(measure: str, measures: Sequence[str]) -> bool:
    """Says whether a measure is there; a custom one may come later."""
    return measure in measures or measure.startswith("metric.")


def _not_finite(settings: RuleSettings) -> Iterator[tuple[str, str, str]]:
    for name in NUMBERS:
        value = getattr(settings, name)
        if value is not None and not isfinite(value):
            yield name, f"{value} is no number to count with", "Give a number."


def _threshold(settings: RuleSettings) -> Iterator[tuple[str, str, str]]:
    if (settings.above is None) == (settings.below is None):
        yield "above", "a threshold needs one of `above` and `below`", "Give one of them."
    clears = settings.clears_at
    if clears is None:
        return
    if settings.above is not None and clears > settings.above:
        yield "clears_at", "it is over at a value that alerts", "Give a `clears_at` of at most `above`."
    if settings.below is not None and clears < settings.below:
        yield "clears_at", "it is over at a value that alerts", "Give a `clears_at` of at least `below`."


def _change(settings: RuleSettings) -> Iterator[tuple[str, str, str]]:
    if settings.rises_by is None and settings.falls_by is None:
        yield "rises_by", "a change needs `rises_by` or `falls_by`", "Give one, such as `rises_by: 0.5`."


def _anomaly(settings: RuleSettings) -> Iterator[tuple[str, str, str]]:
    low, high = ANOMALY_WINDOW_S
    if settings.window_s is not None and not low <= settings.window_s <= high:
        yield "window_s", "an anomaly is judged over 900 to 3600 s", "Give a `window_s` among these."


def _nothing(_: RuleSettings) -> Iterator[tuple[str, str, str]]:
    yield from ()


_KINDS = {
    "threshold": _threshold,
    "change": _change,
    "anomaly": _anomaly,
    "absence": _nothing,
    "burn_rate": _nothing,
}

"""What an alert is called: its summary, from the rule, the reading and the labels.

Refuses to know states and times. Invariant: the same number reads the same everywhere.
"""

from collections.abc import Mapping

from pilothouse.analytics.measures import MEASURES
from pilothouse.monitors.alerts.judge import Verdict
from pilothouse.monitors.alerts.rules import DIMENSIONS, Rule
from pilothouse.monitors.alerts.sources import unit_of
from pilothouse.monitors.delivery.notice import shown

__all__ = ["summary_of"]

TITLES = {
    "engines_down": "Engines down",
    "gateways_down": "Gateways down",
    "disk_used_share": "Disk used",
}
LONGEST = 300


def summary_of(rule: Rule, verdict: Verdict, labels: Mapping[str, str]) -> str:
    """Returns an alert in one line: what, of which, how much, and what would be right."""
    settings = rule.settings
    of = [labels[name] for name in (*DIMENSIONS, "objective") if labels.get(name)]
    title = settings.summary or _title(rule)
    named = f"{title} ({', '.join(of)})" if of else title
    return f"{named}{_figures(rule, verdict)}"[:LONGEST]


def _title(rule: Rule) -> str:
    measure = rule.settings.measure
    if rule.settings.kind == "burn_rate":
        return "Error budget burns"
    known = MEASURES.get(measure or "")
    return known.title if known else TITLES.get(measure or "", measure or rule.name)


def _figures(rule: Rule, verdict: Verdict) -> str:
    settings = rule.settings
    unit = unit_of(settings.measure)
    value, limit = shown(verdict.value, unit), shown(verdict.threshold, unit)
    if settings.kind == "absence":
        return f": nothing for {shown(rule.window_s)} s"
    if settings.kind == "burn_rate":
        return f" {shown(verdict.value)} times too fast, alert above {shown(verdict.threshold)}"
    if verdict.threshold is None:
        return f": {value}"
    is_above = (verdict.value or 0) > verdict.threshold
    side = "above" if is_above else "below"
    beside = {"change": " against last week", "anomaly": ", the usual for this hour"}.get(settings.kind, "")
    return f": {value}, {side} {limit}{beside}"

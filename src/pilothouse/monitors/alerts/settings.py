"""The `alerts:` section of the configuration file: rules on measures, and what holds for all of them.

Refuses to know where alerts are sent. Invariant: every field has a default; an empty section watches with the
default rules.
"""

from typing import Annotated, Literal

import msgspec

__all__ = ["AlertSettings", "Kind", "RuleSettings", "Severity"]

Kind = Literal["threshold", "change", "burn_rate", "absence", "anomaly"]
Severity = Literal["critical", "warning", "info"]
Dimension = Literal["model", "provider", "deployment", "key", "team", "operation"]
WindowS = Annotated[float, msgspec.Meta(ge=5, le=604_800)]
PauseS = Annotated[float, msgspec.Meta(ge=0, le=604_800)]
Share = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One rule: what is watched, when it is an alert, and who is told."""

    kind: Kind = "threshold"
    """`threshold`: a measure above or below a value. `change`: against the same time last week. `burn_rate`:
    an objective's error budget. `absence`: nothing where there was something. `anomaly`: far from what is
    usual at this hour of the week."""
    measure: str | None = None
    """What is watched, by the name in `/api/v1/measures`; needed by every kind but `burn_rate`."""
    objective: str | None = None
    """For `burn_rate`: the objective; left out, all of them."""
    above: float | None = None
    """Alert above this value."""
    below: float | None = None
    """Alert below this value."""
    clears_at: float | None = None
    """The value back at which it is over; left out, `above` or `below` itself."""
    rises_by: Share | None = None
    """For `change`: alert when the measure is higher than last week by this share (0.5: by half)."""
    falls_by: Share | None = None
    """For `change`: alert when it is lower by this share."""
    side: Literal["both", "above", "below"] = "both"
    """For `anomaly`: which side of the usual counts."""
    deviations: Annotated[float, msgspec.Meta(ge=2, le=100)] = 6.0
    """For `anomaly`: how far from the usual, in robust standard deviations."""
    window_s: WindowS | None = None
    """The measure is taken over so many seconds; left out, 300, or 900 for `change` and `absence`, or
    3600 for `anomaly`."""
    for_s: PauseS = 60.0
    """It must hold for so long before the alert opens, in seconds."""
    keep_s: PauseS = 300.0
    """It must be over for so long before the alert is resolved, in seconds."""
    min_calls: Count = 0
    """With fewer calls in the window nothing is judged: one failure of two calls is no outage."""
    by: Dimension | None = None
    """One alert for each value of this label."""
    only: dict[str, str] = {}
    """Watch only these values: dimension to value."""
    severity: Severity = "warning"
    """How bad it is."""
    receivers: list[Name] | None = None
    """Who is told; left out, the section's `receivers`."""
    group_by: list[str] | None = None
    """Labels whose alerts are told together, `rule` among them; left out, the section's."""
    remind_s: PauseS | None = None
    """Tell again after so many seconds while it is open, 0: never; left out, the section's."""
    runbook: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    """What to do: a line of text or an address, told with the alert."""
    summary: Annotated[str, msgspec.Meta(max_length=300)] | None = None
    """A title of your own; left out, one is made from measure and value."""
    is_off: bool = False
    """Keep the rule, and do not judge it; so a default rule is turned off."""


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is watched, and what holds for all rules."""

    rules: dict[Name, RuleSettings] = {}
    """Rules by name; one with a default rule's name takes its place."""
    has_default_rules: bool = True
    """Whether the default rules are judged too."""
    receivers: list[Name] = []
    """Who is told, where a rule does not say; see `receivers:`."""
    group_by: tuple[str, ...] = ("rule",)
    """Labels whose alerts are told together, where a rule does not say."""
    group_wait_s: PauseS = 10.0
    """A group's first notice waits so long for more alerts of the group, in seconds."""
    remind_s: PauseS = 14_400.0
    """Tell again after so many seconds while an alert is open and not acknowledged, 0: never."""
    console_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+$", max_length=300)] | None = None
    """Where those who are told reach the console, for the links to the calls; left out, the gateway's own
    address."""
    keep_days: Annotated[int, msgspec.Meta(ge=1)] = 90
    """Days for which resolved alerts and their deliveries are kept."""

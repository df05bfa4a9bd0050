"""The `metrics:` section of the configuration file: custom metrics by name.

Refuses to know how one is computed. Invariant: the same meaning has the same digest.
"""

import hashlib
from typing import Annotated, Literal

import msgspec

__all__ = ["MetricSettings", "digest_of"]


class MetricSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """One custom metric: exactly one of `expression`, `measure` and `sql`."""

    expression: str | None = None
    """Computed of each call: fields of the call, arithmetic, and functions over `question` and `answer`."""
    measure: str | None = None
    """A number that applications send as `measures: {<name>: …}` with `POST /v1/feedback`."""
    sql: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    """A question to the record, asked every `every_s` seconds: one SELECT with a column `value`, and `model`,
    `deployment`, `key_id` or `team` beside it where it is told apart; `$start_ns` and `$end_ns` are the time
    since it was asked last."""
    type: Literal["number", "boolean"] | None = None
    """What the expression is to be; left out, whatever it is. A boolean counts as 1 or 0."""
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=20)] | None = None
    """Of the number, such as `ms`, `USD`, or `1` for a share; left out, a bare number, of a boolean `1`."""
    goal: Literal["up", "down", "none"] = "none"
    """Which way is better."""
    title: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    """What charts call it; left out, its name."""
    description: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    """What it means."""
    where: str | None = None
    """Only of calls for which this expression is true; left out, of all that somebody made."""
    sample: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Of this share of calls, the same ones at each reading."""
    every_s: Annotated[float, msgspec.Meta(ge=10, le=86_400)] = 60.0
    """How often `sql` is asked, in seconds."""


def digest_of(settings: MetricSettings) -> str:
    """Returns what differs when a metric's values mean something else: then it is a new version."""
    meaning = (
        settings.expression,
        settings.measure,
        settings.sql,
        settings.where,
        settings.unit,
        settings.type,
    )
    return hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()

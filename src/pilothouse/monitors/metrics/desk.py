"""Custom metrics as others see them: the API's list, the catalogue of measures, Prometheus.

Refuses to know how a value is computed. Invariant: a metric that fails is shown, with its reason.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from pilothouse.analytics.measures import METRIC_PREFIX, Goal, Measure
from pilothouse.monitors.metrics.evaluator import Evaluator, Metric
from pilothouse.monitors.metrics.versions import versions_of
from pilothouse.telemetry.prometheus import Family, Sample

__all__ = ["MetricDesk", "MetricView", "VersionView"]


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a metric."""

    version: int
    created_at_ms: int
    is_current: bool
    definition: dict[str, Any]
    """As the configuration had it."""


@dataclass(frozen=True, slots=True)
class MetricView:
    """One custom metric."""

    name: str
    measure: str
    """Its name in charts, alerts and exports."""
    title: str
    description: str | None
    unit: str
    goal: Goal
    kind: str
    """`number`, or `boolean`, which counts as 1 or 0."""
    source: str
    """`expression`, `measure` or `sql` …"""
    definition: str
    """… and its text."""
    where: str | None
    sample: float
    version: int
    values: int
    """Values since the process started."""
    unknown: int
    """Calls for which something it needs was not known."""
    faults: dict[str, int]
    """Calls it came to no number for, such as by `division_by_zero`, and failed questions."""
    last_fault: str | None
    last_value_at_ms: int | None
    recent_mean: float | None
    """Mean of the last five minutes."""
    versions: list[VersionView]


class MetricDesk:
    """Answers what is asked about custom metrics."""

    def __init__(self, evaluator: Evaluator, engine: Engine) -> None:
        self._evaluator = evaluator
        self._engine = engine

    @property
    def skipped(self) -> int:
        """Calls left out because there were too many at once."""
        return self._evaluator.skipped

    def views(self, now_ms: int) -> list[MetricView]:
        """Returns every metric of the configuration with all its versions."""
        versions = versions_of(self._engine) if self._evaluator.metrics else {}
        return [
            _view(
                metric,
                now_ms,
                [
                    VersionView(one.version, one.created_at_ms, one.version == metric.version, one.definition)
                    for one in versions.get(metric.name, [])
                ],
            )
            for metric in self._evaluator.metrics
        ]

    def measures(self) -> list[Measure]:
        """Returns the metrics as the catalogue of measures has them."""
        return [
            Measure(
                METRIC_PREFIX + metric.name,
                metric.unit,
                metric.settings.title or metric.name,
                metric.settings.description or f"The custom metric {metric.name!r}, on average.",
                metric.settings.goal,
                "score",
                top=("metric",),
            )
            for metric in self._evaluator.metrics
        ]

    def families(self, now_ms: int) -> list[Family]:
        """Returns the metrics as Prometheus has them."""
        metrics = self._evaluator.metrics
        if not metrics:
            return []
        means = [
            Sample(mean, {"metric": metric.name, "version": str(metric.version), "unit": metric.unit})
            for metric in metrics
            if (mean := metric.tally.recent_mean(now_ms)) is not None
        ]
        counts = [
            Sample(metric.tally.values, {"metric": metric.name, "version": str(metric.version)})
            for metric in metrics
        ]
        faults = [
            Sample(count, {"metric": metric.name, "reason": reason})
            for metric in metrics
            for reason, count in (("unknown", metric.tally.unknown), *metric.tally.faults.items())
        ]
        return [
            Family(
                "pilothouse_custom_metric", "gauge", "Mean of a custom metric over the last 5 minutes.", means
            ),
            Family("pilothouse_custom_metric_values_total", "counter", "Values of a custom metric.", counts),
            Family(
                "pilothouse_custom_metric_missing_total",
                "counter",
                "Calls that a custom metric has no value of, by reason.",
                faults,
            ),
        ]


def _view(metric: Metric, now_ms: int, versions: list[VersionView]) -> MetricView:
    settings, tally = metric.settings, metric.tally
    source = next(name for name in ("expression", "measure", "sql") if getattr(settings, name) is not None)
    return MetricView(
        name=metric.name,
        measure=METRIC_PREFIX + metric.name,
        title=settings.title or metric.name,
        description=settings.description,
        unit=metric.unit,
        goal=settings.goal,
        kind=metric.kind,
        source=source,
        definition=getattr(settings, source),
        where=settings.where,
        sample=settings.sample,
        version=metric.version,
        values=tally.values,
        unknown=tally.unknown,
        faults=dict(tally.faults),
        last_fault=tally.last_fault,
        last_value_at_ms=tally.last_value_at_ms,
        recent_mean=tally.recent_mean(now_ms),
        versions=versions,
    )

"""Prometheus' text exposition format 0.0.4, and OpenMetrics 1.0 with exemplars: families as text.

See https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/.

Refuses to know which numbers there are. Invariant: a rendered page is one that Prometheus accepts: each
family once, labels escaped, histogram buckets cumulative and ending in `+Inf`.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "CONTENT_TYPE",
    "OPENMETRICS_TYPE",
    "Exemplar",
    "Family",
    "Histogram",
    "Sample",
    "render",
    "render_openmetrics",
    "wants_openmetrics",
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
NAME = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
LABEL_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
TOTAL = "_total"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measured value, and the trace it was measured in."""

    value: float
    at_s: float
    """Unix seconds."""
    trace_id: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    """Put behind the family's name: of a histogram that comes ready-made, `_bucket`, `_sum`, `_count`."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell at or under each bound, their count and sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    """One for each bound and one for what is above all of them; not cumulative."""
    total: float
    labels: Mapping[str, str] = field(default_factory=dict)
    exemplars: Sequence[Exemplar | None] = ()
    """One for each count, where there is one; or none at all."""

    @classmethod
    def of(
        cls, values: Iterable[float], bounds: Sequence[float], labels: Mapping[str, str] | None = None
    ) -> "Histogram":
        """Returns the histogram of `values` over `bounds`, which must rise."""
        counts = [0] * (len(bounds) + 1)
        total = 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        return cls(bounds, counts, total, labels or {})


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name, what it is, and its samples."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample | Histogram]


def wants_openmetrics(accept: str) -> bool:
    """Says whether a scraper's `Accept` prefers OpenMetrics 1.0 to the text format.

    Prometheus names both, with weights; of equal ones OpenMetrics is taken, since it can hold more.
    """
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        if kind not in weights or "version=0.0.1" in parameters:
            continue
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            weights[kind] = max(weights[kind], float(weight))
        except ValueError:
            continue
    return weights["application/openmetrics-text"] >= max(weights["text/plain"], 1e-9)


def render(families: Iterable[Family]) -> str:
    """Returns the page for `families` in the text format.

    Raises:
        ValueError: a metric's or label's name is not one, or a name comes twice.
    """
    lines: list[str] = []
    for family in _checked(families):
        lines += (
            f"# HELP {family.name} {_escape_help(family.help)}",
            f"# TYPE {family.name} {family.kind}",
        )
        for sample in family.samples:
            if isinstance(sample, Histogram):
                lines += _histogram_lines(family.name, sample)
            else:
                lines.append(_line(family.name, sample))
    return "\n".join(lines) + "\n" if lines else ""


def render_openmetrics(families: Iterable[Family]) -> str:
    """Returns the page for `families` as OpenMetrics, with exemplars.

    A counter whose name does not end in `_total` is given as of unknown kind: the format knows no such one.

    Raises:
        ValueError: As `render`.
    """
    lines: list[str] = []
    for family in _checked(families):
        name, kind = family.name, str(family.kind)
        if kind == "counter":
            name, kind = (name.removesuffix(TOTAL), kind) if name.endswith(TOTAL) else (name, "unknown")
        lines += (f"# HELP {name} {_escape(family.help)}", f"# TYPE {name} {kind}")
        for sample in family.samples:
            if isinstance(sample, Histogram):
                lines += _histogram_lines(name, sample, is_open=True)
            else:
                lines.append(_line(family.name, sample))
    return "\n".join([*lines, "# EOF\n"])


def _checked(families: Iterable[Family]) -> Iterable[Family]:
    seen: set[str] = set()
    for family in families:
        if not NAME.match(family.name) or family.name in seen:
            raise ValueError(f"{family.name!r} is no metric name, or comes twice")
        seen.add(family.name)
        yield family


def _line(name: str, sample: Sample) -> str:
    return f"{name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"


def _histogram_lines(name: str, histogram: Histogram, *, is_open: bool = False) -> list[str]:
    lines = []
    running = 0
    labels = _labels(histogram.labels)
    before = labels[:-1] + "," if labels else "{"
    exemplars = histogram.exemplars if is_open else ()
    for place, (bound, count) in enumerate(zip((*histogram.bounds, math.inf), histogram.counts, strict=True)):
        running += count
        # OpenMetrics has one way to write a bound, with a point; Prometheus keeps it as it is written.
        shown = repr(float(bound)) if is_open and math.isfinite(bound) else _number(bound)
        example = _exemplar(exemplars[place]) if exemplars else ""
        lines.append(f'{name}_bucket{before}le="{shown}"}} {running}{example}')
    return [*lines, f"{name}_sum{labels} {_number(histogram.total)}", f"{name}_count{labels} {running}"]


def _exemplar(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    trace = _labels({"trace_id": exemplar.trace_id})
    return f" # {trace} {_number(exemplar.value)} {exemplar.at_s:.3f}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    if wrong := [name for name in labels if not LABEL_NAME.match(name)]:
        raise ValueError(f"{wrong[0]!r} is no label name")
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escape_help(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))

"""Prometheus' text exposition format, version 0.0.4: counters, gauges and histograms as text.

See https://prometheus.io/docs/instrumenting/exposition_formats/.

Refuses to know which numbers there are. Invariant: a rendered page is one that Prometheus accepts: each
family once, labels escaped, histogram buckets cumulative and ending in `+Inf`.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CONTENT_TYPE", "Family", "Histogram", "Sample", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
LABEL_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell at or under each bound, their count and sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    """One for each bound and one for what is above all of them; not cumulative."""
    total: float
    labels: Mapping[str, str] = field(default_factory=dict)

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


def render(families: Iterable[Family]) -> str:
    """Returns the page for `families`.

    Raises:
        ValueError: a metric's or label's name is not one, or a name comes twice.
    """
    lines: list[str] = []
    seen: set[str] = set()
    for family in families:
        if not NAME.match(family.name) or family.name in seen:
            raise ValueError(f"{family.name!r} is no metric name, or comes twice")
        seen.add(family.name)
        lines += (
            f"# HELP {family.name} {_escape_help(family.help)}",
            f"# TYPE {family.name} {family.kind}",
        )
        for sample in family.samples:
            if isinstance(sample, Histogram):
                lines += _histogram_lines(family.name, sample)
            else:
                lines.append(f"{family.name}{_labels(sample.labels)} {_number(sample.value)}")
    return "\n".join(lines) + "\n" if lines else ""


def _histogram_lines(name: str, histogram: Histogram) -> list[str]:
    lines = []
    running = 0
    for bound, count in zip((*histogram.bounds, math.inf), histogram.counts, strict=True):
        running += count
        lines.append(f"{name}_bucket{_labels({**histogram.labels, 'le': _number(bound)})} {running}")
    labels = _labels(histogram.labels)
    return [*lines, f"{name}_sum{labels} {_number(histogram.total)}", f"{name}_count{labels} {running}"]


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

"""What an OpenTelemetry sender said, as plain Python values: spans, log records and metric points.

Refuses to know the wire and the conventions. Invariant: ids are lower-case hex, times Unix nanoseconds, and
attribute values are text, numbers, truth values, bytes, lists or mappings of these.
"""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Attributes", "RawEvent", "RawLink", "RawLog", "RawPoint", "RawSpan", "Resource"]

Attributes = dict[str, Any]


@dataclass(slots=True)
class Resource:
    """Who sends, and with which instrumentation."""

    attributes: Attributes
    scope: str = ""
    scope_version: str = ""


@dataclass(slots=True)
class RawEvent:
    """Something that happened within a span."""

    name: str
    at_ns: int
    attributes: Attributes


@dataclass(slots=True)
class RawLink:
    """Another span that a span belongs to."""

    trace_id: str
    span_id: str


@dataclass(slots=True)
class RawSpan:
    """One span as it was sent."""

    trace_id: str
    """32 hex characters."""
    span_id: str
    """16 hex characters."""
    parent_span_id: str | None
    name: str
    kind: int
    """0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: list[RawEvent] = field(default_factory=list)
    links: list[RawLink] = field(default_factory=list)
    status: int = 0
    """0 unset, 1 ok, 2 error."""
    message: str = ""


@dataclass(slots=True)
class RawLog:
    """One log record as it was sent."""

    at_ns: int
    severity: str
    event_name: str
    body: Any
    attributes: Attributes
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(slots=True)
class RawPoint:
    """One data point of a metric."""

    at_ns: int
    name: str
    kind: str
    """`gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`."""
    unit: str
    attributes: Attributes
    value: float | None = None
    count: int | None = None
    total: float | None = None
    bounds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

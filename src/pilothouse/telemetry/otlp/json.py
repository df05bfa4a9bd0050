"""OTLP in JSON: what is in a request, checked and as plain values (the proto3 mapping, ids in hex).

See https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Refuses to know HTTP. Invariant:
`count` and `read_*` agree on which items are rejected.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from re import compile as compile_pattern
from typing import Any

import msgspec

from pilothouse.contracts.events import Signal
from pilothouse.telemetry.otlp.raw import (
    Attributes,
    RawEvent,
    RawLink,
    RawLog,
    RawPoint,
    RawSpan,
    Resource,
)

__all__ = ["count", "parse", "read_logs", "read_points", "read_spans"]

TRACE_ID = compile_pattern(r"^(?!0{32}$)[0-9a-fA-F]{32}$")
SPAN_ID = compile_pattern(r"^(?!0{16}$)[0-9a-fA-F]{16}$")
Whole = int | str
"""64-bit numbers come as text, or as numbers."""


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """The base of all: members in camel case; unknown ones are let be, as the specification asks."""


class _List(_Wire, frozen=True):
    values: list["_Value"] = []


class _Pairs(_Wire, frozen=True):
    values: list["_Pair"] = []


class _Value(_Wire, frozen=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Whole | None = None
    double_value: float | str | None = None
    array_value: _List | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Pair(_Wire, frozen=True):
    key: str = ""
    value: _Value = _Value()


class _Holder(_Wire, frozen=True):
    attributes: list[_Pair] = []


class _Scope(_Wire, frozen=True):
    name: str = ""
    version: str = ""


class _Event(_Wire, frozen=True):
    name: str = ""
    time_unix_nano: Whole = 0
    attributes: list[_Pair] = []


class _Link(_Wire, frozen=True):
    trace_id: str = ""
    span_id: str = ""


class _Status(_Wire, frozen=True):
    code: int = 0
    message: str = ""


class _Span(_Wire, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: int = 0
    start_time_unix_nano: Whole = 0
    end_time_unix_nano: Whole = 0
    attributes: list[_Pair] = []
    events: list[_Event] = []
    links: list[_Link] = []
    status: _Status = _Status()


class _ScopeSpans(_Wire, frozen=True):
    scope: _Scope = _Scope()
    spans: list[_Span] = []


class _ResourceSpans(_Wire, frozen=True):
    resource: _Holder = _Holder()
    scope_spans: list[_ScopeSpans] = []


class _Traces(_Wire, frozen=True):
    resource_spans: list[_ResourceSpans] = []


class _Record(_Wire, frozen=True):
    time_unix_nano: Whole = 0
    observed_time_unix_nano: Whole = 0
    severity_text: str = ""
    severity_number: int = 0
    event_name: str = ""
    body: _Value = _Value()
    attributes: list[_Pair] = []
    trace_id: str = ""
    span_id: str = ""


class _ScopeLogs(_Wire, frozen=True):
    scope: _Scope = _Scope()
    log_records: list[_Record] = []


class _ResourceLogs(_Wire, frozen=True):
    resource: _Holder = _Holder()
    scope_logs: list[_ScopeLogs] = []


class _Logs(_Wire, frozen=True):
    resource_logs: list[_ResourceLogs] = []


class _Point(_Wire, frozen=True):
    time_unix_nano: Whole = 0
    attributes: list[_Pair] = []
    as_int: Whole | None = None
    as_double: float | str | None = None
    count: Whole = 0
    sum: float | str = 0.0
    explicit_bounds: list[float] = []
    bucket_counts: list[Whole] = []


class _Points(_Wire, frozen=True):
    data_points: list[_Point] = []


class _Metric(_Wire, frozen=True):
    name: str = ""
    unit: str = ""
    gauge: _Points | None = None
    sum: _Points | None = None
    histogram: _Points | None = None
    exponential_histogram: _Points | None = None
    summary: _Points | None = None


class _ScopeMetrics(_Wire, frozen=True):
    scope: _Scope = _Scope()
    metrics: list[_Metric] = []


class _ResourceMetrics(_Wire, frozen=True):
    resource: _Holder = _Holder()
    scope_metrics: list[_ScopeMetrics] = []


class _Metrics(_Wire, frozen=True):
    resource_metrics: list[_ResourceMetrics] = []


KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_decoders: dict[Signal, Any] = {
    "traces": msgspec.json.Decoder(_Traces).decode,
    "logs": msgspec.json.Decoder(_Logs).decode,
    "metrics": msgspec.json.Decoder(_Metrics).decode,
}


def parse(signal: Signal, body: bytes) -> Any:
    """Returns the request's message.

    Raises:
        ValueError: it is not one; the message says where.
    """
    try:
        return _decoders[signal](body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is no OTLP in JSON: {error}") from error


def count(signal: Signal, message: Any) -> tuple[int, int]:
    """Returns how many items are taken, and how many are rejected for their ids."""
    if signal == "traces":
        spans = [
            span for holder in message.resource_spans for part in holder.scope_spans for span in part.spans
        ]
        taken = sum(map(_has_ids, spans))
        return taken, len(spans) - taken
    if signal == "logs":
        parts = (part for holder in message.resource_logs for part in holder.scope_logs)
        return sum(len(part.log_records) for part in parts), 0
    metrics = (
        metric
        for holder in message.resource_metrics
        for part in holder.scope_metrics
        for metric in part.metrics
    )
    return sum(len(_points_of(metric)[1]) for metric in metrics), 0


def read_spans(message: _Traces) -> Iterator[tuple[Resource, RawSpan]]:
    """Yields the spans whose ids are right."""
    for holder in message.resource_spans:
        attributes = _attributes(holder.resource.attributes)
        for part in holder.scope_spans:
            resource = Resource(attributes, part.scope.name, part.scope.version)
            for span in part.spans:
                if _has_ids(span):
                    yield resource, _span(span)


def read_logs(message: _Logs) -> Iterator[tuple[Resource, RawLog]]:
    """Yields the log records."""
    for holder in message.resource_logs:
        attributes = _attributes(holder.resource.attributes)
        for part in holder.scope_logs:
            resource = Resource(attributes, part.scope.name, part.scope.version)
            for record in part.log_records:
                yield (
                    resource,
                    RawLog(
                        _whole(record.time_unix_nano) or _whole(record.observed_time_unix_nano),
                        record.severity_text or str(record.severity_number or ""),
                        record.event_name,
                        _value(record.body),
                        _attributes(record.attributes),
                        record.trace_id.lower() if TRACE_ID.match(record.trace_id) else None,
                        record.span_id.lower() if SPAN_ID.match(record.span_id) else None,
                    ),
                )


def read_points(message: _Metrics) -> Iterator[tuple[Resource, RawPoint]]:
    """Yields the data points of all metrics."""
    for holder in message.resource_metrics:
        attributes = _attributes(holder.resource.attributes)
        for part in holder.scope_metrics:
            resource = Resource(attributes, part.scope.name, part.scope.version)
            for metric in part.metrics:
                kind, points = _points_of(metric)
                for point in points:
                    yield resource, _point(metric, kind, point)


def _has_ids(span: _Span) -> bool:
    return bool(TRACE_ID.match(span.trace_id) and SPAN_ID.match(span.span_id))


def _span(span: _Span) -> RawSpan:
    return RawSpan(
        span.trace_id.lower(),
        span.span_id.lower(),
        span.parent_span_id.lower() if SPAN_ID.match(span.parent_span_id) else None,
        span.name,
        span.kind,
        _whole(span.start_time_unix_nano),
        _whole(span.end_time_unix_nano),
        _attributes(span.attributes),
        [
            RawEvent(event.name, _whole(event.time_unix_nano), _attributes(event.attributes))
            for event in span.events
        ],
        [RawLink(link.trace_id.lower(), link.span_id.lower()) for link in span.links],
        span.status.code,
        span.status.message,
    )


def _attributes(pairs: list[_Pair]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: _Value) -> Any:
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _whole(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _double(value.double_value)
    if value.array_value is not None:
        return [_value(item) for item in value.array_value.values]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values)
    if value.bytes_value is not None:
        return _bytes(value.bytes_value)
    return None


def _whole(value: Whole) -> int:
    if isinstance(value, int):
        return value
    try:
        return int(value)
    except ValueError:
        return 0


def _double(value: float | str) -> float:
    """Returns a number, which JSON has as text when it is `NaN` or infinite."""
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        return text.encode()


def _points_of(metric: _Metric) -> tuple[str, list[_Point]]:
    for kind in KINDS:
        points = getattr(metric, kind)
        if points is not None:
            return kind, points.data_points
    return "", []


def _point(metric: _Metric, kind: str, point: _Point) -> RawPoint:
    found = RawPoint(
        _whole(point.time_unix_nano), metric.name, kind, metric.unit, _attributes(point.attributes)
    )
    if kind in {"gauge", "sum"}:
        found.value = (
            float(_whole(point.as_int)) if point.as_int is not None else _double(point.as_double or 0)
        )
        return found
    found.count, found.total = _whole(point.count), _double(point.sum)
    if kind == "histogram":
        found.bounds, found.counts = point.explicit_bounds, [_whole(one) for one in point.bucket_counts]
    return found

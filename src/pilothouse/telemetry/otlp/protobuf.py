"""OTLP in protobuf: what is in a request, checked and as plain values (opentelemetry-proto 1.x).

Refuses to know HTTP. Invariant: `count` and `read_*` agree on which items are rejected.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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

__all__ = ["SPAN_ID_BYTES", "TRACE_ID_BYTES", "count", "parse", "read_logs", "read_points", "read_spans"]

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
NO_TRACE = bytes(TRACE_ID_BYTES)
NO_SPAN = bytes(SPAN_ID_BYTES)
REQUESTS: dict[Signal, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def parse(signal: Signal, body: bytes) -> Any:
    """Returns the request's message.

    Raises:
        ValueError: it is not one, or only a part of one.
    """
    try:
        return REQUESTS[signal].FromString(body)
    except DecodeError as error:
        raise ValueError("the body is no whole protobuf message") from error


def count(signal: Signal, message: Any) -> tuple[int, int]:
    """Returns how many items are taken, and how many are rejected for their ids."""
    if signal == "traces":
        taken = rejected = 0
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if _has_ids(span):
                        taken += 1
                    else:
                        rejected += 1
        return taken, rejected
    if signal == "logs":
        scopes = (scope for resource in message.resource_logs for scope in resource.scope_logs)
        return sum(len(scope.log_records) for scope in scopes), 0
    metrics = (
        metric
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
    return sum(len(_points(metric)) for metric in metrics), 0


def read_spans(message: Any) -> Iterator[tuple[Resource, RawSpan]]:
    """Yields the spans whose ids are right."""
    for holder in message.resource_spans:
        attributes = _attributes(holder.resource.attributes)
        for scope in holder.scope_spans:
            resource = Resource(attributes, scope.scope.name, scope.scope.version)
            for span in scope.spans:
                if _has_ids(span):
                    yield resource, _span(span)


def read_logs(message: Any) -> Iterator[tuple[Resource, RawLog]]:
    """Yields the log records."""
    for holder in message.resource_logs:
        attributes = _attributes(holder.resource.attributes)
        for scope in holder.scope_logs:
            resource = Resource(attributes, scope.scope.name, scope.scope.version)
            for record in scope.log_records:
                yield (
                    resource,
                    RawLog(
                        record.time_unix_nano or record.observed_time_unix_nano,
                        record.severity_text or str(record.severity_number or ""),
                        record.event_name,
                        _value(record.body),
                        _attributes(record.attributes),
                        record.trace_id.hex() if len(record.trace_id) == TRACE_ID_BYTES else None,
                        record.span_id.hex() if len(record.span_id) == SPAN_ID_BYTES else None,
                    ),
                )


def read_points(message: Any) -> Iterator[tuple[Resource, RawPoint]]:
    """Yields the data points of all metrics."""
    for holder in message.resource_metrics:
        attributes = _attributes(holder.resource.attributes)
        for scope in holder.scope_metrics:
            resource = Resource(attributes, scope.scope.name, scope.scope.version)
            for metric in scope.metrics:
                kind = metric.WhichOneof("data") or ""
                for point in _points(metric):
                    yield resource, _point(metric, kind, point)


def _has_ids(span: Any) -> bool:
    trace_id, span_id = span.trace_id, span.span_id
    return (
        len(trace_id) == TRACE_ID_BYTES
        and len(span_id) == SPAN_ID_BYTES
        and trace_id != NO_TRACE
        and span_id != NO_SPAN
    )


def _span(span: Any) -> RawSpan:
    parent = span.parent_span_id
    return RawSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        parent.hex() if len(parent) == SPAN_ID_BYTES and parent != NO_SPAN else None,
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        [RawEvent(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events],
        [RawLink(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        span.status.code,
        span.status.message,
    )


def _attributes(pairs: Any) -> Attributes:
    """Returns pairs as a mapping; the two most frequent kinds are read without asking which it is."""
    found: Attributes = {}
    for pair in pairs:
        value = pair.value
        text = value.string_value
        if text:
            found[pair.key] = text
            continue
        number = value.int_value
        found[pair.key] = number or _value(value)
    return found


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)


def _points(metric: Any) -> Any:
    kind = metric.WhichOneof("data")
    return () if kind is None else getattr(metric, kind).data_points


def _point(metric: Any, kind: str, point: Any) -> RawPoint:
    found = RawPoint(point.time_unix_nano, metric.name, kind, metric.unit, _attributes(point.attributes))
    if kind in {"gauge", "sum"}:
        found.value = float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
        return found
    found.count, found.total = point.count, point.sum
    if kind == "histogram":
        found.bounds, found.counts = list(point.explicit_bounds), list(point.bucket_counts)
    return found

"""Calls and histograms as OTLP's protobuf messages.

A call is a span; where it took several tries, each is a span below it.

Refuses to know where they go and when. Invariant: the same call gives the same ids each time, so that a
receiver that is sent it twice can tell; content is in a span only when it is handed in.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Exemplar,
    Histogram,
    HistogramDataPoint,
    Metric,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from pilothouse import __version__
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.telemetry.export.histograms import INSTRUMENTS, Book, Instrument, Place, Series
from pilothouse.telemetry.semconv.outgoing import (
    Conventions,
    attributes,
    content_attributes,
    metric_names,
    span_name,
)
from pilothouse.telemetry.semconv.sent import PLACE_ATTRIBUTES, attempt_attributes, schema_url

__all__ = ["metrics_request", "resource_of", "spans_of", "traces_request"]

HEX = 16
FIGURES = {
    "client.operation.duration": "duration",
    "server.request.duration": "server_duration",
    "server.time_to_first_token": "server_first_token",
    "server.time_per_output_token": "server_token_time",
}
"""What each histogram is in the conventions' table of names; tokens are two figures."""
SPAN_DIGITS = 16
SAMPLED = 1
SPAN_MASK = 2**64 - 1
SCOPE = InstrumentationScope(name="pilothouse", version=__version__)


def resource_of(attributes: Mapping[str, str]) -> Resource:
    """Returns who sends: us, and what the configuration adds or says otherwise."""
    named = {"service.name": "pilothouse", "service.version": __version__, **attributes}
    return Resource(attributes=_pairs(named))


def traces_request(resource: Resource, spans: Iterable[Span], conventions: Conventions) -> bytes:
    """Returns the body of a request to `/v1/traces`."""
    scope = ScopeSpans(scope=SCOPE, spans=spans, schema_url=schema_url(conventions))
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])]
    )
    return bytes(request.SerializeToString())


def spans_of(call: RequestCompleted, content: Content | None, conventions: Conventions) -> list[Span]:
    """Returns a call's span and, of several tries, theirs; `content` is what was unsealed, if it is to go."""
    trace_id, span_id = _ids(call)
    named: dict[str, Any] = dict(attributes(call, conventions=conventions))
    if content is not None:
        asked, answered = _parsed(content.request), _parsed(content.response)
        named |= content_attributes(asked, answered, conventions=conventions)
    is_error = call.error_type is not None or call.outcome in {"failed", "cut"}
    whole = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_bytes(call.parent_span_id, SPAN_DIGITS),
        flags=SAMPLED,
        name=span_name(call),
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=call.at_ns,
        end_time_unix_nano=call.at_ns + int(call.duration_ms * 1e6),
        attributes=_pairs(named),
        status=Status(code=Status.STATUS_CODE_ERROR, message=call.error_message or "") if is_error else None,
    )
    if len(call.attempts) <= 1:
        return [whole]
    return [whole, *_attempts(call, trace_id, span_id)]


def metrics_request(
    resource: Resource, book: Book, conventions: Conventions, *, since_ns: int, now_ns: int
) -> bytes:
    """Returns the body of a request to `/v1/metrics`: every histogram, cumulative since `since_ns`."""
    names = metric_names(conventions)
    is_typed = names["input_tokens"] == names["output_tokens"]
    metrics: dict[str, Metric] = {}
    for instrument in INSTRUMENTS:
        for place, series in book.series(instrument):
            name = names[_figure(instrument, place)]
            if name not in metrics:
                histogram = Histogram(aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
                metrics[name] = Metric(name=name, unit=instrument.unit, histogram=histogram)
            point = _point(instrument, place, series, is_typed=is_typed)
            point.start_time_unix_nano, point.time_unix_nano = since_ns, now_ns
            metrics[name].histogram.data_points.append(point)
    scope = ScopeMetrics(scope=SCOPE, metrics=metrics.values(), schema_url=schema_url(conventions))
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope])]
    )
    return bytes(request.SerializeToString())


def _attempts(call: RequestCompleted, trace_id: bytes, span_id: bytes) -> Iterable[Span]:
    first = int.from_bytes(span_id, "big")
    for number, attempt in enumerate(call.attempts, 1):
        start = call.at_ns + int(attempt.started_ms * 1e6)
        is_error = attempt.error_code is not None
        yield Span(
            trace_id=trace_id,
            # Any that is the same each time, and no other call's: far from the first, which is random.
            span_id=((first + number * 0x9E3779B97F4A7C15) & SPAN_MASK or 1).to_bytes(8, "big"),
            parent_span_id=span_id,
            flags=SAMPLED,
            name=f"{attempt.reason} {attempt.deployment}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(attempt.duration_ms * 1e6),
            attributes=_pairs(attempt_attributes(call, attempt)),
            status=Status(code=Status.STATUS_CODE_ERROR) if is_error else None,
        )


def _figure(instrument: Instrument, place: Place) -> str:
    """Returns which figure a series is, in the words of the conventions' table of names."""
    return FIGURES.get(instrument.name) or f"{place.token_type}_tokens"


def _parsed(body: bytes | None) -> Any:
    try:
        return None if body is None else msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the head of a body that was too long: no message can be made of it


def _point(instrument: Instrument, place: Place, series: Series, *, is_typed: bool) -> HistogramDataPoint:
    told = place if is_typed else place._replace(token_type=None)
    named = {name: value for name, value in zip(PLACE_ATTRIBUTES, told, strict=True) if value}
    exemplars = [
        Exemplar(time_unix_nano=int(at_s * 1e9), as_double=value, trace_id=_bytes(trace_id, 2 * HEX))
        for value, at_s, trace_id in filter(None, series.lasts)
    ]
    return HistogramDataPoint(
        attributes=_pairs(named),
        count=series.count,
        sum=series.total,
        bucket_counts=series.counts,
        explicit_bounds=instrument.bounds,
        exemplars=exemplars,
    )


def _ids(call: RequestCompleted) -> tuple[bytes, bytes]:
    """Returns the trace and the span; a call without them has its own id, of which the end is random."""
    own = _bytes(call.call_id, 2 * HEX) or b"\1" * HEX
    trace_id = _bytes(call.trace_id, 2 * HEX) or own
    return trace_id, _bytes(call.span_id, SPAN_DIGITS) or own[8:]


def _bytes(text: str | None, digits: int) -> bytes:
    """Returns an id's bytes, none where it is no id."""
    if text is None or len(text) != digits:
        return b""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _pairs(named: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in named.items()]


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, tuple | list):
        return AnyValue(array_value=ArrayValue(values=[_any(one) for one in value]))
    return AnyValue(string_value=str(value))

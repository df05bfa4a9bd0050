"""OTLP: both encodings give the same values, answers are what senders decode, bombs are not unpacked."""

import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from pilothouse.contracts.errors import InvalidRequestError, PayloadTooLargeError
from pilothouse.telemetry.otlp import json as otlp_json
from pilothouse.telemetry.otlp import protobuf
from pilothouse.telemetry.otlp.answer import status_body, success_body
from pilothouse.telemetry.otlp.check import check, unpack

if TYPE_CHECKING:
    from pilothouse.contracts.events import Encoding

IDS = ("traceId", "spanId", "parentSpanId")


def in_json(
    message: "ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest",
) -> bytes:
    """Returns a request as OTLP has it in JSON: proto3's mapping, but ids in hex."""
    from base64 import b64decode

    def hexed(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: b64decode(item).hex() if name in IDS else hexed(item) for name, item in value.items()
            }
        return [hexed(item) for item in value] if isinstance(value, list) else value

    return json.dumps(hexed(MessageToDict(message, use_integers_for_enums=True))).encode()


def _array(items: list[AnyValue]) -> AnyValue:
    found = AnyValue()
    found.array_value.values.extend(items)
    return found


values = st.recursive(
    st.one_of(
        st.text(max_size=20).map(lambda text: AnyValue(string_value=text)),
        st.integers(-(2**63), 2**63 - 1).map(lambda number: AnyValue(int_value=number)),
        st.booleans().map(lambda truth: AnyValue(bool_value=truth)),
        st.floats(allow_nan=False).map(lambda number: AnyValue(double_value=number)),
        st.binary(max_size=10).map(lambda data: AnyValue(bytes_value=data)),
    ),
    lambda inner: st.lists(inner, max_size=3).map(_array),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=10), values, max_size=5), st.binary(min_size=8, max_size=8))
def test_spans_are_the_same_in_both_encodings(attributes: dict[str, AnyValue], parent: bytes) -> None:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    scope.scope.name = "library"
    span = scope.spans.add(
        trace_id=b"\1" * 16, span_id=b"\2" * 8, parent_span_id=parent, name="x", kind=3,
        start_time_unix_nano=2**63 + 5, end_time_unix_nano=7,
    )  # fmt: skip
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "wrong"
    for name, value in attributes.items():
        span.attributes.add(key=name).value.CopyFrom(value)
    event = span.events.add(name="said", time_unix_nano=9)
    event.attributes.add(key="deep").value.kvlist_value.values.add(key="a").value.int_value = 0
    span.links.add(trace_id=b"\3" * 16, span_id=b"\4" * 8)

    sent = protobuf.parse("traces", request.SerializeToString())
    said = otlp_json.parse("traces", in_json(request))
    assert protobuf.count("traces", sent) == otlp_json.count("traces", said) == (1, 0)
    ((resource_one, one),) = protobuf.read_spans(sent)
    ((resource_two, two),) = otlp_json.read_spans(said)
    assert (resource_one, one) == (resource_two, two)
    assert one.events[0].attributes == {"deep": {"a": 0}}
    assert one.trace_id == "01" * 16


def test_logs_and_points_are_the_same_in_both_encodings() -> None:
    logs = ExportLogsServiceRequest()
    record = (
        logs.resource_logs.add()
        .scope_logs.add()
        .log_records.add(observed_time_unix_nano=5, severity_text="WARN", event_name="e", trace_id=b"\1" * 16)
    )
    record.body.kvlist_value.values.add(key="said").value.string_value = "hello"
    metrics = ExportMetricsServiceRequest()
    scope = metrics.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="g", unit="s").gauge.data_points.add(as_double=0.5)
    scope.metrics.add(name="c").sum.data_points.add(as_int=3)
    histogram = scope.metrics.add(name="h").histogram
    histogram.data_points.add(count=3, sum=4.5, explicit_bounds=[1, 2], bucket_counts=[1, 2, 0])
    scope.metrics.add(name="empty")

    (one,) = protobuf.read_logs(protobuf.parse("logs", logs.SerializeToString()))
    (two,) = otlp_json.read_logs(otlp_json.parse("logs", in_json(logs)))
    assert one == two
    assert (one[1].at_ns, one[1].body) == (5, {"said": "hello"})
    sent = protobuf.parse("metrics", metrics.SerializeToString())
    said = otlp_json.parse("metrics", in_json(metrics))
    assert protobuf.count("metrics", sent) == otlp_json.count("metrics", said) == (3, 0)
    points = [point for _, point in protobuf.read_points(sent)]
    assert points == [point for _, point in otlp_json.read_points(said)]
    assert [(point.value, point.counts) for point in points] == [(0.5, []), (3.0, []), (None, [1, 2, 0])]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    encodings: tuple[Encoding, ...] = ("protobuf", "json")
    for encoding in encodings:
        with suppress(InvalidRequestError):
            assert check("traces", encoding, data).items >= 0


def test_an_answer_is_what_senders_decode() -> None:
    response = ExportTraceServiceResponse.FromString(
        success_body("traces", "protobuf", rejected=300, reason="wrong ids")
    )
    assert response.partial_success.rejected_spans == 300
    assert response.partial_success.error_message == "wrong ids"
    assert success_body("logs", "protobuf", rejected=0, reason="") == b""
    assert json.loads(status_body("json", code=3, message="no")) == {"code": 3, "message": "no"}
    assert status_body("protobuf", code=3, message="no") == b"\x08\x03\x12\x02no"


def test_gzip_is_unpacked_up_to_its_bound() -> None:
    assert unpack(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(PayloadTooLargeError):
        unpack(gzip.compress(b"x" * 101), 100)
    with pytest.raises(InvalidRequestError, match="breaks off"):
        unpack(gzip.compress(b"x" * 100)[:-4], 100)

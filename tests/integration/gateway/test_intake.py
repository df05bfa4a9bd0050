"""Telemetry that applications send: taken in when it is on disk, refused with a reason, bounded in memory."""

import gzip
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from pilothouse.contracts.events import TelemetryReceived
from pilothouse.telemetry.frames import run_of
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.segments import decode_frame, first_offset, is_running, list_segments, read_chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Reply, Rig

KEY = "ph_test_0123456789"
PROTOBUF = "application/x-protobuf"
NEEDLE = b"what-a-person-wrote"


def traces(*ids: tuple[bytes, bytes]) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace_id, span_id in ids or [(b"t" * 16, b"s" * 8)]:
        span = scope.spans.add(trace_id=trace_id, span_id=span_id, name="chat")
        span.attributes.add(key="said").value.string_value = NEEDLE.decode()
    return request.SerializeToString()


def send(rig: "Rig", body: bytes, path: str = "/v1/traces", **headers: str) -> "Reply":
    plain = {"content-type": PROTOBUF, "authorization": f"Bearer {KEY}"}
    sent = plain | {name.replace("_", "-"): value for name, value in headers.items()}
    return rig.ask("POST", path, body, sent)


def kept(rig: "Rig") -> list[tuple[TelemetryReceived, bytes]]:
    """Returns what stands in the journal of telemetry, unsealed."""
    folder = rig.home.telemetry
    keyring = Keyring(rig.home.keyring, rig.home.master_key)
    found = []
    for name in list_segments(folder):
        position = first_offset(f"{folder}/{name}")
        is_last = not is_running(folder, run_of(name) or "")
        while (chunk := read_chunk(f"{folder}/{name}", position, is_last=is_last)).end > position:
            position = chunk.end
            for raw in chunk.frames:
                frame = decode_frame(raw.payload)
                assert isinstance(frame.event, TelemetryReceived)
                assert frame.sealed is not None
                key = keyring.find(frame.subject)
                assert key is not None
                found.append((frame.event, unseal(key, frame.event.batch_id, frame.sealed).request or b""))
    return found


@pytest.fixture(scope="module")
def worker(start_rig: "Callable[..., Rig]") -> "Rig":
    return start_rig({"intake": {"body_bytes": 100_000, "quota_bytes": 32 << 20}})


def test_protobuf_is_kept_sealed_as_it_came(rig: "Rig") -> None:
    before = len(kept(rig))
    body = traces()
    reply = send(rig, body)
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, PROTOBUF, b"")
    event, found = kept(rig)[before]
    assert found == body
    assert (event.signal, event.encoding, event.items, event.key_id) == ("traces", "protobuf", 1, "key_test")
    for path in Path(rig.home.telemetry).glob("*.segment"):
        assert NEEDLE not in path.read_bytes()


def traces_json(**span: str) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


SPAN = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "x"}
RECORD = {"timeUnixNano": "5", "body": {"stringValue": "hello"}}
POINTS = {"name": "m", "gauge": {"dataPoints": [{"asDouble": 1.5}]}}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/traces", traces_json(**SPAN, startTimeUnixNano="1")),
        ("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [RECORD]}]}]}),
        ("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [POINTS]}]}]}),
    ],
    ids=["traces", "logs", "metrics"],
)
def test_json_of_each_signal_is_taken(rig: "Rig", path: str, document: dict[str, Any]) -> None:
    reply = send(rig, json.dumps(document).encode(), path, content_type="application/json")
    assert (reply.status, reply.json) == (200, {})
    event, _ = kept(rig)[-1]
    assert (f"/v1/{event.signal}", event.encoding, event.items) == (path, "json", 1)


def test_gzip_is_kept_as_it_came(rig: "Rig") -> None:
    body = gzip.compress(traces())
    assert send(rig, body, content_encoding="gzip").status == 200
    event, found = kept(rig)[-1]
    assert (event.is_gzipped, found) == (True, body)


def test_spans_with_wrong_ids_are_said_to_be_rejected_and_the_others_taken(rig: "Rig") -> None:
    body = traces((b"t" * 16, b"s" * 8), (b"short", b"s" * 8), (bytes(16), b"s" * 8), (b"t" * 16, b""))
    reply = send(rig, body)
    partial_success = ExportTraceServiceResponse.FromString(reply.body).partial_success
    assert (reply.status, partial_success.rejected_spans) == (200, 3)
    assert "16 bytes" in partial_success.error_message
    assert kept(rig)[-1][0].items == 1


def test_a_request_with_only_wrong_ids_is_not_kept(rig: "Rig") -> None:
    before = len(kept(rig))
    body = json.dumps(traces_json(traceId="xyz")).encode()
    reply = send(rig, body, content_type="application/json")
    assert reply.json["partialSuccess"]["rejectedSpans"] == "1"
    assert len(kept(rig)) == before


BOMB = gzip.compress(bytes(50_000_000), 9)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (traces()[:-3], {}, 400, "protobuf"),
        (b"\xff" * 100, {}, 400, "protobuf"),
        (b'{"resourceSpans": [{"scopeSpans": 5}]}', {"content_type": "application/json"}, 400, "scopeSpans"),
        (b'{"resourceSpans": [', {"content_type": "application/json"}, 400, "JSON"),
        (b"[" * 50_000, {"content_type": "application/json"}, 400, "JSON"),
        (BOMB, {"content_encoding": "gzip"}, 413, "unpacks to more than 100000"),
        (gzip.compress(traces())[:-9], {"content_encoding": "gzip"}, 400, "breaks off"),
        (traces(), {"content_encoding": "gzip"}, 400, "gzip"),
        (traces(), {"content_encoding": "br"}, 400, "br"),
        (traces(), {"content_type": "text/plain"}, 400, "text/plain"),
        (bytes(100_001), {}, 413, "100000"),
        (traces(), {"authorization": "Bearer ph_unknown"}, 401, "not known"),
        (traces(), {"authorization": "Bearer ph_viewer"}, 403, "look"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_taken_gets_a_clear_answer_and_is_not_kept(
    rig: "Rig", body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    before = len(kept(rig))
    reply = send(rig, body, **headers)
    assert reply.status == status
    assert said.encode() in reply.body
    assert len(kept(rig)) == before
    assert send(rig, traces()).status == 200  # and it goes on


def test_reading_is_refused(rig: "Rig") -> None:
    assert rig.ask("GET", "/v1/traces", None, {"authorization": f"Bearer {KEY}"}).status == 405


def test_when_too_much_waits_senders_are_told_to_come_back_and_nothing_accepted_is_lost(
    start_rig: "Callable[..., Rig]",
) -> None:
    rig = start_rig({"intake": {"quota_bytes": 32 << 20, "body_bytes": 2 << 20}}, limits={})
    request = ExportTraceServiceRequest.FromString(traces())
    request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value = "x" * (1 << 20)
    body = request.SerializeToString()
    accepted = 0
    while (reply := send(rig, body)).status == 200:
        accepted += 1
        assert accepted < 64
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) >= 1
    assert len(kept(rig)) == accepted >= 16
    assert rig.chat().status == 200  # calls have a journal of their own


def test_a_second_port_takes_it_too(start_rig: "Callable[..., Rig]") -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rig = start_rig({"intake": {"port": port}})
    usual, rig.port = rig.port, port
    assert send(rig, traces()).status == 200
    rig.port = usual
    assert len(kept(rig)) == 1


@pytest.mark.parametrize("round_number", range(3))
def test_what_was_answered_outlives_a_killed_worker(
    round_number: int, start_rig: "Callable[..., Rig]"
) -> None:
    rig = start_rig()
    answered: list[bytes] = []

    def sender(number: int) -> None:
        for count in range(10_000):
            trace_id = f"{number:04d}{count:012d}".encode()
            try:
                if send(rig, traces((trace_id, b"s" * 8))).status == 200:
                    answered.append(trace_id)
            except OSError:
                return

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(sender, number) for number in range(4)]
        rig.until(partial(_is_longer, answered, 20 * (round_number + 1)))
        assert rig.process is not None
        rig.process.send_signal(signal.SIGKILL)
        for one in running:
            one.result()
    rig.process.wait()
    stored = [
        ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0].trace_id
        for _, body in kept(rig)
    ]
    assert set(answered) <= set(stored)
    assert len(stored) == len(set(stored))


def _is_longer(found: list[bytes], length: int) -> bool:
    return len(found) > length

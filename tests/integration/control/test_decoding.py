"""From the telemetry journal into the record: once, whatever was sent twice, damaged or of a wrong time."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.events import Content, Encoding, Signal, TelemetryReceived
from pilothouse.contracts.home import Home
from pilothouse.control.decoder import Done, Task
from pilothouse.control.decoding import MOST_FAILURES, Decoding
from pilothouse.store.analytics import Analytics
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.segments import list_segments
from pilothouse.telemetry.settings import IntakeSettings, JournalSettings

HOUR_NS = 3600 * 10**9
NOW_NS = time.time_ns()
SAID = "What a person said."


def spans(*names: str, at_ns: int = NOW_NS) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in names:
        span = scope.spans.add(trace_id=b"t" * 16, span_id=name.encode().ljust(8, b"_"), name=name)
        span.start_time_unix_nano, span.end_time_unix_nano = at_ns, at_ns + 5_000_000
        span.attributes.add(key="gen_ai.system").value.string_value = "openai"
        span.attributes.add(key="gen_ai.request.model").value.string_value = "m"
        span.attributes.add(key="gen_ai.prompt").value.string_value = SAID
    return request.SerializeToString()


class Place:
    """A home with a journal of telemetry, and the analytics files."""

    def __init__(self, root: Path) -> None:
        self.home = Home(str(root))
        for folder in (self.home.keys, self.home.logs, self.home.analytics):
            Path(folder).mkdir(parents=True)
        Path(self.home.pepper).write_bytes(b"p" * 32)
        Path(self.home.master_key).write_bytes(b"m" * 32)
        self.keyring = Keyring(self.home.keyring, self.home.master_key)
        self.analytics = Analytics.open(
            self.home.analytics, backups=self.home.backups, settings=StoreSettings(), now_ms=1
        )
        self.decoding = Decoding(
            self.home, self.analytics, IntakeSettings(decoders=1), content_retention_days=30
        )
        self.count = 0

    def journal(self) -> Journal:
        return Journal.open(
            self.home.telemetry,
            writer="telemetry-0",
            keyring=self.keyring,
            settings=JournalSettings(segment_bytes=1 << 20, reserve_bytes=0),
        )

    def write(self, *bodies: bytes, signal: Signal = "traces", encoding: Encoding = "protobuf") -> None:
        with closing(self.journal()) as journal:
            for body in bodies:
                self.count += 1
                event = TelemetryReceived(
                    f"{self.count:032x}", NOW_NS, signal, encoding, key_id="key_1", subject="key_1"
                )
                journal.append(event, Content(request=body))

    def decode(self) -> None:
        while list_segments(self.home.telemetry):
            self.decoding.tick(NOW_NS // 1_000_000)

    def rows(self, question: str) -> list[Any]:
        with closing(self.analytics.cursor()) as cursor:
            return cursor.execute(question).fetchall()

    def contents(self) -> dict[str, Content]:
        found = {}
        with self.analytics.lock, closing(self.analytics.cursor()) as cursor:
            for day in self.analytics.days():
                schema = self.analytics.attach(day)
                for identity, subject, sealed in cursor.execute(
                    f"SELECT call_id, subject, sealed FROM {schema}.content"
                ).fetchall():
                    assert identity not in found
                    key = self.keyring.find(subject)
                    assert key is not None
                    found[identity] = unseal(key, identity, sealed)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.decoding.close()
    found.analytics.close()


def test_spans_get_on_record_with_their_content_sealed(place: Place) -> None:
    place.write(spans("one", "two"))
    place.decode()
    found = place.rows("SELECT name, at_ns, duration_ms, model, provider, key_id FROM spans ORDER BY name")
    assert found == [(name, NOW_NS, 5.0, "m", "openai", "key_1") for name in ("one", "two")]
    contents = place.contents()
    assert len(contents) == 2
    assert all(SAID.encode() in (content.request or b"") for content in contents.values())
    for path in Path(place.home.root).rglob("*"):
        if path.is_file():
            assert SAID.encode() not in path.read_bytes()
    assert place.rows("SELECT count(*) FROM trace_hints") == [(1,)]
    assert list(Path(place.home.staging).iterdir()) == []


def test_what_is_sent_twice_is_on_record_once(place: Place) -> None:
    place.write(spans("one", "two"), spans("one", "two"))
    place.decode()
    place.write(spans("two", "three"))
    place.decode()
    assert place.rows("SELECT name FROM spans ORDER BY name") == [("one",), ("three",), ("two",)]
    assert len(place.contents()) == 3


@pytest.mark.parametrize("at_ns", [NOW_NS + HOUR_NS, 2**63 + 1, 0])
def test_a_clock_that_is_wrong_is_set_to_when_it_was_received(place: Place, at_ns: int) -> None:
    place.write(spans("one", at_ns=at_ns))
    place.decode()
    assert place.rows("SELECT at_ns FROM spans") == [(NOW_NS,)]


def test_what_is_damaged_is_left_out_and_counted_and_the_rest_is_kept(place: Place) -> None:
    journal = place.journal()
    place_of: list[int] = []
    for name in ("one", "two", "three"):
        place_of.append(journal.position)
        event = TelemetryReceived(name.ljust(32, "0"), NOW_NS, "traces", "protobuf", subject="key_1")
        journal.append(event, Content(request=spans(name)))
    segment = Path(place.home.telemetry, journal.segment)
    journal.close()
    data = bytearray(segment.read_bytes())
    data[place_of[1] + 100] ^= 0xFF
    segment.write_bytes(data)
    place.decode()
    assert place.rows("SELECT name FROM spans ORDER BY name") == [("one",), ("three",)]
    assert place.decoding.figures(NOW_NS // 1_000_000).damages_total == 1


def test_a_destroyed_key_erases_what_was_not_decoded_yet(place: Place) -> None:
    place.write(spans("one"))
    place.keyring.destroy("key_1")
    place.decode()
    assert place.rows("SELECT count(*) FROM spans") == [(0,)]


def test_logs_and_points_get_on_record(place: Place) -> None:
    log = {"timeUnixNano": str(NOW_NS), "severityText": "WARN", "body": {"stringValue": SAID}}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log, log]}]}]}
    point = {"timeUnixNano": str(NOW_NS), "asDouble": 0.5, "attributes": [{"key": "a", "value": {"stringValue": "b"}}]}  # fmt: skip # noqa: E501
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}]}  # fmt: skip # noqa: E501
    place.write(json.dumps(logs).encode(), signal="logs", encoding="json")
    place.write(json.dumps(metrics).encode(), signal="metrics", encoding="json")
    place.decode()
    assert place.rows("SELECT severity, count(*) FROM log_records GROUP BY 1") == [("WARN", 2)]
    assert place.rows("SELECT name, labels, value FROM metric_points") == [("m", '{"a":"b"}', 0.5)]
    assert all(SAID.encode() in (one.attributes or b"") for one in place.contents().values())


def test_a_body_that_cannot_be_decoded_is_left_out_and_the_rest_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.control.decoding.TASK_BYTES", 1)  # a body a task
    place.write(spans("one"), b"not protobuf", spans("two"))
    place.decode()
    assert place.rows("SELECT name FROM spans ORDER BY name") == [("one",), ("two",)]


def test_ten_thousand_labels_and_long_values_stay_bounded(place: Place) -> None:
    request = ExportTraceServiceRequest.FromString(spans("one"))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for number in range(10_000):
        span.attributes.add(key=f"label-{number}").value.int_value = number
    span.attributes.add(key="long").value.string_value = "x" * 10_000_000
    place.write(spans("before"))
    with closing(
        Journal.open(
            place.home.telemetry,
            writer="telemetry-1",
            keyring=place.keyring,
            settings=JournalSettings(segment_bytes=32 << 20, reserve_bytes=0),
        )
    ) as journal:
        event = TelemetryReceived("f" * 32, NOW_NS, "traces", "protobuf", subject="key_1")
        journal.append(event, Content(request=request.SerializeToString()))
    place.decode()
    assert place.rows("SELECT name FROM spans ORDER BY name") == [("before",), ("one",)]
    assert max(len(one.attributes or b"") for one in place.contents().values()) < 2_000_000


def test_what_ends_every_decoder_is_set_aside_and_the_rest_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.control.decoding.TASK_BYTES", 1)
    place.write(spans("one"), spans("two"))
    first = True
    begin = place.decoding.decoders.begin

    def failing(task: Task) -> "Future[Done]":
        nonlocal first
        if first:
            first = False
            poisoned.append(task.start)
        if task.start not in poisoned:
            return begin(task)
        failed: Future[Done] = Future()
        failed.set_exception(UnavailableError("the decoder died"))
        return failed

    poisoned: list[int] = []
    place.decoding.decoders.begin = failing  # type: ignore[method-assign] # a fake at the border of processes
    for _ in range(MOST_FAILURES - 1):
        with pytest.raises(UnavailableError):
            place.decoding.tick(NOW_NS // 1_000_000)
    place.decode()
    assert place.rows("SELECT name FROM spans") == [("two",)]
    (aside,) = Path(place.home.telemetry, "aside").iterdir()
    assert aside.stat().st_size > 100

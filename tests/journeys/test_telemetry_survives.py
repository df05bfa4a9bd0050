"""The bar of telemetry: kill -9 of any process during ingest, and no answered span is missing or doubled."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

ROUNDS = 20
SEED = int(os.environ.get("PILOTHOUSE_TEST_SEED", "20261123"))
SPANS = 50
SENDERS = 3
CONFIGURATION = """
providers:
  mock: {base_url: "http://127.0.0.1:9/v1"}
models:
  m: {deployments: [{provider: mock, model: mock}]}
journal: {reserve_bytes: 0}
"""


class Sender(threading.Thread):
    """Sends batches one after the other, each again until it is answered, as exporters do."""

    def __init__(self, number: int, port: int, key: str, answered: threading.Condition) -> None:
        super().__init__(daemon=True)
        self.number, self.port, self.key = number, port, key
        self.answered = answered
        self.spans: list[str] = []
        self.sent_again = 0
        self.stopping = threading.Event()
        self._count = 0

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stopping.is_set():
            ids, body = self._batch()
            while not self._sent(connection, body):
                connection.close()
                self.sent_again += 1
                self.stopping.wait(0.05)
                if self.stopping.is_set():
                    return
                connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
            with self.answered:
                self.spans += ids
                self.answered.notify_all()
        connection.close()

    def _batch(self) -> tuple[list[str], bytes]:
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        trace_id = random.randbytes(16)
        ids = []
        for _ in range(SPANS):
            self._count += 1
            span_id = (self.number << 48 | self._count).to_bytes(8, "big")
            span = scope.spans.add(trace_id=trace_id, span_id=span_id, name="chat m")
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
            span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
            span.attributes.add(key="gen_ai.prompt").value.string_value = f"words {self._count} " * 20
            ids.append(span_id.hex())
        return ids, request.SerializeToString()

    def _sent(self, connection: HTTPConnection, body: bytes) -> bool:
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/x-protobuf"}
        try:
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            return False
        return answer.status == 200


def decoders_of(control: int | None) -> list[int]:
    """Returns the decoders that are children of a control process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if b"pilothouse.control.decoder" in words and parent == control:
            found.append(int(folder.name))
    return found


def children_of(up: "Up", kind: str) -> list[int]:
    """Returns the living processes of a kind; decoders are control's children."""
    running = {part.name: part.pid for part in up.status.processes if part.pid}
    if kind == "decoder":
        return decoders_of(running.get("control"))
    return [pid for name, pid in running.items() if name.startswith(kind)]


def test_no_span_is_lost_or_doubled_whatever_is_killed(start_up: Callable[..., "Up"]) -> None:
    choice = random.Random(SEED)
    up = start_up(CONFIGURATION, PILOTHOUSE_WORKERS="2")
    up.wait_ready()
    answered = threading.Condition()
    port = urlsplit(up.base_url).port or 0
    senders = [Sender(number + 1, port, up.key, answered) for number in range(SENDERS)]
    victims = ["gateway"] * 6 + ["decoder"] * 12 + ["control"] * 2
    choice.shuffle(victims)
    assert len(victims) == ROUNDS
    for sender in senders:
        sender.start()
    killed = Counter[str]()
    for victim in victims:
        wanted = sum(len(sender.spans) for sender in senders) + choice.randint(5, 30) * SPANS
        with answered:
            assert answered.wait_for(partial(have_sent, senders, wanted), 60), "senders are not answered"
        up.wait(partial(is_running, up, victim), f"a {victim} to kill")
        os.kill(choice.choice(children_of(up, victim)), signal.SIGKILL)
        killed[victim] += 1
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    up.wait_ready()
    expected = {span for sender in senders for span in sender.spans}
    up.wait(lambda: waiting(up) == 0, "all telemetry on record")
    assert up.stop() == 0

    with duckdb.connect(f"{up.home.analytics}/calls.duckdb", read_only=True) as connection:
        found = [row[0] for row in connection.execute("SELECT span_id FROM spans").fetchall()]
    assert not expected - set(found), "a span that was answered is missing"
    assert len(found) == len(set(found)), "a span is doubled"
    contents: Counter[str] = Counter()
    for path in Path(up.home.analytics, "content").glob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as connection:
            contents.update(row[0] for row in connection.execute("SELECT call_id FROM content").fetchall())
    assert set(contents.values()) == {1}, "content is doubled"
    assert len(contents) == len(found)
    assert sum(killed.values()) == ROUNDS
    assert sum(sender.sent_again for sender in senders) > 0


def have_sent(senders: list[Sender], spans: int) -> bool:
    return sum(len(sender.spans) for sender in senders) >= spans


def is_running(up: "Up", kind: str) -> bool:
    return bool(children_of(up, kind))


def waiting(up: "Up") -> int:
    """Returns how many bytes of telemetry wait, as the metrics say."""
    for line in up.get("/metrics").body.decode().splitlines():
        if line.startswith("pilothouse_telemetry_unread_bytes "):
            return int(float(line.split()[1]))
    raise OSError("the metric is not there yet")

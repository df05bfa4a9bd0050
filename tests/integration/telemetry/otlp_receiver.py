"""A receiver of OTLP over HTTP for tests: it decodes what comes, and answers as it is told.

Refuses to know who sends. Invariant: what it says was received is what came over the socket.
"""

import gzip
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    """Unpacked."""

    @property
    def message(self) -> Any:
        """The request decoded."""
        kind = ExportTraceServiceRequest if self.path.endswith("traces") else ExportMetricsServiceRequest
        return kind.FromString(self.body)

    @property
    def spans(self) -> list[Any]:
        """The spans of all resources and scopes."""
        return [
            span
            for resource in self.message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@dataclass
class Receiver:
    """What came, and what is answered."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    """Answers to come; then 200 with an empty body."""
    came: Condition = field(default_factory=Condition)

    @property
    def spans(self) -> list[Any]:
        """All spans that came."""
        return [span for got in self.got if got.path.endswith("traces") for span in got.spans]

    def wait(self, is_true: Any, within_s: float = 20.0) -> None:
        """Waits until what came is enough."""
        with self.came:
            assert self.came.wait_for(is_true, within_s), [got.path for got in self.got]


def named(attributes: Any) -> dict[str, Any]:
    """Returns attributes as plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Runs a receiver on a free port of loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.came:
                receiver.got.append(Got(self.path, headers, body))
                status, more, said = receiver.answers.popleft() if receiver.answers else (200, {}, b"")
                receiver.came.notify_all()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

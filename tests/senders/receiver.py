"""A tiny OTLP/HTTP receiver: it keeps what is sent, decoded, and answers 200.

Refuses to know what a span means. Invariant: what a sender got 200 for is in `spans` or `logs`.
"""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from pilothouse.telemetry.otlp import protobuf

if TYPE_CHECKING:
    from pilothouse.telemetry.otlp.raw import RawLog, RawSpan, Resource


class Received:
    """All that came."""

    def __init__(self) -> None:
        self.address = ""
        self.spans: list[tuple[Resource, RawSpan]] = []
        self.logs: list[tuple[Resource, RawLog]] = []
        self.authorizations: set[str | None] = set()


@contextmanager
def receiving() -> Iterator[Received]:
    """Listens on a free port while the block runs."""
    received = Received()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.authorizations.add(self.headers.get("authorization"))
            if self.path == "/v1/traces":
                received.spans += protobuf.read_spans(protobuf.parse("traces", body))
            elif self.path == "/v1/logs":
                received.logs += protobuf.read_logs(protobuf.parse("logs", body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    received.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

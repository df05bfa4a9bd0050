"""A worker whose successor serves: what runs ends well, what is kept open is told, what is idle is let go."""

import json
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

WAIT_S = 10.0
BODY = b'{"model":"quiet","messages":[{"role":"user","content":"x"}]}'
STREAM = BODY[:-1] + b',"stream":true}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: ph_test_0123456789\r\n"
DEADLINES = {"farewell_s": 0.5, "drain_s": 3.0, "handover_s": 8.0}


def request(body: bytes = BODY) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


def answer_on(connection: socket.socket) -> tuple[bytes, bytes]:
    """Reads one whole answer; returns its head in small letters, and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        assert more, "the connection ended without an answer"
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    if b"chunked" in head:
        while not body.endswith(b"0\r\n\r\n"):
            more = connection.recv(65536)
            assert more, "the stream was cut"
            body += more
        return head, body
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


@pytest.fixture
def slow(fresh: "Rig", wire: Any) -> Callable[[], threading.Event]:
    """Starts a worker whose upstream begins a stream and waits for an event to end it."""

    def start() -> threading.Event:
        go = threading.Event()

        def behave(connection: socket.socket, asked: bytes) -> None:
            if b'"stream":true' not in asked:
                wire.answer_json(connection, json.dumps(wire.CHAT).encode())
                return
            connection.sendall(wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "Hel"})))
            go.wait(WAIT_S)
            connection.sendall(wire.framed(wire.chunk({"content": "lo"}) + wire.chunk({}, "stop")))
            connection.sendall(wire.framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")

        fresh.upstream.behave = behave
        fresh.publish(fresh.snapshot())
        fresh.start(deadlines=DEADLINES)
        return go

    return start


def retire(rig: "Rig") -> None:
    """Tells the worker that a successor serves; returns once it accepts nothing more."""
    assert rig.process is not None
    rig.process.send_signal(signal.SIGUSR1)

    def is_closed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", rig.port), timeout=1).close()
        except OSError:
            return True
        return False

    rig.until(is_closed)


def test_a_kept_connection_is_answered_once_more_and_told_that_it_ends(
    fresh: "Rig", slow: Callable[[], threading.Event]
) -> None:
    slow()
    kept = fresh.raw(request())
    assert b"connection: close" not in answer_on(kept)[0]
    retire(fresh)
    kept.sendall(request())
    head, _ = answer_on(kept)
    assert head.startswith(b"http/1.1 200")
    assert b"connection: close" in head
    assert kept.recv(1) == b""
    assert fresh.process is not None
    assert fresh.process.wait(WAIT_S) == 0


def test_pipelined_requests_are_all_answered_before_the_end(
    fresh: "Rig", slow: Callable[[], threading.Event]
) -> None:
    slow()
    kept = fresh.raw(request())
    answer_on(kept)
    retire(fresh)
    kept.sendall(request() * 3)
    answers = b""
    while more := kept.recv(65536):
        answers += more
    assert answers.count(b"HTTP/1.1 200") == 3
    assert answers.lower().count(b"connection: close") == 1


def test_a_stream_goes_on_to_its_end_and_its_connection_serves_once_more(
    fresh: "Rig", slow: Callable[[], threading.Event]
) -> None:
    go = slow()
    stream = fresh.raw(request(STREAM))
    begun = b""
    while b"Hel" not in begun:
        begun += stream.recv(65536)
    assert b"connection: close" not in begun.lower(), "nobody knew when it began"
    idle = fresh.raw(b"")
    retire(fresh)
    assert idle.recv(1) == b"", "an idle connection ends after the farewell time"
    assert fresh.status()["streams"] == 1
    assert fresh.status()["is_accepting"] is True
    go.set()
    while not begun.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
        begun += stream.recv(65536)
    stream.sendall(request())
    assert b"connection: close" in answer_on(stream)[0]
    assert fresh.process is not None
    assert fresh.process.wait(WAIT_S) == 0
    assert not Path(fresh.home.gateway_status_socket("0")).exists()


def test_the_readiness_of_a_retiring_worker_says_so(
    fresh: "Rig", slow: Callable[[], threading.Event]
) -> None:
    slow()
    kept = fresh.raw(request())
    answer_on(kept)
    retire(fresh)
    kept.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
    head, body = answer_on(kept)
    assert head.startswith(b"http/1.1 200")
    assert b"another one serves in its place" in body


@pytest.mark.parametrize("then", ["stop", "cut"])
def test_a_more_urgent_order_holds(fresh: "Rig", slow: Callable[[], threading.Event], then: str) -> None:
    slow()
    stream = fresh.raw(HEAD + b"x-request-id: long\r\ncontent-length: %d\r\n\r\n" % len(STREAM) + STREAM)
    begun = b""
    while b"Hel" not in begun:
        begun += stream.recv(65536)
    retire(fresh)
    assert fresh.process is not None
    fresh.process.terminate()
    if then == "cut":
        fresh.until(lambda: "stopping" in fresh.status().get("reason", ""))
        fresh.process.terminate()
    assert fresh.process.wait(DEADLINES["drain_s"] + 2) == 0
    call = fresh.record()["long"]
    assert call.end.outcome == "cut"

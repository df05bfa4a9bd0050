"""What upstreams do wrong: garbage, silence, resets, halves. The client is told, and nothing leaks."""

import json
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Rig


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _last(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.close()


def _answer(data: bytes) -> "Callable[[socket.socket, bytes], None]":
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(data)
        connection.close()

    return behave


GARBAGE = [
    b"\x00\x01\x02 not http at all\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\nnot json!",
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"choices":7}',
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE)
@pytest.mark.parametrize("stream", [False, True])
def test_garbage_is_502(rig: "Rig", data: bytes, stream: bool) -> None:  # noqa: FBT001 - a parameter
    rig.upstream.behave = _answer(data)
    reply = rig.chat(stream=stream)
    assert (reply.status, reply.error["code"]) == (502, "upstream_bad_answer")
    end = rig.recorded(reply).end
    assert (end.status, end.outcome, end.error_code) == (502, "failed", "upstream_bad_answer")


@pytest.mark.parametrize("stream", [False, True])
def test_a_close_without_an_answer_is_502(rig: "Rig", stream: bool) -> None:  # noqa: FBT001 - a parameter
    rig.upstream.behave = lambda connection, _: connection.close()
    reply = rig.chat(stream=stream)
    assert (reply.status, reply.error["code"]) == (502, "upstream_reset")


def test_a_reset_is_502(rig: "Rig") -> None:
    rig.upstream.behave = lambda connection, _: _reset(connection)
    assert rig.chat().status == 502


@pytest.mark.parametrize("stream", [False, True])
def test_silence_is_504(rig: "Rig", stream: bool) -> None:  # noqa: FBT001 - a parameter
    rig.upstream.behave = lambda connection, _: rig.upstream.hold(connection)
    reply = rig.chat(stream=stream)
    assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
    assert rig.upstream.gone.wait(10), "the upstream call is given up"
    assert rig.recorded(reply).end.outcome == "failed"


def test_silence_in_the_middle_of_an_answer_is_504(rig: "Rig") -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"choi')
        rig.upstream.hold(connection)

    rig.upstream.behave = behave
    assert rig.chat().status == 504


def test_half_an_answer_is_502(rig: "Rig") -> None:
    rig.upstream.behave = _answer(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"choices":[]}')
    assert rig.chat().status == 502


def test_an_answer_that_ends_with_the_connection_is_whole(rig: "Rig", wire: Any) -> None:
    rig.upstream.behave = _answer(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + json.dumps(wire.CHAT).encode()
    )
    assert rig.chat().status == 200


def _broken_streams(wire: Any) -> dict[str, "Callable[[socket.socket, bytes], None]"]:
    begun = wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "Hel"}))

    def then(act: "Callable[[socket.socket], object]") -> "Callable[[socket.socket, bytes], None]":
        def behave(connection: socket.socket, _: bytes) -> None:
            connection.sendall(begun)
            act(connection)

        return behave

    return {
        "close": then(lambda c: c.close()),
        "reset": then(_reset),
        "half chunk": then(lambda c: _last(c, b"50\r\ndata: {")),
        "half event": then(lambda c: c.sendall(wire.framed(b'data: {"choices') + b"0\r\n\r\n")),
        "clean end without its end": then(lambda c: c.sendall(b"0\r\n\r\n")),
        "garbage": then(lambda c: _last(c, b"zz\r\nnot a chunk")),
        "silence": then(lambda c: c.recv(1)),
        "an error event": then(
            lambda c: c.sendall(wire.framed(b'data: {"error":{"message":"sk-provider-secret-1234"}}\n\n'))
        ),
        "an endless event": then(lambda c: c.sendall(wire.framed(b"data: " + b"x" * 60_000))),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "close",
        "reset",
        "half chunk",
        "half event",
        "clean end without its end",
        "garbage",
        "silence",
        "an error event",
        "an endless event",
    ],
)
def test_a_stream_that_dies_ends_in_an_error_and_never_in_done(rig: "Rig", wire: Any, kind: str) -> None:
    rig.upstream.behave = _broken_streams(wire)[kind]
    reply = rig.chat(stream=True)
    assert reply.status == 200
    assert b"[DONE]" not in reply.body
    events = [event for event in reply.body.split(b"\n\n") if event]
    assert json.loads(events[0][6:])["choices"][0]["delta"]["content"] == "Hel"
    error = json.loads(events[-1][6:])["error"]
    assert error["type"] == "upstream_error"
    assert error["hint"]
    assert b"sk-provider" not in reply.body
    call = rig.recorded(reply)
    assert (call.end.status, call.end.outcome) == (200, "cut")
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hel"


def test_a_stream_without_done_whose_choices_all_ended_is_whole(rig: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "x"}, "stop")) + b"0\r\n\r\n"
        )

    rig.upstream.behave = behave
    reply = rig.chat(stream=True)
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert rig.recorded(reply).end.outcome == "completed"


def test_a_stream_that_is_answered_as_plain_json_is_passed_on(rig: "Rig") -> None:
    reply = rig.chat(stream=True)
    assert reply.json["model"] == "quiet"
    assert rig.recorded(reply).end.is_stream is False


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (400, 400),
        (404, 404),
        (422, 400),
        (429, 429),
        (503, 503),
        (500, 502),
        (401, 502),
        (403, 502),
        (302, 502),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_are_passed_on_in_openais_shape(
    rig: "Rig",
    wire: Any,
    status: int,
    shown: int,
    stream: bool,  # noqa: FBT001 - a parameter
) -> None:
    body = b'{"error":{"message":"no: sk-provider-secret-1234","type":"t","param":"x","code":"its_code"}}'
    rig.upstream.behave = lambda connection, _: wire.answer_json(
        connection, body, f"{status} Refused", "retry-after: 7\r\n"
    )
    reply = rig.chat(stream=stream)
    assert reply.status == shown
    assert "sk-provider" not in str(reply.error)
    if status == 429:
        assert reply.headers["retry-after"] == "7"
        assert reply.error["code"] == "its_code"
    end = rig.recorded(reply).end
    assert (end.status, end.outcome) == (shown, "failed")
    assert end.error_message == f"the provider answered {status}"
    assert end.attempts[-1].status == status


def test_an_error_that_is_not_json_is_passed_on_in_openais_shape(rig: "Rig", wire: Any) -> None:
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, b"<html>", "429 Slow Down")
    assert rig.chat().error["message"] == "The provider 'vendor' answered 429."


def test_a_connection_that_the_peer_closed_is_repeated_once_on_a_fresh_one(rig: "Rig", wire: Any) -> None:
    served: list[socket.socket] = []

    def behave(connection: socket.socket, _: bytes) -> None:
        if connection in served:
            connection.close()  # the second request on it is swallowed
            return
        served.append(connection)
        wire.answer_json(connection, json.dumps(wire.CHAT).encode())

    rig.upstream.behave = behave
    rig.until(lambda: rig.chat().status == 200 and len(served) >= 1)
    before, asked = len(served), len(rig.upstream.requests)
    assert rig.chat().status == 200
    assert len(served) == before + 1
    assert len(rig.upstream.requests) == asked + 2, "sent once on the old connection and once on a fresh one"


def test_a_repeat_that_fails_too_is_an_error(rig: "Rig", wire: Any) -> None:
    seen: list[bytes] = []
    assert rig.chat().status == 200  # leaves a kept connection

    def behave(connection: socket.socket, request: bytes) -> None:
        seen.append(request)
        connection.close()

    rig.upstream.behave = behave
    assert rig.chat().status == 502
    assert len(seen) == 2


def test_an_engine_that_starts_late_is_waited_for(rig: "Rig", wire: Any) -> None:
    path = Path(rig.home.run) / "engine.sock"
    replies: list[Any] = []
    asking = threading.Thread(target=lambda: replies.append(rig.chat(model="local")))
    asking.start()
    rig.until(lambda: rig.status().get("in_flight") == 1)
    engine = type(rig.upstream)(str(path))
    answer = json.dumps(wire.CHAT).encode()
    engine.behave = lambda connection, _: wire.answer_json(connection, answer, extra="connection: close\r\n")
    asking.join(15)
    engine.close()
    path.unlink()
    assert replies[0].status == 200
    assert engine.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n")


def test_an_engine_that_does_not_start_is_503(rig: "Rig") -> None:
    reply = rig.chat(model="local")
    assert (reply.status, reply.error["code"]) == (503, "engine_not_ready")
    assert rig.recorded(reply).end.duration_ms >= 1_500

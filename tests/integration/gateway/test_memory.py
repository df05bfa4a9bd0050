"""What a worker holds in memory is bounded: by its settings, and by how fast clients read."""

import json
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

MB = 1_000_000
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: ph_test_0123456789\r\n"
LIMITS = {"memory_bytes": 2 * MB, "body_bytes": 4 * MB}


def body_of(size: int) -> bytes:
    return b'{"model":"quiet","messages":[{"role":"user","content":"%b"}]}' % (b"x" * size)


def ask(rig: "Rig", body: bytes) -> bytes:
    """Sends a call on a connection of its own; returns its answer."""
    connection = rig.raw(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return b"".join(iter(lambda: connection.recv(65536), b""))


def refused(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    code: str = json.loads(body)["error"]["code"]
    return code


def test_bodies_beyond_the_bound_are_refused_until_there_is_room(fresh: "Rig") -> None:
    fresh.publish(fresh.snapshot())
    fresh.start(limits=LIMITS)
    holding = fresh.raw(
        HEAD + b"content-length: %d\r\n\r\n" % (2 * MB) + b'{"messages":"' + b"x" * (1_500_000)
    )
    answer = fresh.until(lambda: (said := ask(fresh, body_of(MB))).startswith(b"HTTP/1.1 503") and said)
    assert refused(answer) == "memory_full"
    assert ask(fresh, body_of(10)).startswith(b"HTTP/1.1 200"), "what has room is answered"
    holding.close()
    fresh.until(lambda: ask(fresh, body_of(MB)).startswith(b"HTTP/1.1 200"))
    assert ask(fresh, body_of(MB)).startswith(b"HTTP/1.1 200"), "an answered body makes room again"


def test_a_body_without_a_length_is_refused_when_it_finds_no_room(fresh: "Rig") -> None:
    fresh.publish(fresh.snapshot())
    fresh.start(limits=LIMITS)
    connection = fresh.raw(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%b\r\n" % (500_000, b"x" * 500_000)
    for _ in range(5):
        connection.sendall(piece)
    assert refused(connection.recv(65536)) == "memory_full"
    fresh.until(lambda: ask(fresh, body_of(MB)).startswith(b"HTTP/1.1 200"))


def test_a_client_that_hangs_up_gives_back_what_it_held(fresh: "Rig") -> None:
    fresh.publish(fresh.snapshot())
    fresh.start(limits=LIMITS)
    for _ in range(5):
        half = fresh.raw(HEAD + b"content-length: %d\r\n\r\n" % (2 * MB - 1) + b"x" * MB)
        half.close()
        fresh.until(lambda: ask(fresh, body_of(MB)).startswith(b"HTTP/1.1 200"))


def large_answer(wire: Any, size: int) -> bytes:
    """Returns a chat answer with so much text."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x" * size}, "finish_reason": "stop"}
    return json.dumps({**wire.CHAT, "choices": [choice]}).encode()


def test_answers_that_were_sent_make_room_again(fresh: "Rig", wire: Any) -> None:
    fresh.upstream.behave = lambda connection, _: wire.answer_json(connection, large_answer(wire, MB))
    fresh.publish(fresh.snapshot())
    fresh.start(limits=LIMITS)
    for _ in range(5):
        answer = ask(fresh, body_of(10))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(answer) > MB
    assert ask(fresh, body_of(1_900_000)).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_nobody_takes_leaves_no_room(fresh: "Rig", wire: Any) -> None:
    fresh.upstream.behave = lambda connection, _: wire.answer_json(connection, large_answer(wire, 20 * MB))
    fresh.publish(fresh.snapshot())
    fresh.start(limits=LIMITS)
    body = body_of(10)
    stalled = fresh.raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert stalled.recv(1000)
    answer = fresh.until(lambda: (said := ask(fresh, body)).startswith(b"HTTP/1.1 503") and said)
    assert refused(answer) == "memory_full"
    fresh.upstream.behave = lambda connection, _: wire.answer_json(connection, large_answer(wire, 10))
    stalled.close()
    fresh.until(lambda: ask(fresh, body).startswith(b"HTTP/1.1 200"))


def test_an_endless_stream_waits_for_its_reader(fresh: "Rig", wire: Any) -> None:
    sent = [0]

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD)
        piece = wire.framed(wire.chunk({"content": "x" * 40_000}) * 10)
        while True:
            connection.sendall(piece)
            sent[0] += len(piece)

    fresh.upstream.behave = behave
    fresh.publish(fresh.snapshot())
    fresh.start()
    before = fresh.status()["resident_bytes"]
    body = body_of(10)[:-1] + b',"stream":true}'
    readers = [fresh.raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body) for _ in range(4)]
    for connection in readers:
        assert connection.recv(1000)
    seen = -1
    while seen != sent[0]:  # until the upstream can send no more
        seen = sent[0]
        time.sleep(0.3)
    status = fresh.status()
    assert status["streams"] == len(readers)
    assert status["resident_bytes"] - before < seen + 8 * MB, "the text for the record, and little more"
    for _ in range(100):
        readers[0].recv(65536)
    fresh.until(lambda: sent[0] > seen)

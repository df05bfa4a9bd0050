"""Everything that is not a call is streamed to control over its socket, both ways."""

import http.client
import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.conftest import Rig, Upstream


@pytest.fixture
def control(rig: "Rig") -> "Iterator[Upstream]":
    """A control process that answers what a test says."""
    Path(rig.home.control_socket).unlink(missing_ok=True)
    served = type(rig.upstream)(rig.home.control_socket)
    yield served
    served.close()
    Path(rig.home.control_socket).unlink()


def _answer(data: bytes, *, extra: bytes = b"connection: close\r\n") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(data), extra, data)


def test_a_request_reaches_control_as_it_was_but_for_who_sent_it(rig: "Rig", control: "Upstream") -> None:
    control.behave = lambda connection, _: connection.sendall(_answer(b"page"))
    reply = rig.ask(
        "GET",
        "/assets/app.js?v=1",
        headers={"x-pilothouse-client-host": "6.6.6.6", "accept": "text/css", "x-request-id": "mine"},
    )
    assert reply.body == b"page"
    sent = control.requests[0]
    assert sent.startswith(b"GET /assets/app.js?v=1 HTTP/1.1\r\n")
    assert b"accept: text/css" in sent
    assert b"x-request-id: mine" in sent
    assert b"6.6.6.6" not in sent
    assert b"x-pilothouse-client-host: 127.0.0.1" in sent


def test_bodies_and_statuses_pass_both_ways(rig: "Rig", control: "Upstream") -> None:
    def behave(connection: socket.socket, request: bytes) -> None:
        body = request.partition(b"\r\n\r\n")[2]
        head = b"HTTP/1.1 201 Created\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: close\r\n"
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)

    control.behave = behave
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    connection.request("POST", "/api/v1/keys", b'{"name":"x"}')
    answer = connection.getresponse()
    assert answer.status == 201
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.read() == b'{"name":"x"}'
    connection.close()


def test_an_answer_is_streamed_while_it_is_made(rig: "Rig", control: "Upstream") -> None:
    go = threading.Event()

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go.wait(10)
        connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    control.behave = behave
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    connection.request("GET", "/api/v1/requests/tail")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    go.set()
    assert answer.read() == b"last"
    connection.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_streamed_to_control(rig: "Rig", control: "Upstream", chunked: bool) -> None:  # noqa: FBT001 - a parameter
    size = 8 << 20
    seen: list[int] = []

    def behave(connection: socket.socket, request: bytes) -> None:
        if b"transfer-encoding: chunked" in request.lower():
            data = request
            seen.append(len(data))
            while not data.endswith(b"0\r\n\r\n"):
                data = data[-10:] + connection.recv(1 << 20)
                seen.append(len(data))
        connection.sendall(_answer(b"%d" % len(request.partition(b"\r\n\r\n")[2])))

    control.behave = behave
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=30)
    pieces = (b"x" * 65536 for _ in range(size // 65536))
    headers = {} if chunked else {"content-length": str(size)}
    connection.request("PUT", "/api/v1/upload", pieces, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == 200
    if chunked:
        assert sum(seen) >= size
    else:
        assert answer.read() == str(size).encode()
    connection.close()


def test_head_and_bodyless_answers_keep_the_connection(rig: "Rig", control: "Upstream") -> None:
    def behave(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"HEAD"):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
        else:
            connection.sendall(b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n')

    control.behave = behave
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    for method, status in (("HEAD", 200), ("GET", 304), ("GET", 304)):
        connection.request(method, "/index.html")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, b"")
    connection.close()


def test_an_answer_that_control_cuts_is_cut(rig: "Rig", control: "Upstream") -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        connection.close()

    control.behave = behave
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        rig.ask("GET", "/api/v1/overview")


def test_control_that_dies_is_502_and_then_503(rig: "Rig", control: "Upstream") -> None:
    control.behave = lambda connection, _: connection.close()
    assert rig.ask("GET", "/").error["code"] == "control_failed"
    control.close()
    assert (
        rig.until(lambda: (reply := rig.ask("GET", "/")).status == 503 and reply).error["code"]
        == "control_away"
    )


def test_a_reader_that_leaves_ends_the_request_to_control(rig: "Rig", control: "Upstream") -> None:
    control.behave = lambda connection, _: control.hold(connection)
    connection = rig.raw(b"GET /api/v1/requests/tail HTTP/1.1\r\nhost: localhost\r\n\r\n")
    rig.until(lambda: control.requests)
    connection.close()
    assert control.gone.wait(10)


def test_a_page_elsewhere_cannot_use_a_session(rig: "Rig", control: "Upstream") -> None:
    headers = {"cookie": "pilothouse_session=phs_session_0123456789", "origin": "https://elsewhere.example"}
    reply = rig.ask("POST", "/api/v1/keys", b"{}", headers)
    assert reply.status == 403
    assert control.requests == []


def test_errors_of_control_pass_as_they_are(rig: "Rig", control: "Upstream") -> None:
    body = json.dumps({"error": {"message": "no"}}).encode()
    control.behave = lambda connection, _: connection.sendall(
        _answer(body).replace(b"200 OK", b"418 I'm a Teapot")
    )
    reply = rig.ask("GET", "/api/v1/x")
    assert (reply.status, reply.body) == (418, body)

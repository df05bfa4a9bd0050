"""What clients do wrong: each is a clear error with the right status, on record, and the worker lives on."""

import json
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

CHAT_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ph_test_0123456789\r\n"
)
GOOD_BODY = b'{"model":"quiet","messages":[{"role":"user","content":"x"}]}'


def _read_all(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _request_id(answer: bytes) -> str:
    for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        if line.startswith(b"x-request-id: "):
            return line[14:].decode()
    pytest.fail(f"no x-request-id in {answer!r}")


@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "missing_api_key"), ("ph_wrong", "invalid_api_key"), ("ph_expired", "invalid_api_key")],
)
def test_without_a_good_key_there_is_no_answer(rig: "Rig", key: str | None, code: str) -> None:
    reply = rig.chat(key=key)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.error["code"] == code
    call = rig.recorded(reply)
    assert (call.end.status, call.end.outcome, call.end.error_code) == (401, "refused", code)
    assert call.request is None
    assert rig.upstream.requests == []


def test_a_viewer_may_look_but_not_call(rig: "Rig") -> None:
    reply = rig.chat(key="ph_viewer")
    assert reply.status == 403
    assert rig.recorded(reply).end.key_id == "key_viewer"


def test_a_key_reaches_only_its_models(rig: "Rig") -> None:
    reply = rig.chat(model="quiet", key="ph_other_0123456789")
    assert (reply.status, reply.error["code"]) == (403, "model_not_allowed")


def test_a_limited_key_cannot_name_two_models_at_once(rig: "Rig") -> None:
    snapshot = rig.snapshot()
    limited = rig.key("ph_limited", "key_limited", models=("vendor/allowed",))
    keys = (*snapshot.keys, limited)
    rig.publish(rig.snapshot(keys=keys))
    body = b'{"model":"forbidden","messages":[],"model":"vendor/allowed"}'
    reply = rig.until(
        lambda: (r := rig.post("/v1/chat/completions", body, key="ph_limited")).status == 200 and r
    )
    assert reply.status == 200
    sent = rig.upstream.requests[-1].partition(b"\r\n\r\n")[2]
    assert b"forbidden" not in sent


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"{", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b'{"model":"quiet","messages":[' + b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_request"),
        (b'{"messages":[]}', "invalid_request"),
        (b'{"model":7,"messages":[]}', "invalid_request"),
        (b'{"model":"quiet"}', "invalid_request"),
        (b'{"model":"quiet","messages":"x"}', "invalid_request"),
        (b'{"model":"quiet","messages":[],"temperature":"hot"}', "invalid_request"),
        (b'{"model":"quiet","messages":[],"max_tokens":99999999999999999999999}', "invalid_request"),
        (b'{"model":"quiet","messages":[],"user":"\\ud800"}', "invalid_json"),
    ],
)
def test_a_body_that_is_wrong_is_400(rig: "Rig", body: bytes, code: str) -> None:
    reply = rig.post("/v1/chat/completions", body)
    assert (reply.status, reply.error["code"], reply.error["type"]) == (400, code, "invalid_request_error")
    call = rig.recorded(reply)
    assert (call.end.status, call.end.outcome) == (400, "refused")


def test_the_error_names_the_field(rig: "Rig") -> None:
    wrong = rig.post("/v1/chat/completions", {"model": "quiet", "messages": [], "temperature": "hot"})
    assert wrong.error["param"] == "temperature"
    missing = rig.post("/v1/chat/completions", {"messages": []})
    assert missing.error["param"] == "model"


def test_an_unknown_model_is_404(rig: "Rig") -> None:
    reply = rig.chat(model="no-such")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
    assert rig.recorded(reply).end.model == "no-such"


def test_a_model_is_asked_only_what_it_does(rig: "Rig") -> None:
    assert rig.chat(model="vectors").status == 400
    assert rig.post("/v1/embeddings", {"model": "quiet", "input": "x"}).status == 400


def test_other_paths_and_methods_are_told_apart(rig: "Rig") -> None:
    assert rig.ask("GET", "/v1/chat/completions").status == 405
    assert rig.ask("POST", "/v1/models", b"{}").status == 405
    assert rig.post("/v1/audio/speech", {}).error["code"] == "unknown_path"


def test_a_body_over_the_limit_is_413_by_its_length(rig: "Rig") -> None:
    connection = rig.raw(CHAT_HEAD + b"content-length: 300000\r\n\r\n")
    answer = _read_all(connection)
    assert _status(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"
    end = rig.record()[_request_id(answer)].end
    assert (end.status, end.key_id) == (413, "key_test")


def test_a_body_over_the_limit_is_413_even_when_it_never_said_its_length(rig: "Rig") -> None:
    connection = rig.raw(CHAT_HEAD + b"transfer-encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(6):
        connection.sendall(piece)
    assert _status(_read_all(connection)) == 413


def test_trailers_that_do_not_end_are_413_and_short_ones_let_go(rig: "Rig") -> None:
    connection = rig.raw(CHAT_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx-trailer: ")
    with suppress(ConnectionError):
        for _ in range(10):
            connection.sendall(b"a" * 65536)
    assert _status(_read_all(connection)) == 413
    whole = b"%x\r\n%b\r\n0\r\nauthorization: Bearer other\r\n\r\n" % (len(GOOD_BODY), GOOD_BODY)
    head = CHAT_HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert _status(_read_all(rig.raw(head + whole))) == 200


def test_a_chunked_body_is_read_whole(rig: "Rig") -> None:
    connection = rig.raw(CHAT_HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n")
    for at in range(0, len(GOOD_BODY), 7):
        piece = GOOD_BODY[at : at + 7]
        connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    connection.sendall(b"0\r\n\r\n")
    assert _status(_read_all(connection)) == 200


@pytest.mark.parametrize(
    ("sent", "is_call"),
    [
        (CHAT_HEAD + b"content-length: 60\r\n\r\n" + GOOD_BODY[:10], True),
        (CHAT_HEAD + b"x-half: ", True),
        (b"POST /v1/chat/comp", False),
    ],
)
def test_a_slow_sender_is_408(rig: "Rig", sent: bytes, is_call: bool) -> None:  # noqa: FBT001 - a parameter
    answer = _read_all(rig.raw(sent))
    if is_call:
        assert _status(answer) == 408
        end = rig.record()[_request_id(answer)].end
        assert (end.status, end.outcome) == (408, "refused")
    else:
        assert answer == b"" or _status(answer) == 408


def test_a_connection_that_never_sends_is_closed(rig: "Rig") -> None:
    assert _read_all(rig.raw(b"")) == b""


@pytest.mark.parametrize(
    "head",
    [
        CHAT_HEAD + b"x-big: " + b"a" * 20_000 + b"\r\n\r\n",
        CHAT_HEAD + b"".join(b"x-%d: 1\r\n" % number for number in range(100)) + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_absurd_headers_are_431(rig: "Rig", head: bytes) -> None:
    answer = _read_all(rig.raw(head))
    assert _status(answer) == 431
    assert b"headers_too_large" in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        CHAT_HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        CHAT_HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello",
        CHAT_HEAD + b"content-length: -5\r\n\r\nhello",
        CHAT_HEAD + b"bad header\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_are_400(rig: "Rig", sent: bytes) -> None:
    answer = _read_all(rig.raw(sent))
    assert _status(answer) == 400
    assert b"bad_http" in answer


def test_pipelined_requests_are_answered_in_order(rig: "Rig") -> None:
    request = CHAT_HEAD + b"content-length: %d\r\n" % len(GOOD_BODY)
    one = request + b"x-request-id: first\r\n\r\n" + GOOD_BODY
    two = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    three = request + b"x-request-id: third\r\nconnection: close\r\n\r\n" + GOOD_BODY
    answer = _read_all(rig.raw(one + two + three))
    places = [
        answer.index(mark) for mark in (b"x-request-id: first", b'{"status":"live"}', b"x-request-id: third")
    ]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_expect_100_continue_is_answered(rig: "Rig") -> None:
    connection = rig.raw(
        CHAT_HEAD
        + b"connection: close\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(GOOD_BODY)
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
    connection.sendall(GOOD_BODY)
    assert _status(_read_all(connection)) == 200


def test_an_old_client_gets_a_stream_that_ends_with_the_connection(rig: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "x"}, "stop") + b"data: [DONE]\n\n")
        )
        connection.sendall(b"0\r\n\r\n")

    rig.upstream.behave = behave
    body = GOOD_BODY[:-1] + b',"stream":true}'
    answer = _read_all(
        rig.raw(CHAT_HEAD.replace(b"1.1", b"1.0") + b"content-length: %d\r\n\r\n" % len(body) + body)
    )
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert rest.endswith(b"data: [DONE]\n\n")
    assert rest.startswith(b"data: {")


def _session(origin: str | None, host: str = "localhost", **more: str) -> dict[str, str]:
    headers = {"cookie": "a=b; pilothouse_session=phs_session_0123456789", "host": host, **more}
    return {**headers, "origin": origin} if origin is not None else headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (_session("http://localhost"), 200),
        (_session("http://127.0.0.1:8080", "127.0.0.1:8080"), 200),
        (_session(None, **{"sec-fetch-site": "same-origin"}), 200),
        (_session(None), 403),
        (_session("https://elsewhere.example"), 403),
        (_session("null"), 403),
        (_session("http://localhost:9999"), 403),
        (_session("http://evil.example", "evil.example"), 403),
    ],
)
def test_a_session_counts_only_from_our_own_page(rig: "Rig", headers: dict[str, str], status: int) -> None:
    reply = rig.ask("POST", "/v1/chat/completions", GOOD_BODY, headers)
    assert reply.status == status
    assert rig.recorded(reply).end.key_id == ("ses_test" if status == 200 else None)


def test_a_client_that_vanishes_ends_the_upstream_call(rig: "Rig") -> None:
    rig.upstream.behave = lambda connection, _: rig.upstream.hold(connection)
    connection = rig.raw(
        CHAT_HEAD + b"x-request-id: vanished\r\ncontent-length: %d\r\n\r\n" % len(GOOD_BODY) + GOOD_BODY
    )
    rig.until(lambda: rig.upstream.requests)
    connection.close()
    assert rig.upstream.gone.wait(10)
    call = rig.until(lambda: rig.record().get("vanished"))
    assert (call.end.status, call.end.outcome) == (499, "cancelled")


def test_a_client_that_leaves_a_stream_is_on_record_with_what_it_got(rig: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "Hel"})))
        rig.upstream.hold(connection)

    rig.upstream.behave = behave
    body = GOOD_BODY[:-1] + b',"stream":true}'
    connection = rig.raw(CHAT_HEAD + b"x-request-id: left\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    got = b""
    while b"Hel" not in got:
        got += connection.recv(65536)
    started = rig.record()["left"].started
    assert started is not None, "the start is on record before the first byte"
    connection.close()
    assert rig.upstream.gone.wait(10)
    call = rig.until(lambda: (found := rig.record()["left"]).completed and found)
    assert (call.end.status, call.end.outcome, call.end.is_stream) == (200, "cancelled", True)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hel"


def test_a_client_that_reads_slowly_holds_the_upstream_back(rig: "Rig", wire: Any) -> None:
    sent = 0

    def behave(connection: socket.socket, _: bytes) -> None:
        nonlocal sent
        connection.sendall(wire.STREAM_HEAD)
        piece = wire.framed(wire.chunk({"content": "x" * 40_000}))
        for _number in range(1000):
            connection.sendall(piece)
            sent += 1
        connection.sendall(wire.framed(wire.chunk({}, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")

    rig.upstream.behave = behave
    body = GOOD_BODY[:-1] + b',"stream":true}'
    head = CHAT_HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    connection = rig.raw(head + body)
    first = connection.recv(1000)
    seen = -1
    while seen != sent:  # until the upstream cannot send more
        seen = sent
        time.sleep(0.2)
    assert sent < 900
    answer = first + _read_all(connection)
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert answer.count(b'"content"') == 1000

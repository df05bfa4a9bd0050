"""The mock upstream over real sockets: right in every mode, wrong exactly where it is asked to be."""

import base64
import http.client
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import mock_answers
from bench.ask import Client, WrongAnswerError
from bench.measure import first_tokens, set_knobs, wrk
from bench.mock_upstream import Knobs
from bench.peer import Running
from bench.question import FIRST_TOKEN, PLAIN, STREAMS, fault_in

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def mock() -> Iterator[Running]:
    command = [sys.executable, "-m", "bench.mock_upstream", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().decode().rpartition(":")[2])
            yield Running(process=process, port=port)
        finally:
            process.terminate()


def ask(
    mock: Running, path: str, document: object | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Asks on a connection of its own and returns the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=5)
    try:
        method = "GET" if document is None else "POST"
        connection.request(method, path, None if document is None else json.dumps(document), headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def read(mock: Running, path: str, document: object | None = None, **headers: str) -> Any:
    status, body = ask(mock, path, document, headers)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(
    "way", ["", "/with/each=1", "/with/gap_ms=1", "/with/delay_ms=5", "/with/fault=slow,gap_ms=1"]
)
def test_streams_and_plain_answers_are_right_in_every_pace(mock: Running, way: str) -> None:
    path = f"{way}/v1/chat/completions"
    status, plain = ask(mock, path, {"model": "m"})
    assert (status, fault_in(plain, PLAIN[0])) == (200, None)
    status, stream = ask(mock, path, {"model": "m", "stream": True})
    assert (status, fault_in(stream, STREAMS)) == (200, None)


@pytest.mark.parametrize("fault", ["close", "until_close", "drop_idle"])
def test_answers_are_right_however_the_connection_ends(mock: Running, fault: str) -> None:
    path = f"/with/fault={fault}/v1/chat/completions"
    assert fault_in(ask(mock, path, {})[1], PLAIN[0]) is None
    assert fault_in(ask(mock, path, {"stream": True})[1], STREAMS) is None


@pytest.mark.parametrize("fault", ["cut", "reset", "reset_mid", "garbage"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_broken_answer_is_an_error_on_the_wire(mock: Running, fault: str, is_stream: bool) -> None:  # noqa: FBT001 - a parameter
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(mock, f"/with/fault={fault}/v1/chat/completions", {"stream": is_stream})


@pytest.mark.parametrize("fault", ["hang", "hang_mid"])
def test_a_hanging_answer_never_ends(mock: Running, fault: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=0.3)
    try:
        connection.request("POST", f"/with/fault={fault}/v1/chat/completions", b"{}")
        with pytest.raises(TimeoutError):
            connection.getresponse().read()
    finally:
        connection.close()


def test_a_client_that_hangs_up_midway_is_counted(mock: Running) -> None:
    with socket.create_connection(("127.0.0.1", mock.port), timeout=5) as client:
        body = b'{"stream": true}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nx-mock: gap_ms=1000\r\ncontent-length: %d\r\n\r\n"
        client.sendall(head % len(body) + body)
        assert client.recv(20).startswith(b"HTTP/1.1 200")
    seen = 0
    while not seen:
        seen = read(mock, "/stats")["hung_up_midway"]
    assert seen == 1


def test_an_error_status_has_openais_shape(mock: Running) -> None:
    status, body = ask(mock, "/with/status=429/v1/chat/completions", {})
    assert status == 429
    assert json.loads(body)["error"]["code"] == "mock_fault"


def test_a_body_that_is_not_json_is_refused(mock: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=5)
    connection.request("POST", "/v1/chat/completions", b'{"model": ')
    assert connection.getresponse().status == 400
    connection.close()


def test_embeddings_come_one_for_each_input(mock: Running) -> None:
    answer = read(mock, "/with/dims=4/v1/embeddings", {"input": ["a", "b"], "model": "m"})
    assert [len(row["embedding"]) for row in answer["data"]] == [4, 4]
    packed = read(mock, "/with/dims=4/v1/embeddings", {"input": "a", "encoding_format": "base64"})
    vector = struct.unpack("<4f", base64.b64decode(packed["data"][0]["embedding"]))
    assert vector == pytest.approx(answer["data"][0]["embedding"])


def test_the_other_paths_answer(mock: Running) -> None:
    assert read(mock, "/v1/models")["data"][0]["id"] == "mock-model"
    assert read(mock, "/health") == {"status": "ok"}
    assert read(mock, "/v1/completions", {"model": "m"})["choices"][0]["text"] == mock_answers.text(20)
    assert ask(mock, "/v1/nothing", {})[0] == 404


def test_everybodys_knobs_can_be_set(mock: Running) -> None:
    set_knobs(mock.port, Knobs(tokens=2))
    answer = read(mock, "/v1/chat/completions", {})
    assert answer["choices"][0]["message"]["content"] == mock_answers.text(2)


def test_our_client_takes_times_of_right_answers_only(mock: Running) -> None:
    client = Client(mock, PLAIN[0])
    times = client.ask()
    assert 0 < times.first_token_us <= times.whole_us
    set_knobs(mock.port, Knobs(tokens=2))
    with pytest.raises(WrongAnswerError, match="wrong text"):
        client.ask()
    client.close()


def test_first_tokens_are_timed_and_faults_counted(mock: Running) -> None:
    set_knobs(mock.port, FIRST_TOKEN.knobs)
    taken = first_tokens(mock, FIRST_TOKEN, 1)
    assert taken.wrong == 0
    assert taken.requests > 10
    set_knobs(mock.port, Knobs(status=500))
    assert first_tokens(mock, FIRST_TOKEN, 1).wrong == 10


@pytest.mark.parametrize("scenario", [PLAIN[1], STREAMS])
def test_wrk_checks_every_answer(mock: Running, require: Callable[[str], str], scenario: Any) -> None:
    require("wrk")
    taken = wrk(mock, scenario, 1, 0)
    assert taken.requests > 100
    assert (taken.wrong, taken.socket_errors, taken.timeouts) == (0, 0, 0)
    set_knobs(mock.port, Knobs(tokens=19))
    taken = wrk(mock, scenario, 1, 0)
    assert taken.wrong == taken.requests > 0
    assert taken.example.startswith("200 ")

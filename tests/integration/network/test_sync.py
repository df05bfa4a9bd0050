"""The synchronous way out, against small servers on loopback and on a Unix socket."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilothouse.contracts.errors import InvalidRequestError, UpstreamError, UpstreamTimeoutError
from pilothouse.network.sync import request, stream, stream_to_file

Answer = Callable[[bytes], bytes]

PAYLOAD = bytes(range(256)) * 400


class Server:
    """Answers each connection once with what `answer` makes of the request's bytes."""

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        self.listener = listener
        self.answer = answer
        self.heard: list[bytes] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                data = b""
                while b"\r\n\r\n" not in data:
                    piece = peer.recv(65536)
                    if not piece:
                        break
                    data += piece
                self.heard.append(data)
                try:
                    peer.sendall(self.answer(data))
                except OSError:
                    continue

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Answer, path: str | None = None) -> Server:
        if path is None:
            listener = socket.create_server(("127.0.0.1", 0))
        else:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
            listener.listen()
        servers.append(Server(listener, answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def plain(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


def ranged(data: bytes) -> bytes:
    """A file server that knows byte ranges."""
    for line in data.split(b"\r\n"):
        if line.lower().startswith(b"range: bytes="):
            start = int(line.split(b"=")[1].rstrip(b"-"))
            if start >= len(PAYLOAD):
                return plain(b"", "416 No", f"content-range: bytes */{len(PAYLOAD)}\r\n")
            span = f"content-range: bytes {start}-{len(PAYLOAD) - 1}/{len(PAYLOAD)}\r\n"
            return plain(PAYLOAD[start:], "206 Partial Content", span)
    return plain(PAYLOAD)


def test_an_answer_comes_whole_with_its_headers_in_lower_case(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: plain(b"hello", extra="X-Thing: 1\r\n"))
    answer = request("POST", f"http://127.0.0.1:{server.port}/a?b=c", body=b"{}")
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"hello", "1")
    assert server.heard[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")


def test_a_unix_socket_is_asked_by_its_path(serve: Callable[..., Server], tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    server = serve(lambda _: plain(b"local"), path)
    assert request("GET", f"unix:{path}:/status?x=1").body == b"local"
    assert server.heard[0].startswith(b"GET /status?x=1 ")


def test_lines_come_out_of_a_chunked_stream(serve: Callable[..., Server]) -> None:
    body = b"5\r\na\nb\r\n\r\n3\r\nc\nd\r\n0\r\n\r\n"
    server = serve(lambda _: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    with stream("GET", f"http://127.0.0.1:{server.port}/", idle_timeout_s=5) as answer:
        assert list(answer.lines()) == ["a", "b", "c", "d"]


def test_a_body_that_is_cut_is_an_error(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
    with pytest.raises(UpstreamError, match="cut after 3 of 10"):
        request("GET", f"http://127.0.0.1:{server.port}/")


def test_garbage_and_refusal_are_errors(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: b"SSH-2.0-nonsense\r\n\r\n")
    with pytest.raises(UpstreamError, match="cannot be read"):
        request("GET", f"http://127.0.0.1:{server.port}/")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UpstreamError, match="cannot be read"):
        request("GET", f"http://127.0.0.1:{port}/")


def test_silence_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(UpstreamTimeoutError):
        request("GET", f"http://127.0.0.1:{mute.getsockname()[1]}/", timeout_s=0.05)


def test_redirects_are_followed_and_credentials_stay_at_home(serve: Callable[..., Server]) -> None:
    away = serve(lambda _: plain(b"there"))
    place = f"location: http://localhost:{away.port}/x\r\n"
    home = serve(lambda _: plain(b"", "302 Found", place))
    url = f"http://user:word@127.0.0.1:{home.port}/"
    answer = request("GET", url, headers={"Cookie": "c=1"})
    assert answer.body == b"there"
    assert b"authorization: Basic" in home.heard[0]
    assert b"authorization" not in away.heard[0].lower()
    assert b"cookie" not in away.heard[0].lower()


def test_endless_redirects_end(serve: Callable[..., Server]) -> None:
    server = serve(lambda _: plain(b"", "302 Found", "location: /again\r\n"))
    with pytest.raises(UpstreamError, match="redirects"):
        request("GET", f"http://127.0.0.1:{server.port}/", max_redirects=3)
    assert len(server.heard) == 4


@pytest.mark.parametrize("url", ["ftp://x/y", "unix:relative:/x", "unix:/only/a/path", "nonsense"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        request("GET", url)


def test_a_download_reports_its_progress(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(ranged)
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "f"
    url = f"http://127.0.0.1:{server.port}/f"
    size = stream_to_file(url, str(target), progress=lambda done, total: seen.append((done, total)))
    assert (size, target.read_bytes()) == (len(PAYLOAD), PAYLOAD)
    assert seen[0] == (0, len(PAYLOAD))
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))


def test_a_broken_download_continues_where_it_stopped(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(lambda data: plain(PAYLOAD)[:50_000] if b"range" not in data.lower() else ranged(data))
    target = tmp_path / "f"
    url = f"http://127.0.0.1:{server.port}/f"
    with pytest.raises(UpstreamError, match="cut"):
        stream_to_file(url, str(target))
    held = target.stat().st_size
    assert 0 < held < len(PAYLOAD)
    stream_to_file(url, str(target))
    assert target.read_bytes() == PAYLOAD
    assert f"range: bytes={held}-".encode() in server.heard[1]


def test_a_whole_file_is_not_asked_for_twice(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(ranged)
    target = tmp_path / "f"
    target.write_bytes(PAYLOAD)
    assert stream_to_file(f"http://127.0.0.1:{server.port}/f", str(target)) == len(PAYLOAD)
    assert target.read_bytes() == PAYLOAD


def test_a_server_without_ranges_starts_over(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(lambda _: plain(PAYLOAD))
    target = tmp_path / "f"
    target.write_bytes(b"wrong" * 10)
    stream_to_file(f"http://127.0.0.1:{server.port}/f", str(target))
    assert target.read_bytes() == PAYLOAD


def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    import ssl
    import subprocess

    key, cert = tmp_path / "k.pem", tmp_path / "c.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    try:
        with pytest.raises(UpstreamError, match="not trusted"):
            request("GET", f"https://127.0.0.1:{server.server_port}/")
    finally:
        thread.join()
        server.server_close()

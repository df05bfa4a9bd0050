"""A gateway worker as a real process, in front of an upstream whose every answer a test scripts in bytes."""

import hmac
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pilothouse.contracts.events import Content, RequestCompleted, RequestStarted
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import (
    SIGNATURE_CONTEXT,
    Deployment,
    KeyRecord,
    ModelRoute,
    Price,
    Provider,
    RecordPolicy,
    SignedSnapshot,
    Snapshot,
)
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.segments import decode_frame, first_offset, list_segments, read_chunk

KEY = "ph_test_0123456789"
OTHER_KEY = "ph_other_0123456789"
SESSION = "phs_session_0123456789"
PROVIDER_SECRET = "sk-provider-secret-1234"
WAIT_S = 15.0

Behave = Callable[[socket.socket, bytes], None]


def answer_json(connection: socket.socket, body: bytes, status: str = "200 OK", extra: str = "") -> None:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    )
    connection.sendall(head.encode() + body)


CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "upstream-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 40},
    },
}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "upstream-model"}
    return b"data: " + json.dumps({**document, "choices": [choice], **more}).encode() + b"\n\n"


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def read_request(connection: socket.socket) -> bytes:
    """Reads one whole request with a length, or as much of it as came."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


class Upstream:
    """A server that does to each request what `behave` says."""

    def __init__(self, path: str | None = None) -> None:
        self.behave: Behave = lambda connection, _: answer_json(connection, json.dumps(CHAT).encode())
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self.gone = threading.Event()
        """Set when a connection was closed by the gateway while `hold` waited on it."""
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0) if path is None else path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def hold(self, connection: socket.socket) -> None:
        """Waits until the gateway closes the connection."""
        connection.settimeout(WAIT_S)
        with suppress(OSError):
            if connection.recv(1) == b"":
                self.gone.set()
            return
        self.gone.set()

    def body(self, number: int = -1) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.requests[number].partition(b"\r\n\r\n")[2])
        return decoded

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                request = read_request(connection)
                if not request:
                    return
                self.requests.append(request)
                self.behave(connection, request)


@dataclass
class Recorded:
    """One call as the journal holds it."""

    started: RequestStarted | None = None
    completed: list[RequestCompleted] = field(default_factory=list)
    request: bytes | None = None
    response: bytes | None = None

    @property
    def end(self) -> RequestCompleted:
        assert len(self.completed) == 1
        return self.completed[0]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code", "hint"}
        assert error["hint"]
        return error


class Rig:
    """A home, a worker process, an upstream, and a client."""

    def __init__(self, root: Path, upstream: Upstream) -> None:
        self.home = Home(str(root))
        self.upstream = upstream
        for folder in (self.home.keys, self.home.run, self.home.logs, str(Path(self.home.snapshot).parent)):
            Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(self.home.pepper).write_bytes(secrets.token_bytes(32))
        Path(self.home.master_key).write_bytes(secrets.token_bytes(32))
        self.signing_key = Ed25519PrivateKey.generate()
        Path(self.home.verifying_key).write_bytes(self.signing_key.public_key().public_bytes_raw())
        self.revision = 0
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.process_settings: dict[str, Any] = {}
        """More of what the worker process is handed."""
        self._raw: list[socket.socket] = []

    # -- the snapshot

    def key(self, text: str, name: str, **more: Any) -> KeyRecord:
        digest = hmac.digest(Path(self.home.pepper).read_bytes(), text.encode(), "sha256")
        return KeyRecord(id=name, digest=digest, **more)

    def snapshot(self, **changes: Any) -> Snapshot:
        self.revision += 1
        engine = f"unix:{self.home.run}/engine.sock:/v1"
        price = Price(input_usd=1.0, output_usd=2.0, cached_input_usd=0.5)
        plain = {
            "version": 1,
            "revision": self.revision,
            "created_at_ms": 0,
            "keys": (
                self.key(KEY, "key_test", team="red"),
                self.key(OTHER_KEY, "key_other", models=("other",)),
                self.key(SESSION, "ses_test", kind="session"),
                self.key("ph_viewer", "key_viewer", role="viewer"),
                self.key("ph_expired", "key_expired", expires_at_s=1),
                self.key("ph_silent", "key_silent", record=RecordPolicy(content="none")),
                self.key("ph_sure", "key_sure", record=RecordPolicy(confidence="on")),
            ),
            "models": (
                ModelRoute(
                    name="assistant",
                    kind="chat",
                    record=RecordPolicy(confidence="on"),
                    deployments=(
                        Deployment(
                            id="assistant/0", provider="vendor", upstream_model="upstream-model", price=price
                        ),
                    ),
                ),
                ModelRoute(
                    name="quiet",
                    kind="chat",
                    deployments=(
                        Deployment(
                            id="quiet/0", provider="vendor", upstream_model="upstream-model", price=price
                        ),
                    ),
                ),
                ModelRoute(
                    name="local",
                    kind="chat",
                    deployments=(Deployment(id="local/0", provider="engine", upstream_model="local"),),
                ),
                ModelRoute(
                    name="spread",
                    kind="chat",
                    deployments=(
                        Deployment(id="spread/dead", provider="dead", upstream_model="upstream-model"),
                        Deployment(
                            id="spread/0", provider="vendor", upstream_model="upstream-model", weight=1
                        ),
                    ),
                ),
                ModelRoute(
                    name="rescued",
                    kind="chat",
                    deployments=(
                        Deployment(
                            id="rescued/fallback", provider="vendor", upstream_model="other", weight=0
                        ),
                        Deployment(id="rescued/dead", provider="dead", upstream_model="upstream-model"),
                    ),
                ),
                ModelRoute(
                    name="vectors",
                    kind="embedding",
                    deployments=(Deployment(id="vectors/0", provider="vendor", upstream_model="vectors"),),
                ),
            ),
            "providers": (
                Provider(name="vendor", base_url=self.upstream.url, secret="vendor-key"),
                Provider(name="engine", base_url=engine),
                Provider(name="dead", base_url=f"http://127.0.0.1:{_closed_port()}/v1"),
            ),
            "wildcard_providers": ("vendor",),
            "prices": {"vendor/any/model": price},
        }
        return Snapshot(**{**plain, **changes})

    def publish(self, snapshot: Snapshot, *, key: Ed25519PrivateKey | None = None) -> None:
        payload = msgspec.msgpack.encode(snapshot)
        signature = (key or self.signing_key).sign(SIGNATURE_CONTEXT + payload)
        self.write_snapshot(msgspec.msgpack.encode(SignedSnapshot(payload=payload, signature=signature)))

    def write_snapshot(self, data: bytes) -> None:
        fresh = Path(self.home.snapshot + ".new")
        fresh.write_bytes(data)
        fresh.rename(self.home.snapshot)

    # -- the process

    def start(self, *, workers: int = 1, **settings: Any) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(256)
            self.port = listener.getsockname()[1]
            listener.set_inheritable(True)
            document = {
                "home": self.home.root,
                "worker": "0",
                "version": "9.9.9",
                "listen_fd": listener.fileno(),
                "secrets": {"vendor-key": PROVIDER_SECRET},
                "settings": settings,
                "journal": {"segment_bytes": 4 << 20, "quota_bytes": 64 << 20, "reserve_bytes": 0},
                **self.process_settings,
            }
            self.processes = [
                self._spawn({**document, "worker": str(number)}, listener) for number in range(workers)
            ]
        self.process = self.processes[0]
        sockets = [self.home.gateway_status_socket(str(number)) for number in range(workers)]
        self.until(lambda: all(_listens(path) for path in sockets))

    def _spawn(self, document: dict[str, Any], listener: socket.socket) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pilothouse.gateway"],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(document).encode())
        process.stdin.close()
        return process

    def stop(self) -> int:
        for process in self.processes:
            process.terminate()
        return max(process.wait(WAIT_S) for process in self.processes)

    # -- asking

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            )
        finally:
            connection.close()

    def post(self, path: str, document: Any, *, key: str | None = KEY, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.ask("POST", path, body, sent)

    def chat(self, *, model: str = "quiet", key: str | None = KEY, **more: Any) -> Reply:
        messages = [{"role": "user", "content": "Say hello."}]
        return self.post("/v1/chat/completions", {"model": model, "messages": messages, **more}, key=key)

    def raw(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
        self._raw.append(connection)
        connection.sendall(data)
        return connection

    def close_raw(self) -> None:
        """Closes the sockets that a test left open."""
        while self._raw:
            self._raw.pop().close()

    def status(self, worker: int = 0) -> dict[str, Any]:
        """Returns a worker's live gauges."""
        return self._status("/status", worker)

    def usage(self) -> list[dict[str, Any]]:
        """Returns how much of each limit is used."""
        limits: list[dict[str, Any]] = self._status("/usage").get("limits", [])
        return limits

    def _status(self, path: str, worker: int = 0) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.home.gateway_status_socket(str(worker)))
            connection.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        gauges: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return gauges

    # -- the record

    def record(self) -> dict[str, Recorded]:
        """Returns all calls by their request id."""
        keyring = Keyring(self.home.keyring, self.home.master_key)
        calls: dict[str, Recorded] = {}
        for name in list_segments(self.home.journal):
            path = f"{self.home.journal}/{name}"
            for raw in read_chunk(path, first_offset(path), most_bytes=64 << 20).frames:
                frame = decode_frame(raw.payload)
                if not isinstance(frame.event, RequestStarted | RequestCompleted):
                    continue
                call = calls.setdefault(frame.event.request_id, Recorded())
                if isinstance(frame.event, RequestStarted):
                    call.started = frame.event
                else:
                    call.completed.append(frame.event)
                if frame.sealed is not None:
                    secret = keyring.find(frame.subject)
                    assert secret is not None
                    content: Content = unseal(secret, frame.event.call_id, frame.sealed)
                    call.request = content.request or call.request
                    call.response = content.response or call.response
        return calls

    def recorded(self, reply: Reply) -> Recorded:
        """Returns the call that `reply` answers; it must be there already."""
        return self.record()[reply.headers["x-request-id"]]

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Waits for something another process is about to do."""
        end = time.monotonic() + WAIT_S
        while True:
            found = is_so()
            if found:
                return found
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


FAST: dict[str, Any] = {
    "deadlines": {
        "head_s": 0.5,
        "body_s": 0.5,
        "keep_alive_s": 30,
        "first_byte_s": 1.0,
        "idle_s": 0.5,
        "engine_start_s": 2.0,
        "drain_s": 3.0,
    },
    "limits": {"body_bytes": 200_000, "head_bytes": 8_192, "headers": 50, "event_bytes": 50_000},
}

PATIENT: dict[str, Any] = {"deadlines": {"drain_s": 3.0}, "limits": FAST["limits"]}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One worker for all tests of a module."""
    upstream = Upstream()
    rig = Rig(tmp_path_factory.mktemp("h"), upstream)
    rig.publish(rig.snapshot())
    rig.start(**FAST)
    yield rig
    assert rig.stop() == 0
    upstream.close()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One worker for all tests of a module, with deadlines so long that nothing ends by them."""
    upstream = Upstream()
    rig = Rig(tmp_path_factory.mktemp("h"), upstream)
    rig.publish(rig.snapshot())
    rig.start(**{**PATIENT, "limits": {}})
    yield rig
    rig.close_raw()
    assert rig.stop() == 0
    upstream.close()


@pytest.fixture(scope="module")
def start_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Rig]]:
    """Gives `start_rig(handed, **settings)`: another home with a worker that is handed more than usual.

    Its deadlines are a user's: what loads it here must not be cut off because the machine is busy.
    """
    rigs: list[Rig] = []

    def start(handed: dict[str, Any] | None = None, *, workers: int = 1, **settings: Any) -> Rig:
        rig = Rig(tmp_path_factory.mktemp("h"), Upstream())
        rigs.append(rig)
        rig.process_settings = handed or {}
        rig.publish(rig.snapshot())
        rig.start(workers=workers, **{**PATIENT, **settings})
        return rig

    yield start
    for rig in rigs:
        rig.close_raw()
        for process in rig.processes:
            process.terminate()
            process.wait(WAIT_S)
        rig.upstream.close()


@pytest.fixture
def rig(worker: Rig) -> Iterator[Rig]:
    """The worker, with an upstream that answers well until a test says otherwise."""
    usual = worker.upstream.behave
    worker.upstream.gone.clear()
    worker.upstream.requests.clear()
    yield worker
    worker.close_raw()
    worker.upstream.behave = usual
    assert worker.process is not None
    assert worker.process.poll() is None


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Rig]:
    """A home and an upstream, with no worker started."""
    upstream = Upstream()
    rig = Rig(tmp_path, upstream)
    yield rig
    rig.close_raw()
    if rig.process is not None and rig.process.poll() is None:
        rig.process.kill()
        rig.process.wait()
    upstream.close()


@pytest.fixture
def wire() -> SimpleNamespace:
    """The bytes that upstreams are scripted with."""
    return SimpleNamespace(
        CHAT=CHAT, STREAM_HEAD=STREAM_HEAD, answer_json=answer_json, chunk=chunk, framed=framed
    )

"""A real control process in a home of its own, and a journal that a gateway might have written.

Refuses to know what a test checks. Invariant: what was started here has ended when the tests have.
"""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import SignedSnapshot, Snapshot
from pilothouse.control.settings import ControlSettings
from pilothouse.rollout.settings import RolloutSettings
from pilothouse.supervise.home import prepare
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

ROOT_KEY = "root-key-of-the-control-tests"
START_WITHIN_S = 60.0
ROLLOUT: dict[str, Any] = {
    "models": {
        "assistant": {"deployments": [{"provider": "openai", "model": "gpt-4o-mini", "weight": 3}]},
        "own": {"deployments": [{"provider": "mine"}]},
    },
    "providers": {"mine": {"base_url": "http://127.0.0.1:9/v1", "wildcard": False}},
}
HOST = "127.0.0.1:8080"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape; fails when it is of another."""
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code", "hint"}
        assert error["message"]
        return error


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket that follows no redirect."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


@dataclass
class Control:
    """A running control process."""

    home: Home
    process: subprocess.Popen[bytes]
    journal: Journal
    root_key: str = ROOT_KEY
    seen: list[bytes] = field(default_factory=list)
    """Every body and header that was answered."""

    def ask(
        self, method: str, path: str, body: object = None, *, door: str | None = None, **headers: str
    ) -> Answer:
        """Asks over the socket that the gateway uses, with the headers given."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent = {"content-type": "application/json", **sent}
        connection = UnixConnection(door or self.home.control_socket)
        with closing(connection):
            connection.request(method, path, body=data, headers={"host": HOST, **sent})
            response = connection.getresponse()
            body_read = response.read()
        self.seen += [body_read, repr(response.getheaders()).encode()]
        return Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, body_read
        )

    def local(self, method: str, path: str, body: object = None) -> Answer:
        """Asks over the admin socket."""
        return self.ask(method, path, body, door=self.home.admin_socket)

    def root(self, method: str, path: str, body: object = None) -> Answer:
        """Asks with the root key."""
        return self.ask(method, path, body, authorization=f"Bearer {ROOT_KEY}")

    def new_key(self, **wanted: Any) -> dict[str, Any]:
        """Makes a key and returns it with its text."""
        made = self.local("POST", "/api/v1/keys", {"name": "a key", **wanted})
        assert made.status == 200, made.body
        key: dict[str, Any] = made.json
        return key

    def snapshot(self) -> Snapshot:
        """Reads what is published."""
        signed = msgspec.msgpack.decode(Path(self.home.snapshot).read_bytes(), type=SignedSnapshot)
        return msgspec.msgpack.decode(signed.payload, type=Snapshot)

    def record(self, call_id: str, content: Content | None = None, **fields: Any) -> RequestCompleted:
        """Puts a call into the journal as a gateway does."""
        known: dict[str, Any] = {
            "call_id": call_id, "request_id": f"req-{call_id}", "at_ns": time.time_ns(), "operation": "chat",
            "status": 200, "outcome": "completed", "model": "assistant", "provider": "openai",
            "deployment": "assistant/openai-0", "subject": "s1", "duration_ms": 12.0, "output_tokens": 5,
        }  # fmt: skip
        event = RequestCompleted(**known | fields)
        self.journal.append(event, content)
        return event

    def wait(self, is_true: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        """Waits until something holds."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            assert self.process.poll() is None, self.log()
            if is_true():
                return
            time.sleep(0.02)
        pytest.fail(f"{what} did not happen within {within_s} s: {self.log()}")

    def log(self) -> str:
        """Returns what the process logged."""
        return Path(self.home.logs, "control.log").read_text()


Start = Callable[..., Control]


@pytest.fixture(scope="session")
def start_control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Gives `start_control(home=None, **settings)`, which starts a process and waits until it answers."""
    running: list[Control] = []

    def start(home: Home | None = None, **settings: Any) -> Control:
        used = home or Home(str(tmp_path_factory.mktemp("home") / "h"))
        prepare(used)
        keyring = Keyring(used.keyring, used.master_key)
        small = JournalSettings(segment_bytes=1 << 20, quota_bytes=1 << 24, reserve_bytes=0)
        journal = Journal.open(used.journal, writer="0", keyring=keyring, settings=small)
        chosen: dict[str, Any] = {
            "home": used.root,
            "rollout": msgspec.convert(ROLLOUT, RolloutSettings),
            "secrets": ("OPENAI_API_KEY",),
            "root_key": ROOT_KEY,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "pilothouse.control"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        control = Control(used, process, journal)
        running.append(control)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(ControlSettings(**chosen | settings)))
        process.stdin.close()
        control.wait(lambda: _answers(control), "the start", START_WITHIN_S)
        return control

    yield start
    for control in running:
        control.journal.close()
        control.process.terminate()
    for control in running:
        control.process.wait(20)
        assert control.process.stderr is not None
        control.process.stderr.close()


@pytest.fixture(scope="session")
def control(start_control: Start) -> Control:
    """One process that the tests share; each makes what it needs."""
    return start_control()


def _answers(control: Control) -> bool:
    try:
        return control.local("GET", "/api/v1/session").status == 200
    except (OSError, http.client.HTTPException):
        return False

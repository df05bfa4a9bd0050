"""A whole Pilothouse for the journeys: `pilothouse up` in a home of its own, and outside clients.

Refuses to know what a journey checks. Invariant: what was started here has ended when the test has.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.contracts.status import SupervisorStatus
from pilothouse.network import sync

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # `bench`, which is not part of the installed package
CACHE = Path(os.environ.get("PILOTHOUSE_TEST_CACHE", "~/.cache/pilothouse-tests")).expanduser()
START_WITHIN_S = 180.0
KEY = "root-key-of-the-journeys"


@dataclass
class Up:
    """A running `pilothouse up`."""

    home: Home
    process: subprocess.Popen[str]
    key: str = KEY
    printed: list[str] = field(default_factory=list)

    @property
    def status(self) -> SupervisorStatus:
        """The supervisor's live status."""
        answer = sync.request("GET", f"unix:{self.home.supervisor_status_socket}:/status")
        return msgspec.json.decode(answer.body, type=SupervisorStatus)

    @property
    def base_url(self) -> str:
        """Where clients reach it."""
        return self.status.address

    def get(self, path: str, **headers: str) -> sync.Response:
        """Sends a GET with the root key."""
        return sync.request(
            "GET", self.base_url + path, headers={"authorization": f"Bearer {self.key}", **headers}
        )

    def post(self, path: str, body: object, **headers: str) -> sync.Response:
        """Sends a POST of JSON with the root key."""
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        return sync.request(
            "POST", self.base_url + path, headers=sent, body=msgspec.json.encode(body), timeout_s=120
        )

    def wait(self, true: Callable[[], bool], what: str, within_s: float = START_WITHIN_S) -> None:
        """Waits until `true()` holds; fails when `up` ends before, or it takes too long."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            assert self.process.poll() is None, f"up has ended ({self.process.returncode}): {self.output()}"
            try:
                if true():
                    return
            except (OSError, PilothouseError):
                pass
            time.sleep(0.1)
        pytest.fail(f"{what} did not happen within {within_s} s: {self.output()}")

    def wait_ready(self) -> None:
        """Waits until the gateway, control and each engine are ready."""

        def is_ready() -> bool:
            status = self.status
            states = [part.state for part in status.processes] + [part.state for part in status.engines]
            return status.snapshot_revision > 0 and set(states) == {"ready"}

        self.wait(is_ready, "readiness")

    def output(self) -> str:
        """Returns what `up` and its children printed."""
        logs = sorted(Path(self.home.logs).glob("*.out"))
        texts = [f"{log.name}: {log.read_text(errors='replace')[-2000:]}" for log in logs]
        return "\n".join([Path(self.home.root, "up.out").read_text(errors="replace"), *texts])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it and returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def starting(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Gives `start(configuration="", **variables)`, which runs `pilothouse up` on a free port."""
    running: list[Up] = []

    def start(configuration: str = "", *, folder: str = "home", **variables: str) -> Up:
        home = Home(str(tmp_path / folder))
        Path(home.root).mkdir(mode=0o700, exist_ok=True)
        if (CACHE / "artefacts").exists() and not Path(home.artefacts).exists():
            shutil.copytree(CACHE / "artefacts", home.artefacts, copy_function=os.link)
        file = tmp_path / f"{folder}.yaml"
        file.write_text(configuration, encoding="utf-8")
        environment = _environment({"PILOTHOUSE_ROOT_KEY": KEY, "PILOTHOUSE_PORT": "0", **variables})
        command = [sys.executable, "-m", "pilothouse", "up", "--home", home.root, "--config", str(file)]
        with Path(home.root, "up.out").open("w") as out:
            process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=out, text=True, cwd=tmp_path
            )
        running.append(Up(home, process))
        return running[-1]

    try:
        yield start
    finally:
        for up in running:
            if up.process.poll() is None:
                up.process.kill()
                up.process.wait(30)
            _keep_artefacts(up.home)


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Gives `start_up(configuration="", **variables)`, for one test."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Up]]:
    """Gives the same for all tests of a file."""
    with starting(tmp_path_factory.mktemp("shared")) as start:
        yield start


@pytest.fixture
def up(start_up: Callable[..., Up]) -> Up:
    """Gives a ready Pilothouse with the bundled models."""
    started = start_up()
    started.wait_ready()
    return started


@pytest.fixture(scope="module")
def vendors() -> Iterator[int]:
    """Gives the port of two strict scripted vendors, one for each protocol."""
    command = [sys.executable, str(ROOT / "tests/clients/scripted_upstream.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()  # it ends with its input
        process.wait(10)


@pytest.fixture(scope="session")
def outside() -> Callable[[str], str]:
    """Gives `outside("openai")`: the Python of an environment with just that client, made once."""

    def python_of(client: str) -> str:
        wanted = ROOT / "tests" / "clients" / client / "requirements.txt"
        digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
        folder = ROOT / ".envs" / "clients" / f"{client}-{digest}"
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
            (folder / "complete").touch()
        return str(python)

    return python_of


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"PILOTHOUSE_|PYTHONDONTWRITEBYTECODE|.*_API_KEY$", name)
    }
    return {**kept, **variables}


def _keep_artefacts(home: Home) -> None:
    """Keeps pulled weights for the next test, so that they are pulled once a machine."""
    if (
        Path(home.artefacts).exists()
        and any(Path(home.artefacts).iterdir())
        and not (CACHE / "artefacts").exists()
    ):
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.copytree(home.artefacts, CACHE / "artefacts", copy_function=os.link, dirs_exist_ok=True)


def fetch(url: str) -> bytes:
    """Returns the body of a URL, as a person's browser would get it."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())

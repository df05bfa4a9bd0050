"""What the traffic benches stand on: mock upstreams that can be ended and begun again, and a Pilothouse.

Refuses to know what is measured. Invariant: everything begun here has ended when its `with` block has.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench import processes, question
from bench.ask import wait_until_right
from bench.measure import set_knobs
from bench.mock_upstream import Knobs, Stats
from bench.peer import Place, Running
from bench.peers.pilothouse import Pilothouse

ROOT = Path(__file__).resolve().parents[1]
GATEWAY_CORE, LOAD_CORE = 0, 1
STARTED_WITHIN_S = 120.0


class Mock:
    """A mock upstream of its own process, which keeps its port when it is begun again."""

    def __init__(self) -> None:
        self.port = 0
        self._knobs = Knobs()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    def begin(self) -> None:
        """Starts it, with the knobs it had."""
        core = min(LOAD_CORE, (os.cpu_count() or 1) - 1)
        command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.mock_upstream"]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().decode().rpartition(":")[2])
        set_knobs(self.port, self._knobs)

    def end(self) -> None:
        """Ends it: connections to it are refused from now on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def turn(self, knobs: Knobs) -> None:
        """Sets how it answers from now on."""
        self._knobs = knobs
        if self._process is not None:
            set_knobs(self.port, knobs)

    def stats(self) -> Stats:
        """Returns what it has seen, this question included."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/stats")
            return msgspec.convert(json.loads(connection.getresponse().read()), Stats)


@contextlib.contextmanager
def mocks(count: int = 1) -> Iterator[list[Mock]]:
    """Runs mock upstreams on the load's core."""
    begun = [Mock() for _ in range(count)]
    try:
        for one in begun:
            one.begin()
        yield begun
    finally:
        for one in begun:
            one.end()


class Configured(Pilothouse):
    """`pilothouse up` with a configuration of the bench's own."""

    def __init__(self, configuration: str, variables: dict[str, str], *key_limits: str, key: str) -> None:
        self.configuration = configuration
        self.variables = variables
        self.key_limits = key_limits
        self.key = key


@contextlib.contextmanager
def pilothouse(
    configuration: str, *key_limits: str, home: Path | None = None, key: str = "", **variables: str
) -> Iterator[tuple[Running, Path]]:
    """Runs `pilothouse up`, pinned as the peers are; gives it, with a member's key, and its home.

    Args:
        configuration: the file's text.
        key_limits: flags of `keys create` for the key that is made.
        home: a home to begin with a copy of.
        key: a key that this home knows; then none is made.
        variables: further environment variables.
    """
    peer = Configured(configuration, variables, *key_limits, key=key)
    environment = ROOT / ".envs/bench/pilothouse"
    peer.install(environment)
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as scratch:
        if home is not None:
            shutil.copytree(home, Path(scratch) / "home", ignore=shutil.ignore_patterns("*.sock"))
        place = Place(
            upstream_port=0,
            environment=environment,
            scratch=Path(scratch),
            gateway_core=GATEWAY_CORE,
            load_core=LOAD_CORE,
        )
        running = peer.start(place)
        try:
            wait_until_right(running, question.PLAIN[0], within_s=STARTED_WITHIN_S)
            assert running.settle is not None
            running.settle()
            processes.send(running.set_aside, signal.SIGSTOP)  # the projector is measured elsewhere
            yield running, Path(scratch) / "home"
        finally:
            running.stop()


def gateways(running: Running) -> list[int]:
    """Returns the gateway workers of a Pilothouse."""
    return [one for one in running.counted() if "pilothouse.gateway" in processes.command(one)]


@contextlib.contextmanager
def on_load_core() -> Iterator[None]:
    """Keeps this process, which asks, off the gateway's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

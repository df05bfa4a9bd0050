"""What the bench knows of a gateway under test: how to install, start, address and stop it.

Refuses to know what is measured. Invariant: a peer lives in a process group of its own, pinned to the
gateway's core, and nothing of it is left after `stop`.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from bench import interpreter, processes


class PeerUnavailableError(Exception):
    """This peer cannot be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a peer is started."""

    upstream_port: int
    """The mock, on 127.0.0.1."""
    environment: Path
    """The peer's own folder of installed parts, kept between runs."""
    scratch: Path
    """The peer's own empty folder of this run: configuration and logs."""
    gateway_core: int
    load_core: int


@dataclass(slots=True, kw_only=True)
class Running:
    """A started peer, as the load must speak to it."""

    process: subprocess.Popen[bytes]
    port: int
    path: str = "/v1/chat/completions"
    model: str = "mock-model"
    headers: dict[str, str] = field(default_factory=dict)
    set_aside: list[int] = field(default_factory=list)
    """Processes of this peer that stay stopped while it is measured (and are not counted)."""
    log: Path | None = None
    settle: Callable[[], None] | None = None
    """What is still to be done once the peer answers, before it is measured."""

    def counted(self) -> list[int]:
        """Returns the processes whose work and memory are this peer's."""
        return [one for one in processes.tree(self.process.pid) if one not in self.set_aside]

    def pause(self) -> None:
        """Stops the peer in its tracks, so that another can be measured alone."""
        processes.send(processes.tree(self.process.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Lets the peer run again, except what is set aside."""
        processes.send(self.counted(), signal.SIGCONT)

    def stop(self) -> None:
        """Ends the peer and all its children."""
        family = processes.tree(self.process.pid)
        processes.send(family, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        processes.send(family[1:], signal.SIGKILL)


class Peer(Protocol):
    """A gateway that can be measured. One file in `bench/peers/` each."""

    name: str
    does: str
    """What it does with a call, in a line: the table's reader must know what is compared."""

    def install(self, environment: Path) -> str:
        """Installs the peer into `environment` if it is not there and returns its version."""

    def start(self, place: Place) -> Running:
        """Starts the peer. It need not be ready yet; the bench asks it until it answers."""


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(
    place: Place,
    *command: str,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cores: tuple[int, ...] = (),
    pass_fds: tuple[int, ...] = (),
) -> tuple[subprocess.Popen[bytes], Path]:
    """Starts `command` pinned to cores (the gateway's, if not told otherwise), logging into scratch."""
    log = place.scratch / "log"
    allowed = ",".join(str(core) for core in cores or (place.gateway_core,))
    pinned = ["taskset", "-c", allowed, *command]
    sink: IO[bytes]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=place.scratch,
            env=dict(os.environ if environment is None else environment),
            start_new_session=True,
            pass_fds=pass_fds,
        )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    return process, log


def install_with_pip(environment: Path, *requirements: str) -> None:
    """Makes a virtual environment in `environment` with `requirements`, once."""
    marker = environment / "installed.txt"
    wanted = "\n".join((*requirements, f"# {interpreter.fastest()}"))
    if marker.exists() and marker.read_text() == wanted:
        return
    shutil.rmtree(environment, ignore_errors=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([interpreter.fastest(), "-m", "venv", environment], check=True, capture_output=True)
        subprocess.run(
            [environment / "bin/python", "-m", "pip", "install", "--quiet", *requirements],
            check=True,
            capture_output=True,
            timeout=900,
        )
    except (subprocess.SubprocessError, OSError) as problem:
        shutil.rmtree(environment, ignore_errors=True)
        raise PeerUnavailableError(f"pip could not install {requirements}: {problem}") from problem
    marker.write_text(wanted)

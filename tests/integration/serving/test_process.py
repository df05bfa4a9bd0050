"""Children that are kept running: real processes, on real signals."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.serving.process import EXIT_GIVE_UP, Backoff, ChildProcess, ChildSpec

QUICK = Backoff(first_s=0.01, most_s=0.02)

SLEEPER = """
import json, os, sys, time
settings = json.load(sys.stdin)
open(settings["pids"], "a").write(f"{os.getpid()}\\n")
open(settings["up"], "w").close()
time.sleep(600)
"""

PARENT = """
import asyncio, sys
from pilothouse.serving.process import ChildProcess, ChildSpec

async def main():
    command = (sys.executable, "-c", sys.argv[1])
    child = ChildProcess(ChildSpec("c", command, sys.argv[2].encode(), sys.argv[3]))
    child.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


def spec(tmp_path: Path, code: str, **extra: object) -> ChildSpec:
    settings = json.dumps({"pids": str(tmp_path / "pids"), "up": str(tmp_path / "up")}).encode()
    up = tmp_path / "up"

    async def is_ready() -> bool:
        return up.exists()

    values: dict[str, object] = {"is_ready": is_ready, "backoff": QUICK, **extra}
    return ChildSpec(
        "child",
        (sys.executable, "-c", code),
        settings,
        str(tmp_path / "child.log"),
        **values,  # type: ignore[arg-type]  # a test's own mixture of fields
    )


def until_dead(pid: int, timeout_s: float = 20) -> bool:
    """Waits on the kernel's word that a process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


class Watched:
    """A child whose states can be awaited in turn."""

    def __init__(self, spec: ChildSpec) -> None:
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self.child = ChildProcess(spec, changed=lambda child: self.states.put_nowait(child.state))
        self.child.start()

    async def until(self, state: str) -> ChildProcess:
        async with asyncio.timeout(20):
            while await self.states.get() != state:
                pass
        return self.child


def test_a_child_gets_its_settings_becomes_ready_and_stops(tmp_path: Path) -> None:
    async def run() -> None:
        seen: list[str] = []
        child = ChildProcess(spec(tmp_path, SLEEPER), changed=lambda it: seen.append(it.state))
        child.start()
        assert await child.wait_ready(20)
        status = child.status()
        assert status.state == "ready"
        assert status.pid == int((tmp_path / "pids").read_text())
        assert (status.resident_bytes or 0) > 1_000_000
        assert child.ready_after_s is not None
        assert os.getpgid(status.pid) == status.pid
        await child.stop()
        await child.stop()
        assert until_dead(status.pid)
        assert child.status().pid is None
        assert seen == ["starting", "ready", "stopped"]

    asyncio.run(run())


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    async def run() -> None:
        watched = Watched(spec(tmp_path, SLEEPER))
        child = await watched.until("ready")
        first = child.pid
        child.signal(signal.SIGKILL)
        await watched.until("restarting")
        assert child.reason == "was killed by SIGKILL"
        await watched.until("ready")
        assert child.pid != first
        assert child.restarts == 1
        await child.stop()

    asyncio.run(run())


def test_a_child_that_ends_early_says_its_last_words(tmp_path: Path) -> None:
    async def run() -> None:
        code = "import sys; sys.stdin.read(); sys.exit('the weights are missing')"
        watched = Watched(spec(tmp_path, code))
        child = await watched.until("restarting")
        assert child.reason == "ended with status 1 before it was ready: the weights are missing"
        await watched.until("restarting")
        await watched.until("restarting")
        assert child.restarts == 3
        await child.stop()

    asyncio.run(run())


def test_a_child_that_gives_up_is_left_alone(tmp_path: Path) -> None:
    async def run() -> None:
        child = await Watched(spec(tmp_path, f"import sys; sys.exit({EXIT_GIVE_UP})")).until("failed")
        assert child.restarts == 0
        await child.stop()

    asyncio.run(run())


def test_a_program_that_does_not_exist_is_a_reason(tmp_path: Path) -> None:
    async def run() -> None:
        nowhere = ChildSpec("x", ("/nowhere/at/all",), b"", str(tmp_path / "log"), backoff=QUICK)
        child = await Watched(nowhere).until("restarting")
        assert "cannot be started" in str(child.reason)
        await child.stop()

    asyncio.run(run())


def test_a_child_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        async def never() -> bool:
            return False

        late = spec(tmp_path, "import time; time.sleep(600)", is_ready=never, ready_within_s=0.05)
        child = await Watched(late).until("restarting")
        assert child.reason == "was killed by SIGKILL before it was ready"
        await child.stop()

    asyncio.run(run())


def test_a_child_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    code = """
import json, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
settings = json.load(sys.stdin)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(settings["pids"], "w").write(str(grandchild.pid))
open(settings["up"], "w").close()
time.sleep(600)
"""

    async def run() -> None:
        child = ChildProcess(spec(tmp_path, code, stop_within_s=0.05))
        child.start()
        assert await child.wait_ready(20)
        await child.stop()
        assert until_dead(int((tmp_path / "pids").read_text()))

    asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_its_parent(tmp_path: Path, number: int) -> None:
    settings = json.dumps({"pids": str(tmp_path / "pids"), "up": str(tmp_path / "up")})
    os.mkfifo(tmp_path / "up")  # the child's opening of it is the event this test waits for
    command = [sys.executable, "-c", PARENT, SLEEPER, settings, str(tmp_path / "log")]
    parent = subprocess.Popen(command)
    try:
        with (tmp_path / "up").open("rb") as up:
            up.read()
        child = int((tmp_path / "pids").read_text())
        assert not until_dead(child, timeout_s=0)
    finally:
        parent.send_signal(number)
        parent.wait()
    assert until_dead(child)


def test_the_log_is_private_and_appended(tmp_path: Path) -> None:
    async def run() -> None:
        watched = Watched(spec(tmp_path, "print('hello')", is_ready=None))
        await watched.until("restarting")
        child = await watched.until("restarting")
        await child.stop()
        log = tmp_path / "child.log"
        assert log.read_bytes().startswith(b"hello\nhello\n")
        assert log.stat().st_mode & 0o777 == 0o600

    asyncio.run(run())

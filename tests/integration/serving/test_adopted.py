"""Children that outlive the program that started them: handed on, kept, reaped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pilothouse.serving.adopted import UNKNOWN_EXIT, Adopted, HandedChild
from pilothouse.serving.process import Backoff, ChildProcess, ChildSpec

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
WITHIN_S = 20


def within(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WITHIN_S):
            await work

    asyncio.run(bounded())


def started() -> int:
    """Starts a child as an earlier program would have, in a group of its own; returns its process id."""
    process = subprocess.Popen(SLEEPER, process_group=0)
    process.returncode = 0  # whoever adopts it waits for it
    return process.pid


def spec(tmp_path: Path) -> ChildSpec:
    return ChildSpec("child", SLEEPER, b"", str(tmp_path / "log"), backoff=Backoff(first_s=0.01))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_adopted_child_is_waited_for(number: signal.Signals) -> None:
    async def main() -> None:
        child = Adopted(started())
        assert child.returncode is None
        child.send_signal(number)
        assert await child.wait() == -number
        child.send_signal(number)  # to nobody

    within(main())


def test_a_child_that_was_reaped_before_has_ended_somehow() -> None:
    pid = started()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    async def main() -> None:
        assert await Adopted(pid).wait() == UNKNOWN_EXIT

    within(main())


def test_a_handed_child_is_kept_and_started_again_when_it_dies(tmp_path: Path) -> None:
    async def main() -> None:
        states: asyncio.Queue[str] = asyncio.Queue()
        child = ChildProcess(spec(tmp_path), changed=lambda child: states.put_nowait(child.state))
        pid = started()
        child.start(HandedChild(pid, restarts=3, ready_after_s=1.5))
        assert await child.wait_ready(WITHIN_S)
        assert (child.pid, child.restarts, child.ready_after_s) == (pid, 3, 1.5)
        assert child.handed() == HandedChild(pid, 3, 1.5)
        os.kill(pid, signal.SIGKILL)
        while await states.get() != "restarting":
            pass
        assert await child.wait_ready(WITHIN_S)
        assert child.pid not in {None, pid}
        assert child.restarts == 4
        await child.stop()
        assert child.handed() is None

    within(main())


def test_a_child_is_asked_to_end_in_the_way_that_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        child = ChildProcess(spec(tmp_path))
        pid = started()
        child.start(HandedChild(pid))
        await child.stop(signal.SIGUSR1, within_s=5)
        assert child.state == "stopped"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    within(main())

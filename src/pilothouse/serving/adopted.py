"""A running child that an earlier program of this same process started: execve(2) keeps the children.

Refuses to know what the child does. Invariant: it is reaped once, by whoever holds it now.
"""

import asyncio
import contextlib
import os
import signal

import msgspec

from pilothouse.contracts.snapshot import EngineSpec

__all__ = ["Adopted", "HandedChild", "HandedEngine"]

UNKNOWN_EXIT = 255
"""What a child is taken to have ended with when the earlier program reaped it with its last breath."""


class HandedChild(msgspec.Struct, frozen=True, omit_defaults=True):
    """One child, as it is handed from one program to the next."""

    pid: int
    restarts: int = 0
    ready_after_s: float | None = None


class HandedEngine(msgspec.Struct, frozen=True):
    """One engine, as it is handed on."""

    deployment: str
    spec: EngineSpec
    child: HandedChild


class Adopted:
    """A child by its process id, with what `asyncio.subprocess.Process` offers of it."""

    def __init__(self, pid: int) -> None:
        """Takes the child; needs a running event loop."""
        self.pid = pid
        self.returncode: int | None = None
        self._gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._handle = -1
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._reap()
        else:
            self._loop.add_reader(self._handle, self._reap)

    async def wait(self) -> int:
        """Waits for the child's end; returns its exit status, negative for a signal."""
        await self._gone.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, if the child runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self.returncode = UNKNOWN_EXIT
        else:
            if pid == 0:
                return
            self.returncode = os.waitstatus_to_exitcode(status)
        if self._handle >= 0:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1
        self._gone.set()

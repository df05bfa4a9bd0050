"""A child process that is kept running: settings on stdin, readiness, restart with back-off, orderly stop.

Refuses to know what the child does. Invariant: the child dies with its parent even when that gets SIGKILL
(prctl(2) PR_SET_PDEATHSIG), and nothing secret is in its arguments or environment: settings are one JSON
document on its stdin, then end of file.
"""

import asyncio
import contextlib
import ctypes
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.contracts.status import EngineState, ProcessStatus
from pilothouse.serving.adopted import Adopted, HandedChild

__all__ = ["EXIT_GIVE_UP", "Backoff", "ChildProcess", "ChildSpec"]

EXIT_GIVE_UP = 78
"""EX_CONFIG of sysexits.h: the child says that starting it again cannot help; its state becomes `failed`."""

PR_SET_PDEATHSIG = 1
ASK_TO_END = signal.SIGTERM
LOG_ROTATE_BYTES = 16 * 1024 * 1024
REASON_CHARS = 300

Process = asyncio.subprocess.Process | Adopted

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next start after a death, and when to forget earlier ones."""

    first_s: float = 0.2
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.25
    """Each wait is lengthened by a random part of itself up to this, so that children do not start as one."""
    healthy_after_s: float = 30.0
    """A child that was ready this long counts as healthy: its next death is a first one again."""

    def wait_s(self, failures: int, luck: float) -> float:
        """Returns the wait after `failures` deaths in a row (1 and up), with `luck` between 0 and 1."""
        exponent = min(failures - 1, 32)
        return min(self.most_s, self.first_s * self.factor**exponent) * (1 + self.jitter * luck)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run and how to look after it."""

    name: str
    command: tuple[str, ...]
    settings: bytes
    """Written to the child's stdin, which is then closed."""
    log_path: str
    """Where its stdout and stderr go (appended, 0600; moved to `.1` at a start when it has grown large)."""
    environment: Mapping[str, str] | None = None
    """The child's whole environment; `None` gives it ours."""
    pass_fds: tuple[int, ...] = ()
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """Asked again and again until true; without it a child is ready as soon as it runs."""
    ready_within_s: float = 60.0
    """A child that is not ready by then is killed and started again."""
    ready_poll_s: float = 0.02
    stop_within_s: float = 10.0
    """After SIGTERM the child has this long; then its process group gets SIGKILL."""
    backoff: Backoff = field(default_factory=Backoff)


def _tie_to_parent(parent: int) -> Callable[[], None]:
    """Returns what the child does between fork and exec: it asks to be killed when the parent dies."""

    def tie() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request was made
            os._exit(1)

    return tie


class ChildProcess:
    """Keeps one child running from `start` to `stop`.

    Use it on one event loop whose thread lives as long as the process: Linux sends the death signal when
    the *thread* that forked ends.
    """

    def __init__(self, spec: ChildSpec, *, changed: Callable[["ChildProcess"], None] | None = None) -> None:
        """Prepares a child.

        Args:
            spec: What to run.
            changed: Called after each change of `state`, on the event loop; must not block.
        """
        self.spec = spec
        self.state: EngineState = "stopped"
        self.reason: str | None = None
        self.restarts = 0
        self.ready_after_s: float | None = None
        self._changed = changed
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def status(self) -> ProcessStatus:
        """Returns the child's live state."""
        return ProcessStatus(
            name=self.spec.name,
            state=self.state,
            pid=self.pid,
            restarts=self.restarts,
            resident_bytes=self.resident_bytes(),
        )

    def resident_bytes(self) -> int | None:
        """Returns the child's resident memory, or `None` when it does not run."""
        pid = self.pid
        if pid is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            pages = Path(f"/proc/{pid}/statm").read_text().split()[1]  # proc(5): the second number
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return None

    def start(self, handed: HandedChild | None = None) -> None:
        """Begins to keep the child running, from `handed` on where there is one; returns at once."""
        if self._keeper is not None:
            raise RuntimeError(f"{self.spec.name} is started already")
        adopted: Adopted | None = None
        if handed is not None:
            self._process = adopted = Adopted(handed.pid)
            self.restarts, self.ready_after_s = handed.restarts, handed.ready_after_s
        self._become("starting", None)
        self._keeper = asyncio.get_running_loop().create_task(
            self._keep(adopted), name=f"keep {self.spec.name}"
        )

    def handed(self) -> HandedChild | None:
        """Returns what the next program of this process needs to go on keeping the child, if it runs."""
        pid = self.pid
        return None if pid is None else HandedChild(pid, self.restarts, self.ready_after_s)

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits until the child is ready; returns whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        return self._ready.is_set()

    def signal(self, number: int) -> None:
        """Sends a signal to the child, if it runs."""
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(number)

    async def stop(self, number: int = ASK_TO_END, *, within_s: float | None = None) -> None:
        """Ends the child. Idempotent.

        Args:
            number: The signal that asks it to end.
            within_s: How long it has, else `stop_within_s`; then its process group gets SIGKILL.
        """
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        process = self._process
        if process is not None and process.returncode is None:
            await self._end(process, number, self.spec.stop_within_s if within_s is None else within_s)
        self._become("stopped", None)

    async def _keep(self, adopted: Adopted | None) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            ready_at: float | None = None
            code: int | None = None
            try:
                process = adopted or await self._spawn()
                adopted = None
            except OSError as fault:
                reason = f"cannot be started: {fault}"
            else:
                ready_at = await self._until_ready(process)
                code = await process.wait()
                _kill_group(process)
                reason = self._epitaph(code, was_ready=ready_at is not None)
            if code == EXIT_GIVE_UP:
                self._become("failed", reason)
                return
            if ready_at is not None and loop.time() - ready_at >= self.spec.backoff.healthy_after_s:
                failures = 0
            failures += 1
            self.restarts += 1
            self._become("restarting", reason)
            await asyncio.sleep(self.spec.backoff.wait_s(failures, random.random()))  # noqa: S311 - jitter, no secret

    async def _spawn(self) -> Process:
        with _log_file(self.spec.log_path) as log:
            process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=None if self.spec.environment is None else dict(self.spec.environment),
                pass_fds=self.spec.pass_fds,
                process_group=0,
                preexec_fn=_tie_to_parent(os.getpid()),
            )
        self._process = process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(self.spec.settings)
            await process.stdin.drain()
        process.stdin.close()
        return process

    async def _until_ready(self, process: Process) -> float | None:
        """Returns when the child became ready, or `None` when it died or was killed for being late."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.spec.is_ready is not None and process.returncode is None:
            if await self.spec.is_ready():
                break
            if loop.time() - began > self.spec.ready_within_s:
                process.kill()
                return None
            await asyncio.sleep(self.spec.ready_poll_s)
        if process.returncode is not None:
            return None
        if not isinstance(process, Adopted):
            self.ready_after_s = loop.time() - began
        self._become("ready", None)
        return loop.time()

    async def _end(self, process: Process, number: int, within_s: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(within_s):
                await process.wait()
        except TimeoutError:
            _kill_group(process)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _epitaph(self, code: int, *, was_ready: bool) -> str:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        when = "" if was_ready else " before it was ready"
        said = _last_line(self.spec.log_path)
        return f"{how}{when}{': ' + said if said else ''}"

    def _become(self, state: EngineState, reason: str | None) -> None:
        self.state = state
        self.reason = reason
        if state == "ready":
            self._ready.set()
        else:
            self._ready.clear()
        if self._changed is not None:
            self._changed(self)


def _kill_group(process: Process) -> None:
    """Ends what is left of the child's process group: children of the child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _log_file(path: str) -> Iterator[int]:
    file = Path(path)
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > LOG_ROTATE_BYTES:
            file.replace(f"{path}.1")
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield number
    finally:
        os.close(number)


def _last_line(path: str) -> str:
    """Returns the last line the child wrote, shortened: most often the reason of its death."""
    with contextlib.suppress(OSError), Path(path).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[:REASON_CHARS]
    return ""

"""The engines of one machine, made to match the snapshot: started, stopped, restarted, watched.

Refuses to know why an engine should run and who calls it. Invariant: after `apply`, exactly the engines of
that snapshot are kept running, each on its own socket; after `stop`, none is.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pilothouse.contracts.errors import UpstreamError
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import EngineName, EngineSpec, Snapshot
from pilothouse.contracts.status import EngineStatus
from pilothouse.serving.adopted import HandedChild, HandedEngine
from pilothouse.serving.engine import Engine, Gauges
from pilothouse.serving.engines import ENGINES
from pilothouse.serving.process import Backoff, ChildProcess, ChildSpec
from pilothouse.serving.settings import EngineSettings

__all__ = ["Fleet"]

KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
"""What an engine keeps of the environment; providers' keys are not among it."""


@dataclass(slots=True)
class _Running:
    """One engine that is kept running."""

    deployment: str
    spec: EngineSpec
    engine: Engine
    child: ChildProcess
    watcher: asyncio.Task[None] | None = None
    gauges: Gauges | None = None


class Fleet:
    """All engines of this machine."""

    def __init__(
        self,
        home: Home,
        settings: EngineSettings,
        *,
        changed: Callable[[EngineStatus], None] | None = None,
        engines: Mapping[EngineName, Engine] = ENGINES,
    ) -> None:
        """Prepares an empty fleet.

        Args:
            home: Where logs go.
            settings: How engines are looked after.
            changed: Called after each change of an engine's state, on the event loop; must not block.
            engines: The kinds of engines there are.
        """
        self._home = home
        self._settings = settings
        self._changed = changed
        self._engines = engines
        self._running: dict[str, _Running] = {}
        self._applying = asyncio.Lock()

    async def apply(self, snapshot: Snapshot) -> None:
        """Makes the engines match `snapshot`; returns when stopping is done and starting has begun."""
        wanted = {
            deployment.id: deployment.engine
            for route in snapshot.models
            for deployment in route.deployments
            if deployment.engine is not None
        }
        async with self._applying:
            surplus = [
                running
                for running in self._running.values()
                if wanted.get(running.deployment) != running.spec
            ]
            await asyncio.gather(*(self._end(running) for running in surplus))
            for deployment, spec in wanted.items():
                if deployment not in self._running:
                    self._begin(deployment, spec)

    def settle(self, settings: EngineSettings) -> None:
        """Looks after engines that are started from now on by other settings."""
        self._settings = settings

    def adopt(self, handed: Iterable[HandedEngine]) -> None:
        """Goes on with engines that an earlier program of this process started; comes before `apply`."""
        for engine in handed:
            self._begin(engine.deployment, engine.spec, engine.child)

    def handed(self) -> tuple[HandedEngine, ...]:
        """Returns what the next program of this process needs to go on with the engines that run."""
        return tuple(
            HandedEngine(running.deployment, running.spec, child)
            for running in self._running.values()
            if (child := running.child.handed()) is not None
        )

    def sockets(self) -> dict[str, str]:
        """Returns the path of each engine's socket, by deployment."""
        return {deployment: running.spec.socket for deployment, running in self._running.items()}

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits until each engine has become ready; returns whether all are."""
        children = [running.child for running in self._running.values()]
        return all(await asyncio.gather(*(child.wait_ready(timeout_s) for child in children)))

    def statuses(self) -> tuple[EngineStatus, ...]:
        """Returns each engine's live state, without asking any of them."""
        return tuple(_status(running) for running in self._running.values())

    async def stop(self) -> None:
        """Ends all engines. Idempotent."""
        async with self._applying:
            await asyncio.gather(*(self._end(running) for running in list(self._running.values())))

    def kill(self) -> None:
        """Kills all engines at once; `stop` must still be called."""
        for running in self._running.values():
            running.child.signal(signal.SIGKILL)

    def _begin(self, deployment: str, spec: EngineSpec, handed: HandedChild | None = None) -> None:
        engine = self._engines[spec.engine]
        command, settings = engine.command(spec, self._settings)
        chosen = self._settings
        child = ChildProcess(
            ChildSpec(
                name=f"engine {deployment}",
                command=command,
                settings=settings,
                log_path=f"{self._home.logs}/engine-{re.sub(r'[^A-Za-z0-9._-]+', '-', deployment)}.log",
                environment={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                is_ready=lambda: engine.is_ready(spec),
                ready_within_s=chosen.ready_within_s,
                stop_within_s=chosen.stop_within_s,
                backoff=Backoff(
                    first_s=chosen.restart_first_s,
                    most_s=chosen.restart_most_s,
                    healthy_after_s=chosen.healthy_after_s,
                ),
            ),
            changed=lambda _: self._child_changed(running),
        )
        running = self._running[deployment] = _Running(deployment, spec, engine, child)
        child.start(handed)

    async def _end(self, running: _Running) -> None:
        await running.child.stop()
        if running.watcher is not None:
            running.watcher.cancel()
        self._running.pop(running.deployment, None)

    def _child_changed(self, running: _Running) -> None:
        if running.watcher is not None:
            running.watcher.cancel()
            running.watcher = None
        running.gauges = None
        if running.child.state == "ready":
            running.watcher = asyncio.get_running_loop().create_task(self._watch(running))
        if self._changed is not None:
            self._changed(_status(running))

    async def _watch(self, running: _Running) -> None:
        """Reads a ready engine's gauges again and again; a busy engine keeps its last ones."""
        while True:
            with contextlib.suppress(UpstreamError, TimeoutError, OSError):
                running.gauges = await running.engine.gauges(running.spec)
            await asyncio.sleep(self._settings.gauges_every_s)


def _status(running: _Running) -> EngineStatus:
    child, gauges = running.child, running.gauges
    return EngineStatus(
        deployment=running.deployment,
        state=child.state,
        reason=child.reason,
        pid=child.pid,
        restarts=child.restarts,
        resident_bytes=child.resident_bytes(),
        slots=gauges.slots if gauges else None,
        slots_busy=gauges.slots_busy if gauges else None,
        queued=gauges.queued if gauges else None,
        prompt_tokens_total=gauges.prompt_tokens_total if gauges else None,
        output_tokens_total=gauges.output_tokens_total if gauges else None,
        ready_after_s=child.ready_after_s,
    )

"""Runs everything: control, gateways and engines, from the first line printed to the last process ended.

Refuses to know requests and databases. Invariant: the order is kept: at the end gateways finish their calls
first, then control records them, then engines end.
"""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from pilothouse import __version__
from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.contracts.status import EngineStatus, ProcessStatus, SupervisorStatus
from pilothouse.gateway.follow import POLL_S, Follower
from pilothouse.serving.fleet import Fleet
from pilothouse.serving.process import ChildProcess
from pilothouse.supervise import management
from pilothouse.supervise.announce import Announcer
from pilothouse.supervise.children import Plan, control_child, gateway_child
from pilothouse.telemetry.status import serve_status

logger = logging.getLogger(__name__)

CONTROL_READY_WITHIN_S = 60.0


class Supervisor:
    """One `up`: started once, stopped once."""

    def __init__(self, plan: Plan, announcer: Announcer) -> None:
        self._plan = plan
        self._announcer = announcer
        self._started_at_ms = int(time.time() * 1000)
        self._stop = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._follower = Follower(plan.home.snapshot, plan.home.verifying_key, self._obey)
        self._fleet = Fleet(plan.home, plan.configuration.engines, changed=self._engine_changed)
        self._control = ChildProcess(control_child(plan), changed=self._child_changed)
        self._gateways = [
            ChildProcess(gateway_child(plan, worker), changed=self._child_changed)
            for worker in range(plan.configuration.gateway.workers)
        ]

    async def run(self) -> None:
        """Starts everything, obeys the snapshot until a signal comes, and ends everything in order."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        server = await serve_status(self._plan.home.supervisor_status_socket, self.status)
        announcing = asyncio.create_task(self._announce(), name="announce")
        try:
            self._control.start()
            for gateway in self._gateways:
                gateway.start()
            while not self._stop.is_set():
                await self._follow()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._stop.wait()
        finally:
            announcing.cancel()
            await self._end()
            server.close()

    def status(self) -> SupervisorStatus:
        """Returns the live state of every child."""
        children = [self._control, *self._gateways]
        own = ProcessStatus(
            name="supervisor", state="ready", pid=os.getpid(), resident_bytes=_own_resident_bytes()
        )
        return SupervisorStatus(
            version=__version__,
            started_at_ms=self._started_at_ms,
            address=self._plan.address,
            snapshot_revision=self._snapshot.revision if self._snapshot else 0,
            processes=(own, *(child.status() for child in children)),
            engines=tuple(self._fleet.statuses()),
        )

    async def _follow(self) -> None:
        """Makes the engines match the snapshot in force, when there is a new one."""
        if self._follower.look() and self._snapshot is not None:
            await self._fleet.apply(self._snapshot)

    def _obey(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def _announce(self) -> None:
        """Tells a person how to get in, as soon as there is somebody to ask."""
        for gateway in self._gateways:
            await gateway.wait_ready(CONTROL_READY_WITHIN_S)
        self._announcer.gateway_ready(self._plan.address)
        if self._plan.new_root_key is not None:
            self._announcer.root_key(self._plan.new_root_key, self._plan.home.root_key)
        if not await self._control.wait_ready(CONTROL_READY_WITHIN_S):
            self._announcer.warn(f"The control process is not ready; see {self._plan.home.logs}/control.log")
            return
        try:
            path = await asyncio.to_thread(management.signin_path, self._plan.home)
        except PilothouseError as error:
            self._announcer.warn(f"No sign-in link could be made: {error.message}")
        else:
            self._announcer.signin(self._plan.address + path)

    async def _end(self) -> None:
        self._announcer.stopping()
        await asyncio.gather(*(gateway.stop() for gateway in self._gateways))
        await self._control.stop()
        await self._fleet.stop()
        self._announcer.stopped()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._kill_all()
        self._stop.set()

    def _kill_all(self) -> None:
        """Ends every child at once: somebody asked a second time."""
        for child in (*self._gateways, self._control):
            child.signal(signal.SIGKILL)
        self._fleet.kill()

    def _child_changed(self, child: ChildProcess) -> None:
        logger.info(
            "%s is %s", child.spec.name, child.state, extra={"reason": child.reason, "child_pid": child.pid}
        )
        if child.state in {"restarting", "failed"} and not self._stop.is_set():
            what = "is started again" if child.state == "restarting" else "is not started again"
            self._announcer.warn(f"The {child.spec.name} process {child.reason}; it {what}")

    def _engine_changed(self, status: EngineStatus) -> None:
        logger.info("engine %s is %s", status.deployment, status.state, extra={"reason": status.reason})
        if not self._stop.is_set():
            self._announcer.engine(status)


def _own_resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(plan: Plan, announcer: Announcer) -> None:
    """Runs until SIGINT or SIGTERM; the home's lock must be held."""

    async def main() -> None:
        await Supervisor(plan, announcer).run()

    asyncio.run(main())

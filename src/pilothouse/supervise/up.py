"""Runs everything: control, gateways and engines, from the first line printed to the last process ended.

Refuses to know requests and databases. Invariant: the order is kept: at the end gateways finish their calls
first, then control records them, then engines end.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from pilothouse import __version__
from pilothouse.contracts.errors import ConfigurationError, PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.contracts.status import EngineStatus, ProcessStatus, SupervisorStatus
from pilothouse.gateway.follow import POLL_S, Follower
from pilothouse.serving.fleet import Fleet
from pilothouse.serving.process import ChildProcess
from pilothouse.supervise import management
from pilothouse.supervise.announce import Announcer
from pilothouse.supervise.children import Plan, Settled, control_child
from pilothouse.supervise.gateways import Gateways
from pilothouse.supervise.handover import SIGNALS, Handover, Running, become_supervisor
from pilothouse.supervise.orders import Asker, Order, Word, serve_orders
from pilothouse.supervise.settle import Outcome, Task, settle
from pilothouse.telemetry.status import serve_status

logger = logging.getLogger(__name__)

CONTROL_READY_WITHIN_S = 60.0
MOST_ENGINES = 1000


class Supervisor:
    """One `up`: started once, stopped once; its program may be replaced in between."""

    def __init__(self, handover: Handover, announcer: Announcer) -> None:
        plan, running = handover.plan, handover.running
        self._plan = plan
        self._left = running
        self._announcer = announcer
        self._started_at_ms = int(time.time() * 1000) if running is None else running.started_at_ms
        self._stop = asyncio.Event()
        self._ordering = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._snapshot: Snapshot | None = None
        self._follower = Follower(plan.home.snapshot, plan.home.verifying_key, self._obey)
        self._fleet = Fleet(plan.home, plan.configuration.engines, changed=self._engine_changed)
        self._control = ChildProcess(control_child(plan), changed=self._child_changed)
        self._gateways = Gateways(self._child_changed)

    async def run(self) -> None:
        """Starts everything, obeys the snapshot until a signal comes, and ends everything in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        home = self._plan.home
        server = await serve_status(home.supervisor_status_socket, self.status)
        orders = await serve_orders(home.orders_socket, self._take)
        try:
            if self._left is None:
                self._start()
            else:
                self._go_on(self._left)
            while not self._stop.is_set():
                await self._follow()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._stop.wait()
        finally:
            orders.close()
            await self._end()
            server.close()

    def status(self) -> SupervisorStatus:
        """Returns the live state of every child."""
        own = ProcessStatus(
            name="supervisor", state="ready", pid=os.getpid(), resident_bytes=_own_resident_bytes()
        )
        return SupervisorStatus(
            version=__version__,
            started_at_ms=self._started_at_ms,
            address=self._plan.address,
            snapshot_revision=self._snapshot.revision if self._snapshot else 0,
            generation=self._gateways.generation,
            processes=(own, self._control.status(), *self._gateways.statuses()),
            engines=tuple(self._fleet.statuses()),
        )

    # -- the start, and going on from an earlier program ----------------------------------------------

    def _start(self) -> None:
        self._control.start()
        self._gateways.start(self._plan)
        self._spawn(self._announce(), "announce")

    def _go_on(self, running: Running) -> None:
        """Takes over what an earlier program left, and then renews what is not of this one."""
        for engine in running.engines:
            self._announcer.known(engine.deployment)
        self._fleet.adopt(running.engines)
        self._control.start(running.control)
        self._gateways.adopt(running.gateways, self._plan, running.generation)
        descriptor = running.answer_fd
        asker = Asker(socket.socket(fileno=descriptor) if descriptor is not None else None)
        self._spawn(self._finish_upgrade(asker), "finish upgrade")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self) -> None:
        """Makes the engines match the snapshot in force, when there is a new one."""
        if self._follower.look() and self._snapshot is not None:
            await self._fleet.apply(self._snapshot)

    def _obey(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def _announce(self) -> None:
        """Tells a person how to get in, as soon as there is somebody to ask."""
        await self._gateways.wait_ready(CONTROL_READY_WITHIN_S)
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

    # -- orders ---------------------------------------------------------------------------------------

    async def _take(self, order: Order, asker: Asker) -> None:
        """Carries an order out; one at a time, and a refused one changes nothing."""
        async with self._ordering:
            await self._answered(asker, lambda: self._carry_out(order, asker))

    async def _carry_out(self, order: Order, asker: Asker) -> str:
        origin = self._plan.origin
        origin = msgspec.structs.replace(origin, environment={**origin.environment, **order.environment})
        plan = msgspec.structs.replace(self._plan, origin=origin)
        is_upgrade = order.verb == "upgrade"
        gateway = plan.configuration.gateway
        outcome = await settle(
            Task(
                home=plan.home,
                origin=origin,
                listens=(gateway.host, gateway.port),
                handover=msgspec.to_builtins(self._handover(plan, asker)) if is_upgrade else None,
            )
        )
        if self._stop.is_set():
            raise PilothouseError("Pilothouse is stopping.")
        if is_upgrade:
            asker.say(Word(text=f"Pilothouse {outcome.version} takes over from {__version__}."))
            logger.info("version %s takes over from %s", outcome.version, __version__)
            become_supervisor(self._handover(plan, asker), outcome.settled)
        return await self._renew(msgspec.structs.replace(plan, settled=_same_version(outcome)))

    async def _finish_upgrade(self, asker: Asker) -> None:
        async with self._ordering:
            await self._answered(asker, lambda: self._renew(self._plan, is_new_code=True))
            asker.close()

    async def _answered(self, asker: Asker, work: Callable[[], Coroutine[Any, Any, str]]) -> None:
        try:
            text = await work()
        except PilothouseError as error:
            logger.warning("an order was refused: %s", error.message)
            self._announcer.warn(f"Nothing was changed: {error.message}")
            asker.say(Word(text=error.message, hint=error.hint, state="refused"))
        else:
            logger.info("%s", text)
            self._announcer.done(text)
            asker.say(Word(text=text, state="done"))

    async def _renew(self, plan: Plan, *, is_new_code: bool = False) -> str:
        """Has everything but the engines run as `plan` says; those that serve now finish what they began."""
        before = self._plan
        await self._gateways.replace(plan, before.settled.secrets)
        self._plan = plan
        self._fleet.settle(plan.configuration.engines)
        await self._control.stop()
        numbers = _engine_numbers(plan.home, self._fleet.sockets())
        self._control = ChildProcess(control_child(plan, numbers), changed=self._child_changed)
        self._control.start()
        if not await self._control.wait_ready(CONTROL_READY_WITHIN_S):
            raise PilothouseError(
                "The gateway serves as it is told now, but the control process is not ready.",
                hint=f"See {plan.home.logs}/control.log; it is started again and again.",
            )
        workers, generation = plan.configuration.gateway.workers, self._gateways.generation
        what = f"Version {__version__}" if is_new_code else "The configuration"
        return f"{what} is in force: generation {generation}, {workers} gateway worker(s)."

    def _handover(self, plan: Plan, asker: Asker) -> Handover:
        return Handover(
            plan=plan,
            running=Running(
                started_at_ms=self._started_at_ms,
                generation=self._gateways.generation,
                control=self._control.handed(),
                gateways=self._gateways.handed(),
                engines=self._fleet.handed(),
                answer_fd=asker.descriptor,
            ),
        )

    # -- the end --------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._announcer.stopping()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._gateways.stop()
        await self._control.stop()
        await self._fleet.stop()
        self._announcer.stopped()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._kill_all()
        self._stop.set()

    def _hung_up(self) -> None:
        """SIGHUP: reloads, unless it came because the terminal is gone."""
        if self._announcer.is_terminal and not _has_terminal():
            self._asked_to_stop()
        elif not self._stop.is_set():
            self._spawn(self._take(Order(verb="reload"), Asker(None)), "reload")

    def _kill_all(self) -> None:
        """Ends every child at once: somebody asked a second time."""
        self._gateways.signal(signal.SIGKILL)
        self._control.signal(signal.SIGKILL)
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


def _same_version(outcome: Outcome) -> Settled:
    """Returns what was settled.

    Raises:
        ConfigurationError: Another version is installed than the one that runs.
    """
    if outcome.version != __version__:
        raise ConfigurationError(
            f"Version {outcome.version} is installed, and {__version__} runs.",
            hint="Use `pilothouse upgrade`: it puts the configuration in force as well.",
        )
    return msgspec.json.decode(outcome.settled, type=Settled)


def _engine_numbers(home: Home, sockets: Mapping[str, str]) -> dict[str, int]:
    numbers = {home.engine_socket(number): number for number in range(MOST_ENGINES)}
    return {name: numbers[socket] for name, socket in sockets.items() if socket in numbers}


def _has_terminal() -> bool:
    try:
        termios.tcgetattr(sys.stdout.fileno())
    except (termios.error, OSError):
        return False
    return True


def _own_resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(handover: Handover, announcer: Announcer) -> None:
    """Runs until SIGINT or SIGTERM; the home's lock must be held."""

    async def main() -> None:
        await Supervisor(handover, announcer).run()

    asyncio.run(main())

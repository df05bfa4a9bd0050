"""The upkeep of one worker's limits: watches the file, keeps the books, holds on to the shared store.

Once a second, off the path of calls; what reads the journal or writes a file runs in a thread. One worker of
a host keeps the books for all. Refuses to know calls. Invariant: a fault of a file is said in the log and
tried again; it never ends the worker.
"""

import asyncio
import logging
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from pilothouse.contracts.errors import ConfigurationError, SnapshotError
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.contracts.status import CounterState, UsageStatus
from pilothouse.gateway.limits import books
from pilothouse.gateway.limits.meter import Meter, Moment

STORE_ADDRESS: Final = "counters"
"""The name under which a worker is handed the shared store's address."""
LOOK_S: Final = 1.0
WRITE_S: Final = 5.0
"""How often the sums of money are kept beside the counters."""
PAUSE_S: Final = 0.002
"""How long the thread that reads the journal rests between two pieces."""
FIRST_ANSWER_S: Final = 0.5
"""How long a worker that starts waits for the shared store before it serves."""
NOT_HANDED: Final = "this worker was not handed the store's address"

logger = logging.getLogger(__name__)


def moment() -> Moment:
    """Returns now."""
    return Moment(time.perf_counter(), time.time_ns())


class Upkeep:
    """Keeps one worker's meter in order."""

    def __init__(self, meter: Meter, home: Home, worker: str, url: str | None) -> None:
        self._meter = meter
        self._home = home
        self._worker = worker
        self._url = url
        self._namespace = ""
        self._task: asyncio.Task[None] | None = None
        self._written: tuple[books.Sum, ...] = ()
        self._written_s = 0.0
        self._is_keeper = False

    def obey(self, snapshot: Snapshot) -> None:
        """Puts a snapshot's limits in force, and counts where it says.

        Raises:
            SnapshotError: They cannot be counted.
        """
        meter = self._meter
        try:
            meter.obey(snapshot, moment())
        except (OSError, ConfigurationError) as error:
            raise SnapshotError(f"the limits cannot be counted: {error}") from error
        self._follow_store()

    async def ready(self) -> None:
        """Waits until the shared store was asked once, where there is one."""
        shared = self._meter.shared
        if shared is not None and self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_ANSWER_S):
                    await shared.asked.wait()

    async def run(self) -> None:
        """Looks once a second until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    await self._look()
                except (OSError, ConfigurationError) as error:
                    logger.warning("the counters need mending, which failed: %s", error)
        finally:
            self._end_task()
            if self._is_keeper:
                with suppress(OSError):
                    books.write_book(self._home.budgets, self._meter.sums(time.time_ns))

    def state(self) -> tuple[CounterState, str | None]:
        """Returns where limits are counted now, and why not in the shared store."""
        meter = self._meter
        if not meter.is_on:
            return "off", None
        if meter.shared is None:
            return "host", None
        if meter.shared.loss is None:
            return "redis", None
        return meter.counters.on_loss, meter.shared.loss

    def usage(self) -> UsageStatus:
        """Returns how much of each limit is used on this host."""
        return UsageStatus(self._meter.usage(moment()) if self._meter.is_on else ())

    # -- inside -------------------------------------------------------------------------------------

    async def _look(self) -> None:
        if not self._meter.is_in_place():
            logger.warning("the file of counters is lost or broken: a new one is filled from the journal")
            calls = await asyncio.to_thread(self._meter.recent, moment())
            self._meter.open(moment(), calls)
        if self._task is not None and self._task.done():
            logger.warning("the task of the shared counters has ended: another takes its place")
            self._end_task()
            self._follow_store()
        self._is_keeper = self._meter.tidy()
        if not self._is_keeper:
            return
        waiting = self._meter.unfinished()
        if waiting:
            counting = self._meter.counting
            spans = books.spans_of(counting, waiting, time.time_ns())
            spent = await asyncio.to_thread(
                books.gather,
                self._home.journal,
                spans,
                lambda: time.sleep(PAUSE_S),
                dict(self._meter.counted_as),
            )
            if counting is self._meter.counting:  # else the file was replaced meanwhile: again, next second
                books.take_in(counting, waiting, spent, time.time_ns())
        if time.monotonic() - self._written_s >= WRITE_S:
            self._written_s = time.monotonic()
            await self._write()

    async def _write(self) -> None:
        sums = self._meter.sums(time.time_ns)
        if _figures(sums) != _figures(self._written):
            await asyncio.to_thread(books.write_book, self._home.budgets, sums)
            self._written = sums

    def _follow_store(self) -> None:
        """Begins or ends counting in the shared store."""
        meter = self._meter
        counters = meter.counters
        is_wanted = meter.is_on and counters.store == "redis"
        if is_wanted and (meter.shared is None or counters.namespace != self._namespace):
            from pilothouse.gateway.limits.shared import SharedLimits  # its library is large

            self._end_task()
            self._namespace = counters.namespace
            shared = meter.shared = SharedLimits(
                self._url or "",
                namespace=counters.namespace,
                window_s=meter.window_s,
                host=host_id(self._home.host_id),
                worker=f"{self._worker}-{os.getpid()}",
            )
            if self._url is None:
                shared.loss = NOT_HANDED
            else:
                self._task = asyncio.get_running_loop().create_task(shared.run(lambda: meter.counting))
        elif not is_wanted and meter.shared is not None:
            self._end_task()

    def _end_task(self) -> None:
        task, self._task, self._meter.shared = self._task, None, None
        if task is not None:
            task.cancel()


def host_id(path: str) -> str:
    """Returns the name of this home among those that count together; made once."""
    file = Path(path)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError), file.open("x") as fresh:
        fresh.write(secrets.token_hex(8))
    return file.read_text() or secrets.token_hex(8)


def _figures(sums: tuple[books.Sum, ...]) -> list[tuple[str, str, int, int, int, int]]:
    return [(s.scope, s.name, s.day, s.day_nano_usd, s.month, s.month_nano_usd) for s in sums]

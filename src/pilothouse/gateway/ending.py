"""How a worker ends: at once, or when a successor serves already.

Refuses to know who asks. Invariant: once asked it ends within the deadlines, and an order may only become
more urgent: retire, then stop, then cut.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.gateway.server import Server
    from pilothouse.gateway.settings import DeadlineSettings
    from pilothouse.gateway.state import GatewayState


class Ending:
    """The orders to end that a worker was given."""

    def __init__(self, deadlines: "DeadlineSettings") -> None:
        self._deadlines = deadlines
        self.asked = asyncio.Event()
        """Set by the first order, whichever it is."""
        self._stop = asyncio.Event()
        self._cut = asyncio.Event()

    def retire(self) -> None:
        """Has the worker finish what runs, however long within `handover_s`: a successor serves already."""
        self.asked.set()

    def stop(self) -> None:
        """Has the worker finish what runs within `drain_s`; asked again, cuts it."""
        if self._stop.is_set():
            self._cut.set()
        self._stop.set()
        self.asked.set()

    async def carry_out(self, server: "Server", state: "GatewayState") -> None:
        """Ends the worker's connections as it was asked to, or at once when a fault of its own ends it."""
        if self.asked.is_set() and not self._stop.is_set():
            state.has_successor = True
            server.leave(farewell_s=self._deadlines.farewell_s)
            await _first(server, self._stop, self._deadlines.handover_s)
        state.is_stopping = True
        server.leave(farewell_s=0)
        await _first(server, self._cut, self._deadlines.drain_s)
        await server.cut()


async def _first(server: "Server", order: asyncio.Event, within_s: float) -> None:
    """Returns when no connection is left, when a more urgent order comes, or when the time is over."""
    waiting = [asyncio.create_task(server.emptied()), asyncio.create_task(order.wait())]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

"""The listening side: accepts connections, holds their limits and deadlines, and ends them in order.

Why not uvicorn: it was measured first (2 shared cores, 1 KB chat body, CPU time a request of a hello-world
application): uvicorn with httptools and uvloop 56-65 µs, this protocol 14 µs; uvicorn alone would have been
the whole budget of the bar, and it has no deadline for slow senders.

Refuses to know paths and calls. Invariant: every connection has a deadline or a request under way.
"""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from pilothouse.gateway.client import ClientConnection, Handler

if TYPE_CHECKING:
    from pilothouse.gateway.settings import DeadlineSettings, LimitSettings

TICK_S = 0.1
"""The resolution of all deadlines of clients, in seconds."""
CUT_S = 1.0
"""How long connections that were cut may take to be gone, in seconds."""


class Server:
    """All client connections of one worker."""

    def __init__(self, handler: Handler, limits: "LimitSettings", deadlines: "DeadlineSettings") -> None:
        self.handler = handler
        self.limits = limits
        self.head_ticks = _ticks(deadlines.head_s)
        self.body_ticks = _ticks(deadlines.body_s)
        self.keep_alive_ticks = _ticks(deadlines.keep_alive_s)
        self.stall_ticks = _ticks(deadlines.client_stall_s)
        self.tick = 0
        self.is_stopping = False
        self.connections: set[ClientConnection] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def listen(self, listening: socket.socket) -> None:
        """Accepts connections from a socket that already listens."""
        self._timer = self._loop.call_later(TICK_S, self._sweep)
        self._listener = await self._loop.create_server(
            lambda: ClientConnection(self), sock=listening, backlog=2048
        )

    def joined(self, connection: ClientConnection) -> bool:
        """Notes a new connection. Returns whether there is room for it."""
        self.connections.add(connection)
        self._empty.clear()
        return len(self.connections) <= self.limits.connections

    def left(self, connection: ClientConnection) -> None:
        """Forgets a connection."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def stop(self, drain_s: float) -> None:
        """Accepts nothing more, lets what runs end within `drain_s`, then cuts the rest."""
        self.is_stopping = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._empty.wait()
        for connection in list(self.connections):
            connection.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_S):
                await self._empty.wait()  # what was cut is on record when its connection is lost
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        self.tick += 1
        now = self.tick
        for connection in [c for c in self.connections if c.deadline_tick <= now]:
            connection.overdue()
        self._timer = self._loop.call_later(TICK_S, self._sweep)


def _ticks(seconds: float) -> int:
    return max(1, round(seconds / TICK_S))

"""The listening side: accepts connections, holds their limits and deadlines, and ends them in order.

Why not uvicorn: it was measured first (2 shared cores, 1 KB chat body, CPU time a request of a hello-world
application): uvicorn with httptools and uvloop 56-65 µs, this protocol 14 µs; uvicorn alone would have been
the whole budget of the bar, and it has no deadline for slow senders.

Refuses to know paths and calls. Invariant: every connection has a deadline or a request under way.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

from pilothouse.gateway.client import ClientConnection, Handler

if TYPE_CHECKING:
    from pilothouse.gateway.settings import DeadlineSettings, LimitSettings

TICK_S = 0.1
"""The resolution of all deadlines of clients, in seconds."""
CUT_S = 1.0
"""How long connections that were cut may take to be gone, in seconds."""
BACKLOG = 4096
ACCEPT_AGAIN_S = 0.1
"""How long nothing is accepted after the process ran out of files, in seconds."""
BURST = 4
"""Connections that a worker accepts before it leaves others the time to wake up, `BREATH_S` seconds."""
BREATH_S = 0.001
TLS_SHUTDOWN_S = 1.0
"""How long a client may take to answer the end of its TLS session, in seconds; most do not."""

logger = logging.getLogger(__name__)
Task = asyncio.Task[Any]


class Server:
    """All client connections of one worker."""

    def __init__(self, handler: Handler, limits: "LimitSettings", deadlines: "DeadlineSettings") -> None:
        self.handler = handler
        self.limits = limits
        self.head_ticks = _ticks(deadlines.head_s)
        self.body_ticks = _ticks(deadlines.body_s)
        self.keep_alive_ticks = _ticks(deadlines.keep_alive_s)
        self.stall_ticks = _ticks(deadlines.client_stall_s)
        self.farewell_ticks = 0
        self.tick = 0
        self.is_stopping = False
        self.kept_bytes = 0
        self.connections: set[ClientConnection] = set()
        self._handshake_s = deadlines.head_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Server | None = None
        self._listening: socket.socket | None = None
        self._second: asyncio.Server | None = None
        self._left_tick = 0
        self._burst = 0
        self._context: ssl.SSLContext | None = None
        self._greeting: set[Task] = set()
        self._gone = asyncio.Event()
        self._empty = asyncio.Event()

    async def listen(
        self, listening: socket.socket, context: ssl.SSLContext | None = None, *, is_shared: bool = False
    ) -> None:
        """Accepts connections from a socket that already listens.

        Args:
            listening: The socket.
            context: With it, clients speak TLS.
            is_shared: Whether other workers accept from it too. Alone, libuv's server accepts for half the
                CPU time (34 µs a connection, against 80); but it takes all that wait, so that of a burst
                the worker that woke up first has everything, for as long as its clients stay.
        """
        self._timer = self._loop.call_later(TICK_S, self._sweep)
        if context is None and not is_shared:
            self._listener = await self._loop.create_server(
                lambda: ClientConnection(self), sock=listening, backlog=BACKLOG
            )
            return
        listening.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self._listening = listening
        self._context = context
        self._resume_accepting()

    async def listen_too(self, host: str, port: int) -> None:
        """Accepts connections on a second port, which all workers share; in clear, so keep it on loopback."""
        self._second = await self._loop.create_server(
            lambda: ClientConnection(self), host, port, backlog=BACKLOG, reuse_port=True
        )

    def renew(self, context: ssl.SSLContext) -> None:
        """Takes further connections with another TLS context; those that are open keep theirs."""
        self._context = context

    def joined(self, connection: ClientConnection) -> bool:
        """Notes a new connection. Returns whether there is room for it."""
        self.connections.add(connection)
        return len(self.connections) <= self.limits.connections

    def left(self, connection: ClientConnection) -> None:
        """Forgets a connection."""
        self.connections.discard(connection)
        if self.is_stopping and not self.connections:
            self._gone.set()
            self._look_empty()

    def leave(self, *, farewell_s: float) -> None:
        """Accepts nothing more, and lets connections without a request go after `farewell_s`.

        An answer that begins after this says that its connection ends; one that began before cannot, so its
        connection stays for another request until it was idle for as long (RFC 9112, 9.6).
        """
        if not self.is_stopping:
            self._left_tick = self.tick
        self.is_stopping = True
        self.farewell_ticks = round(farewell_s / TICK_S)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._second is not None:
            self._second.close()
            self._second = None
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for connection in list(self.connections):
            connection.close_if_idle()
        self._look_empty()

    async def emptied(self) -> None:
        """Returns when the last connection is gone; `leave` comes first."""
        await self._empty.wait()

    async def cut(self) -> None:
        """Ends every connection that is left, and the deadlines' clock."""
        for connection in list(self.connections):
            connection.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_S):
                if self.connections:
                    self._gone.clear()
                    await self._gone.wait()  # what was cut is on record when its connection is lost
        if self._timer is not None:
            self._timer.cancel()

    def _accept(self) -> None:
        """Takes one connection in, and leaves the next to the worker that comes first."""
        if self._listening is None:
            return
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker, or the client has gone
        except OSError as error:
            logger.error("no connection can be accepted for now: %s", error)  # noqa: TRY400 - no fault of ours
            self._pause_accepting(ACCEPT_AGAIN_S)
            return
        self._burst += 1
        if self._burst >= BURST:
            self._pause_accepting(BREATH_S)
        context = self._context
        is_tls = context is not None
        greeting = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: ClientConnection(self),
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._handshake_s if is_tls else None,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S if is_tls else None,
            )
        )
        self._greeting.add(greeting)
        greeting.add_done_callback(self._greeted)

    def _greeted(self, greeting: Task) -> None:
        self._greeting.discard(greeting)
        if not greeting.cancelled():
            greeting.exception()  # a handshake that failed is the client's concern
        if self.is_stopping:
            self._look_empty()

    def _pause_accepting(self, pause_s: float) -> None:
        assert self._listening is not None
        self._burst = 0
        self._loop.remove_reader(self._listening)
        self._loop.call_later(pause_s, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening, self._accept)

    def _look_empty(self) -> None:
        """Says so when nobody is left, not even in the middle of a handshake or just accepted."""
        if not self.connections and not self._greeting and self.tick > self._left_tick:
            self._empty.set()

    def _sweep(self) -> None:
        self.tick += 1
        now = self.tick
        for connection in [c for c in self.connections if c.deadline_tick <= now]:
            connection.overdue()
        if self.is_stopping:
            self._look_empty()
        self._timer = self._loop.call_later(TICK_S, self._sweep)


def _ticks(seconds: float) -> int:
    return max(1, round(seconds / TICK_S))

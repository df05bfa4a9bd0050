"""The upstream pool: keep-alive connections by address, with limits, deadlines and one safe repeat.

Refuses to know what is asked and answered. Invariant: an exchange that was accepted by `send` ends in its
receiver's `on_end` within its deadlines, or in silence when its owner cancelled it.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING

from pilothouse.contracts.status import UpstreamStatus
from pilothouse.network.connection import UpstreamConnection
from pilothouse.network.errors import ConnectError, DeadlineError, PoolFullError

if TYPE_CHECKING:
    from pilothouse.network.address import Address
    from pilothouse.network.exchange import Exchange
    from pilothouse.network.settings import PoolSettings

SWEEP_S = 0.1
"""How often deadlines are looked at: the resolution of every deadline here, in seconds."""


class Origin:
    """The connections to one address."""

    def __init__(self, address: "Address", settings: "PoolSettings", tasks: set[asyncio.Task[None]]) -> None:
        self.address = address
        self.max_head_bytes = settings.max_head_bytes
        self._settings = settings
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._idle: list[UpstreamConnection] = []
        self._connections: set[UpstreamConnection] = set()
        self._connecting = 0
        self._waiters: deque[Exchange] = deque()
        self._tls: ssl.SSLContext | None = None
        self._opened_total = 0
        self._reused_total = 0
        self._failures_total = 0

    def send(self, exchange: "Exchange") -> None:
        """Sends on an idle connection, or opens one, or queues.

        Raises:
            PoolFullError: The queue is full; nothing was sent.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                self._reused_total += 1
                self._send_on(connection, exchange)
                return
        if len(self._waiters) >= self._settings.waiters_per_origin:
            raise PoolFullError(f"{len(self._waiters)} calls already wait for {self.address.label}")
        exchange.phase = "wait"
        exchange.deadline_at = self._loop.time() + self._settings.wait_s
        self._waiters.append(exchange)
        self._open_for_waiters()

    def release(self, connection: UpstreamConnection) -> None:
        """Gives a free connection to the oldest waiter, or keeps it."""
        connection.mark_reused()
        while self._waiters:
            exchange = self._waiters.popleft()
            if not exchange.is_done:
                self._reused_total += 1
                self._send_on(connection, exchange)
                return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Forgets a closed connection, and opens another if calls wait."""
        self._connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._open_for_waiters()

    def repeat(self, exchange: "Exchange") -> None:
        """Sends an exchange once more, on a connection made for it."""
        exchange.is_repeatable = False
        self._spawn(exchange)

    def sweep(self, now: float) -> None:
        """Fails what missed its deadline, and closes what was idle for too long."""
        for exchange in [c.exchange for c in self._connections if c.exchange is not None]:
            self._sweep_busy(exchange, now)
        while self._waiters and (self._waiters[0].is_done or self._waiters[0].deadline_at <= now):
            exchange = self._waiters.popleft()
            self._failures_total += not exchange.is_done
            exchange.fail(DeadlineError(f"{self.address.label} had no connection free in time", phase="wait"))
        oldest = now - self._settings.idle_ttl_s
        for connection in [c for c in self._idle if c.idle_since < oldest]:
            connection.close()
            self._idle.remove(connection)

    def status(self) -> UpstreamStatus:
        """Returns the live gauges."""
        return UpstreamStatus(
            origin=self.address.label,
            open=len(self._connections),
            idle=len(self._idle),
            waiting=sum(not exchange.is_done for exchange in self._waiters),
            opened_total=self._opened_total,
            reused_total=self._reused_total,
            failures_total=self._failures_total,
        )

    def is_unused(self) -> bool:
        """Says whether nothing is open or waiting here."""
        return not (self._connections or self._waiters or self._connecting)

    def close(self) -> None:
        """Closes every connection; exchanges under way end as cut."""
        for connection in list(self._connections):
            connection.close()
        self._idle.clear()

    def _send_on(self, connection: UpstreamConnection, exchange: "Exchange") -> None:
        exchange.deadline_at = self._loop.time() + exchange.deadlines.first_byte_s
        exchange.is_heard = False
        connection.send(exchange)

    def _sweep_busy(self, exchange: "Exchange", now: float) -> None:
        connection = exchange.connection
        if exchange.is_heard or connection is None or connection.is_paused:
            exchange.is_heard = False
            exchange.deadline_at = now + exchange.deadlines.idle_s
        elif exchange.deadline_at <= now:
            self._failures_total += 1
            connection.abandon()
            is_begun = exchange.phase == "idle"
            what = "fell silent in the middle of its answer" if is_begun else "began no answer in time"
            exchange.fail(DeadlineError(f"{self.address.label} {what}", phase=exchange.phase))

    def _open_for_waiters(self) -> None:
        room = self._settings.connections_per_origin - len(self._connections) - self._connecting
        wanted = min(room, len(self._waiters) - self._connecting)
        for exchange in list(self._waiters)[:wanted] if wanted > 0 else ():
            self._spawn(exchange)

    def _spawn(self, exchange: "Exchange") -> None:
        self._connecting += 1
        task = self._loop.create_task(self._connect(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, exchange: "Exchange") -> None:
        """Opens a connection for the sake of `exchange`; whoever waits longest gets it."""
        try:
            async with asyncio.timeout(self._settings.connect_s):
                connection = await self._open()
        except TimeoutError:
            self._connect_failed(
                exchange, DeadlineError(f"{self.address.label} did not accept in time", phase="connect")
            )
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or "handshake failed"
            self._connect_failed(exchange, ConnectError(f"{self.address.label}: TLS: {reason}"))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._connect_failed(exchange, ConnectError(f"{self.address.label}: {reason}"))
        else:
            self._connecting -= 1
            self._opened_total += 1
            self._connections.add(connection)
            self._hand_over(connection, exchange)

    def _hand_over(self, connection: UpstreamConnection, exchange: "Exchange") -> None:
        if exchange in self._waiters or exchange.connection is not None or exchange.is_done:
            self.release_fresh(connection)
        else:
            self._send_on(connection, exchange)  # a repeat never stands in the queue

    def release_fresh(self, connection: UpstreamConnection) -> None:
        """Gives a connection that was never used to the oldest waiter, or keeps it."""
        while self._waiters:
            exchange = self._waiters.popleft()
            if not exchange.is_done:
                self._send_on(connection, exchange)
                return
        connection.mark_reused()
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def _connect_failed(self, exchange: "Exchange", error: ConnectError | DeadlineError) -> None:
        self._connecting -= 1
        self._failures_total += 1
        with contextlib.suppress(ValueError):
            self._waiters.remove(exchange)
        if exchange.connection is None:
            exchange.fail(error)
        self._open_for_waiters()

    async def _open(self) -> UpstreamConnection:
        address = self.address
        if address.socket_path is not None:
            _, connection = await self._loop.create_unix_connection(
                lambda: UpstreamConnection(self), address.socket_path
            )
            return connection
        context = self._tls_context() if address.is_tls else None
        transport, connection = await self._loop.create_connection(
            lambda: UpstreamConnection(self),
            address.host,
            address.port,
            ssl=context,
            server_hostname=address.host if context is not None else None,
        )
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
            if not self.address.verify_tls:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls


class Pool:
    """All upstream connections of one process."""

    def __init__(self, settings: "PoolSettings") -> None:
        self._settings = settings
        self._origins: dict[Address, Origin] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def origin(self, address: "Address") -> Origin:
        """Returns the connections to `address`, the same object for equal addresses."""
        found = self._origins.get(address)
        if found is None:
            found = self._origins[address] = Origin(address, self._settings, self._tasks)
        return found

    def status(self) -> tuple[UpstreamStatus, ...]:
        """Returns the live gauges of each address."""
        return tuple(origin.status() for origin in self._origins.values())

    async def close(self) -> None:
        """Closes everything."""
        self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for origin in self._origins.values():
            origin.close()

    def _sweep(self) -> None:
        now = self._loop.time()
        for origin in self._origins.values():
            origin.sweep(now)
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)

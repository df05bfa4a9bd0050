"""Active checks: asks each engine of ours how it is, over its socket, every second or two.

Only engines are asked: providers cost money and have limits, and their calls say enough. Refuses to know
calls. Invariant: at most one check of an engine is under way; two failed checks in a row make it unready, one
that succeeds makes it ready at once.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterable
from typing import Protocol

from pilothouse.gateway.routing.vitals import Vitals
from pilothouse.network.errors import NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead
from pilothouse.network.pool import Origin
from pilothouse.network.settings import Deadlines

OK = 200
EVERY_S = 1.0
FAILURES = 2
PATIENCE = Deadlines(first_byte_s=2.0, idle_s=2.0)


def engine_check(authority: str) -> bytes:
    """Returns the request that asks an engine how it is (llama.cpp and vLLM both answer `/health`)."""
    return f"GET /health HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode()


class Engine(Protocol):
    """What of a deployment a check needs."""

    check: bytes | None
    origin: Origin
    vitals: Vitals


class Check:
    """One engine's checks, one at a time."""

    __slots__ = ("_clock", "_failures", "_status", "is_under_way", "vitals")

    def __init__(self, vitals: Vitals, clock: Callable[[], float]) -> None:
        self.vitals = vitals
        self.is_under_way = False
        self._clock = clock
        self._failures = 0
        self._status = 0

    def begin(self, request: bytes, origin: Origin) -> None:
        """Asks."""
        self.is_under_way = True
        self._status = 0
        try:
            origin.send(Exchange(request, self, PATIENCE))
        except PoolFullError:
            self.is_under_way = False  # calls wait for it: they will say how it is

    def on_head(self, head: ResponseHead) -> None:
        """Keeps the status."""
        self._status = head.status

    def on_body(self, data: bytes) -> None:
        """The body says nothing more."""

    def on_end(self, error: NetworkError | None) -> None:
        """Takes the answer, or its absence, to the vitals."""
        self.is_under_way = False
        is_ready = error is None and self._status == OK
        self._failures = 0 if is_ready else self._failures + 1
        if is_ready or self._failures >= FAILURES:
            self.vitals.checked(self._clock(), is_ready=is_ready)


class Checks:
    """The checks of all engines in force."""

    def __init__(self, loop: AbstractEventLoop, engines: Callable[[], Iterable[Engine]]) -> None:
        self._loop = loop
        self._engines = engines
        self._checks: dict[str, Check] = {}
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Begins to ask."""
        self._timer = self._loop.call_later(EVERY_S, self._round)

    def stop(self) -> None:
        """Asks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _round(self) -> None:
        known, self._checks = self._checks, {}
        for engine in self._engines():
            if engine.check is None:
                continue
            vitals = engine.vitals
            check = known.get(vitals.id)
            if check is None or check.vitals is not vitals:
                check = Check(vitals, self._loop.time)
            self._checks[vitals.id] = check
            if not check.is_under_way:
                check.begin(engine.check, engine.origin)
        self._timer = self._loop.call_later(EVERY_S, self._round)

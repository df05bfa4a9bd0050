"""Asks at a fixed rate, whatever the answers take: `Pace(...)`, then `uvloop.run(pace.run())`.

Each question has its moment beforehand and its time is counted from that moment, so that a peer that stalls
cannot hide the questions it kept from being asked (coordinated omission). A timer of the kernel's that is
exact to microseconds rings; uvloop's own are exact to a millisecond.

Refuses to know peers and tables. Invariant: every question ends as exactly one `Answer`.
"""

import asyncio
import ctypes
import gc
import os
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, cast

import httptools
import msgspec

from bench.peer import Running
from bench.question import Scenario, body, fault_in

Outcome = Literal[
    "right",
    "refused",  # another status than 200
    "error event",  # a stream that says that it broke, and does not end as if it were whole
    "false end",  # an answer that looks whole and is not
    "cut",  # the connection ended before the answer did
    "timeout",
    "no connection",
]
CLOCK_MONOTONIC, NONBLOCK_CLOEXEC = 1, 0o2004000
"""timerfd_create(2)."""
REMEMBERED = 64
"""Right answers whose bytes are kept, so that the same bytes need not be read again."""


class Answer(msgspec.Struct, frozen=True):
    """How one question went."""

    due_s: float
    """When it was to be asked, in seconds from the start."""
    first_us: float
    """To the first byte of the answer's body; as `whole_us` when none came."""
    whole_us: float
    outcome: Outcome
    status: int = 0
    example: str = ""


class Pace:
    """One steady flow of the same question."""

    def __init__(
        self,
        peer: Running,
        scenario: Scenario,
        *,
        rate: float,
        seconds: float,
        connections: int = 32,
        most: int = 8192,
        patience_s: float = 10.0,
        model: str | None = None,
        headers: dict[str, str] | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> None:
        """Prepares the flow; nothing is asked yet.

        Args:
            peer: who is asked.
            scenario: what is asked, and what a right answer is.
            rate: questions a second.
            seconds: for how long.
            connections: opened before the first question.
            most: connections at once; a question beyond it is a failure (`no connection`).
            patience_s: how long is waited for answers once all is asked.
            model: the model, if it is not the peer's.
            headers: further headers; they replace the peer's.
            on_answer: told of each answer as it ends.
        """
        content = body(model or peer.model, is_stream=scenario.is_stream)
        lines = {"host": f"127.0.0.1:{peer.port}", "content-type": "application/json", **peer.headers}
        lines |= {**(headers or {}), "content-length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.request = f"POST {peer.path} HTTP/1.1\r\n{head}\r\n".encode() + content
        self.scenario, self.rate, self.seconds = scenario, rate, seconds
        self.connections, self.most, self.patience_s = connections, most, patience_s
        self.answers: list[Answer] = []
        self.idle: list[_Connection] = []
        self.most_busy = 0
        self.busy: set[_Connection] = set()
        self.known: set[bytes] = set()
        self.started = 0.0
        """`time.perf_counter()` when the first question is due."""
        self.unasked: deque[float] = deque()
        """Moments of questions that wait for a connection to be made."""
        self._port = peer.port
        self._on_answer = on_answer
        self._all: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._all_asked = asyncio.Event()

    async def run(self) -> list[Answer]:
        """Asks all questions, waits for their answers and returns them."""
        for _ in range(self.connections):
            await self._connect()
        gc.disable()
        try:
            self.started = time.perf_counter()
            await self._ring()
            until = time.perf_counter() + self.patience_s
            while (self.busy or self._opening) and time.perf_counter() < until:  # noqa: ASYNC110 - all is asked
                await asyncio.sleep(0.02)
        finally:
            gc.enable()
        for connection in list(self.busy):
            connection.finish("timeout")
        for connection in self._all:
            connection.close()
        while self._all:  # noqa: ASYNC110 - a turn or two of the loop
            await asyncio.sleep(0)
        return self.answers

    def joined(self, connection: "_Connection") -> None:
        """Gives a fresh connection the question that has waited longest, if there is one."""
        self._all.add(connection)
        if self.unasked:
            connection.ask(self.unasked.popleft())
        else:
            self.idle.append(connection)

    def left(self, connection: "_Connection") -> None:
        """Forgets a connection."""
        self._all.discard(connection)

    def stop(self) -> None:
        """Asks no more questions."""
        self._all_asked.set()

    async def _ring(self) -> None:
        """Asks each question at its moment."""
        libc, loop = ctypes.CDLL(None, use_errno=True), asyncio.get_running_loop()
        timer = libc.timerfd_create(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
        seconds, nanoseconds = divmod(round(1e9 / self.rate), 1_000_000_000)
        libc.timerfd_settime(timer, 0, struct.pack("llll", seconds, nanoseconds, seconds, nanoseconds), None)
        total, asked = round(self.rate * self.seconds), 0

        def ring() -> None:
            nonlocal asked
            os.read(timer, 8)
            now = time.perf_counter() - self.started
            while asked < total and asked / self.rate <= now:
                self._ask(asked / self.rate)
                asked += 1
            if asked == total:
                self._all_asked.set()

        loop.add_reader(timer, ring)
        await self._all_asked.wait()
        loop.remove_reader(timer)
        os.close(timer)

    def _ask(self, due_s: float) -> None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.is_closed:
                connection.ask(due_s)
                return
        if len(self._all) + len(self._opening) >= self.most:
            self.end(Answer(due_s, 0, 0, "no connection", example="too many questions are unanswered"))
            return
        self.unasked.append(due_s)
        task = asyncio.get_running_loop().create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        """Makes a connection; the question that has waited longest is asked on it."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError as problem:
            if self.unasked:
                due_s = self.unasked.popleft()
                took_us = (time.perf_counter() - self.started - due_s) * 1e6
                self.end(Answer(due_s, took_us, took_us, "no connection", example=f"{problem}"))

    def end(self, answer: Answer) -> None:
        """Keeps how a question went."""
        self.answers.append(answer)
        if self._on_answer is not None:
            self._on_answer(answer)

    def judge(self, status: int, content: bytes) -> tuple[Outcome, str]:
        """Returns what an answer that came whole is worth, and why."""
        if status != 200:
            return "refused", f"{status} {content[:300]!r}"
        if content in self.known:
            return "right", ""
        fault = fault_in(content, self.scenario)
        if fault is None:
            if len(self.known) < REMEMBERED:
                self.known.add(content)
            return "right", ""
        if self.scenario.is_stream and b'"error"' in content and b"[DONE]" not in content:
            return "error event", content[-300:].decode(errors="replace")
        return "false end", fault


class _Connection(asyncio.Protocol):
    """One kept-alive connection; httptools calls its `on_` methods."""

    def __init__(self, pace: Pace) -> None:
        self.is_closed = False
        self._pace = pace
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._due_s: float | None = None
        self._first_us: float | None = None
        self._will_close = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._pace.joined(self)

    def ask(self, due_s: float) -> None:
        """Asks the question that was due at `due_s`."""
        self._due_s, self._first_us = due_s, None
        self._pace.busy.add(self)
        self._pace.most_busy = max(self._pace.most_busy, len(self._pace.busy))
        self._transport.write(self._pace.request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self.finish("cut", f"not HTTP: {problem}: {data[:200]!r}")
            self.close()

    def on_body(self, piece: bytes) -> None:
        if self._first_us is None:
            self._first_us = self._elapsed_us()
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        content, status = b"".join(self._pieces), self._parser.get_status_code()
        self._will_close = not self._parser.should_keep_alive()
        self.finish(*self._pace.judge(status, content), status=status)
        if self._will_close:
            self.close()
        else:
            self._pace.idle.append(self)

    def finish(self, outcome: Outcome, example: str = "", *, status: int = 0) -> None:
        """Ends the question that is under way."""
        if self._due_s is None:
            return
        whole_us = self._elapsed_us()
        first_us = whole_us if self._first_us is None else self._first_us
        ended = Answer(self._due_s, first_us, whole_us, outcome, status, example)
        self._due_s = None
        self._pieces.clear()
        self._pace.busy.discard(self)
        self._pace.end(ended)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._pace.left(self)
        had = b"".join(self._pieces)[-200:]
        self.finish("cut", f"the connection ended ({exc}) after {had!r}")

    def close(self) -> None:
        """Closes it."""
        self.is_closed = True
        self._transport.close()

    def _elapsed_us(self) -> float:
        assert self._due_s is not None
        return (time.perf_counter() - self._pace.started - self._due_s) * 1e6

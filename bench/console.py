"""What twenty people looking at the first screen cost the gateway: `python -m bench.console`.

A Pilothouse takes a steady flow of calls; in turn nobody looks, and twenty viewers do as the page does: each
holds the live tail and asks for the first screen every 2.5 seconds. Control runs meanwhile, on the load's
core.

Refuses to know peers. Invariant: rounds with and without viewers alternate on the same running gateway.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes, question
from bench.ask import wait_until_right
from bench.bars import Figures, at_most
from bench.measure import paced
from bench.peer import Place, Running
from bench.peers.pilothouse import PilothouseWithControl
from bench.question import Scenario
from bench.rig import GATEWAY_CORE, LOAD_CORE, ROOT, gateways, mocks, on_load_core

VIEWERS = 20
POLL_S = 2.5
SCREEN = "/api/v1/screen?window_s=900"
TAIL = "/api/v1/requests/tail?most=12"
BAR = 1.05
STARTED_WITHIN_S = 120.0


class Checkout(PilothouseWithControl):
    """The checkout as it lies here, not compiled."""

    def install(self, environment: Path) -> str:
        """Leaves the environment as it is."""
        return str(environment)


@dataclass
class Seen:
    """What the viewers were sent."""

    screens: int = 0
    unchanged: int = 0
    screen_bytes: int = 0
    tail_bytes: int = 0
    calls: int = 0
    problems: list[str] = field(default_factory=list)


class Viewers:
    """Some people with the first screen open, on a thread and loop of their own."""

    def __init__(self, running: Running, many: int) -> None:
        self._running = running
        self._many = many
        self.seen = Seen()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def looking(self) -> Iterator[Seen]:
        """They look as long as the block runs."""
        thread = threading.Thread(target=lambda: asyncio.run(self._look()))
        thread.start()
        try:
            yield self.seen
        finally:
            self._stop.set()
            thread.join()

    async def _look(self) -> None:
        looks = [self._poll(number) for number in range(self._many)]
        tails = [self._tail() for _ in range(self._many)]
        tasks = [asyncio.create_task(self._guarded(one)) for one in (*looks, *tails)]
        await asyncio.to_thread(self._stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, look: Coroutine[None, None, None]) -> None:
        try:
            await look
        except (OSError, ValueError, asyncio.IncompleteReadError) as problem:
            self.seen.problems.append(repr(problem))

    def _head(self, path: str, *more: str) -> bytes:
        lines = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", "accept-encoding: gzip", *more]
        lines += [f"{name}: {value}" for name, value in self._running.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _poll(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._running.port)
        etag = ""
        await asyncio.sleep(POLL_S * number / self._many)
        with contextlib.closing(writer):
            while True:
                started = time.monotonic()
                writer.write(self._head(SCREEN, *((f"if-none-match: {etag}",) if etag else ())))
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                status = int(head.split(" ", 2)[1])
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                if status not in {200, 304}:
                    self.seen.problems.append(f"{status}: {body[:200]!r}")
                etag = fields.get("etag", "").replace('w/"', 'W/"')
                self.seen.screens += 1
                self.seen.unchanged += status == 304
                self.seen.screen_bytes += len(head) + len(body)
                await asyncio.sleep(max(0.0, POLL_S - (time.monotonic() - started)))

    async def _tail(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._running.port)
        with contextlib.closing(writer):
            writer.write(self._head(TAIL))
            while data := await reader.read(1 << 16):
                self.seen.tail_bytes += len(data)
                self.seen.calls += data.count(b"event: call")


@contextlib.contextmanager
def pilothouse(upstream_port: int) -> Iterator[Running]:
    """Runs the checkout, the gateway on one core, control on the other."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as scratch:
        place = Place(
            upstream_port=upstream_port,
            environment=ROOT / ".venv",
            scratch=Path(scratch),
            gateway_core=GATEWAY_CORE,
            load_core=min(LOAD_CORE, (os.cpu_count() or 1) - 1),
        )
        running = Checkout().start(place)
        try:
            wait_until_right(running, question.PLAIN[0], within_s=STARTED_WITHIN_S)
            assert running.settle is not None
            running.settle()
            yield running
        finally:
            running.stop()


def cost_us(running: Running, scenario: Scenario, seconds: int) -> tuple[float, float, int]:
    """Returns the gateway's CPU µs a request, control's share of a core, and wrong answers."""
    ours = gateways(running)
    control = [one for one in running.counted() if "pilothouse.control" in processes.command(one)]
    before, control_before = processes.cpu_seconds(ours), processes.cpu_seconds(control)
    taken = paced(running, scenario, seconds)
    spent = processes.cpu_seconds(ours) - before
    busy = (processes.cpu_seconds(control) - control_before) / seconds
    if taken.example:
        print(f"wrong: {taken.example[:200]}", file=sys.stderr)
    return spent * 1e6 / max(1, taken.requests), busy, taken.wrong


def measure(rounds: int, seconds: int, rate: float, many: int) -> Figures:
    """Takes the figures."""
    scenario = Scenario("watched", 64, rate=rate)
    alone: list[float] = []
    watched: list[float] = []
    busy: dict[bool, list[float]] = {False: [], True: []}
    wrong, seen = 0, Seen()
    with mocks() as (mock,), pilothouse(mock.port) as running, on_load_core():
        cost_us(running, scenario, 2)  # warm
        for _ in range(rounds):
            cost, control, bad = cost_us(running, scenario, seconds)
            alone.append(cost)
            busy[False].append(control)
            viewers = Viewers(running, many)
            with viewers.looking() as seen:
                time.sleep(1)
                cost, control, more = cost_us(running, scenario, seconds)
            watched.append(cost)
            busy[True].append(control)
            wrong += bad + more + len(seen.problems)
            for problem in seen.problems[:3]:
                print(f"a viewer's problem: {problem}", file=sys.stderr)
    looked_s = seconds + 1
    ratio = statistics.median(with_ / without for with_, without in zip(watched, alone, strict=True))
    return {
        "gateway's CPU µs a request, nobody looks": statistics.median(alone),
        f"with {many} viewers": statistics.median(watched),
        "with over without, median of rounds": at_most(BAR, ratio),
        "control's share of a core, nobody looks": statistics.median(busy[False]),
        f"control's share of a core, {many} viewers": statistics.median(busy[True]),
        "screens answered a second": seen.screens / looked_s,
        "bytes a screen, head included": seen.screen_bytes / max(1, seen.screens),
        "tail, calls a second and viewer": seen.calls / looked_s / many,
        "tail, bytes a second and viewer": seen.tail_bytes / looked_s / many,
        "wrong answers and problems": at_most(0, wrong),
    }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1000.0, help="calls a second")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    for name, value in measure(chosen.rounds, chosen.seconds, chosen.rate, chosen.viewers).items():
        print(f"{name:<48} {value if isinstance(value, str) else f'{value:,.3g}'}")


if __name__ == "__main__":
    main()

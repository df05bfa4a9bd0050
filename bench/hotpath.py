"""Takes the CPU time of one call inside the gateway, sockets left out: `python -m bench.hotpath`.

The real server protocol, pipeline, pool connection and journal, with transports that only keep what is
written. On a shared machine this tells 1 µs from another where a load test cannot tell 20. `--profile` says
how often each function runs and what it costs.

Refuses to know peers. Invariant: every answer is checked before time is taken.
"""

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import uvloop

from bench import mock_answers
from bench.mock_upstream import Knobs, compose
from bench.peers.pilothouse import publish
from bench.question import PACED, PLAIN, STREAMS, Scenario, body

CALLS = 25
"""Calls in one batch: few, so that one batch meets a calm moment."""


class Sink:
    """A transport that keeps what is written last."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        """Keeps `data`."""
        self.written += data

    def is_closing(self) -> bool:
        """Never."""
        return False

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        """Nothing is buffered."""
        return 0


class Bench:
    """A gateway without sockets, and one call at a time through it."""

    def __init__(self, root: str) -> None:
        from pilothouse.contracts.home import Home
        from pilothouse.gateway.client import ClientConnection
        from pilothouse.gateway.directory import Directory
        from pilothouse.gateway.follow import open_snapshot
        from pilothouse.gateway.front import FrontDoor
        from pilothouse.gateway.server import Server
        from pilothouse.gateway.settings import GatewayProcess
        from pilothouse.gateway.state import GatewayState
        from pilothouse.network.connection import UpstreamConnection
        from pilothouse.network.pool import Pool
        from pilothouse.supervise.home import prepare
        from pilothouse.telemetry.journal import Journal
        from pilothouse.telemetry.keyring import Keyring
        from pilothouse.telemetry.settings import JournalSettings

        home = Home(root=root)
        prepare(home)
        self.key = publish(home, 9)
        pepper = Path(home.pepper).read_bytes()
        process = GatewayProcess(home=root, worker="0", version="bench", listen_fd=0)
        self.journal = Journal.open(
            home.journal,
            writer="bench",
            keyring=Keyring(home.keyring, home.master_key),
            settings=JournalSettings(),
        )
        pool = Pool(process.settings.pool)
        state = GatewayState(
            process, pepper=pepper, journal=self.journal, pool=pool, loop=asyncio.get_running_loop()
        )
        snapshot = open_snapshot(Path(home.snapshot).read_bytes(), Path(home.verifying_key).read_bytes())
        state.obey(Directory(snapshot, pepper=pepper, secrets={}, origins=pool.origin))
        server = Server(FrontDoor(state, None), process.settings.limits, process.settings.deadlines)  # type: ignore[arg-type] # nobody asks for its health here
        self.client, self.client_side = ClientConnection(server), Sink()
        self.client.connection_made(self.client_side)  # type: ignore[arg-type] # what of a transport is used
        (origin,) = pool._origins.values()  # noqa: SLF001 - its connection is put in place by hand
        self.upstream, self.upstream_side = UpstreamConnection(origin), Sink()
        self.upstream.connection_made(self.upstream_side)  # type: ignore[arg-type] # as above
        origin.release_fresh(self.upstream)

    def call(self, request: bytes, answer: tuple[bytes, ...]) -> None:
        """Lets one call go through."""
        self.client.data_received(request)
        for piece in answer:
            self.upstream.data_received(piece)

    def prepare(self, scenario: Scenario) -> tuple[bytes, tuple[bytes, ...]]:
        """Returns the bytes that come from the client and, read by read, from the upstream.

        Raises:
            RuntimeError: the call did not end as it should.
        """
        content = body("mock-model", is_stream=scenario.is_stream)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:9999\r\n"
            f"Content-Length: {len(content)}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self.key}\r\n\r\n"
        )
        options = mock_answers.StreamOptions(include_usage=True)
        question = mock_answers.Question(
            model="mock-model", stream=scenario.is_stream, stream_options=options
        )
        request, answer = head.encode() + content, compose("/chat/completions", question, Knobs())
        if not scenario.knobs.gap_ms:
            answer = (b"".join(answer),)
        self.client_side.written = self.upstream_side.written = b""
        self.call(request, answer)
        ending = b"[DONE]" if scenario.is_stream else b'"completion_tokens":20'
        if not self.client_side.written.startswith(b"HTTP/1.1 200") or ending not in self.client_side.written:
            raise RuntimeError(f"wrong answer: {self.client_side.written[:500]!r}")
        if b"mock-model" not in self.upstream_side.written:
            raise RuntimeError("nothing was sent upstream")
        return request, answer

    def batch(self, request: bytes, answer: tuple[bytes, ...]) -> float:
        """Returns the CPU time of a call, in microseconds, over one batch."""
        call, client_side, upstream_side = self.call, self.client_side, self.upstream_side
        started = time.process_time()
        for _ in range(CALLS):
            call(request, answer)
            client_side.written = upstream_side.written = b""
        return (time.process_time() - started) / CALLS * 1e6


async def measure(seconds: float, *, is_profile: bool) -> None:
    """Prints the best batch's time of plain calls, and of streams in one read and in a read an event."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-hotpath-") as root:
        bench = Bench(root)
        for scenario in (PLAIN[0], STREAMS, PACED):
            request, answer = bench.prepare(scenario)
            best, batches, until = float("inf"), 0, time.monotonic() + seconds
            while time.monotonic() < until:
                best, batches = min(best, bench.batch(request, answer)), batches + 1
                await asyncio.sleep(0)
            print(f"{scenario.name:12} {best:7.1f} µs of CPU a call (best of {batches} batches of {CALLS})")
            if is_profile:
                profile = cProfile.Profile()
                profile.runcall(bench.batch, request, answer)
                pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        bench.journal.close()


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.hotpath", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each of the three kinds of call")
    parser.add_argument("--profile", action="store_true", help="also say what each function costs")
    chosen = parser.parse_args()
    uvloop.run(measure(chosen.seconds, is_profile=chosen.profile))


if __name__ == "__main__":
    main()

"""Whether a limit holds: many clients against a key of a thousand calls a minute, on one host and on two.

Refuses to know how limits are counted. Invariant: a call counts within a window only when it was asked and
answered inside it, so that what is shown as an overshoot is one.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from bench.bars import Figures, at_most
from bench.pace import Answer, Pace
from bench.peer import PeerUnavailableError, free_port
from bench.question import Scenario
from bench.rig import mocks, on_load_core, pilothouse

LIMIT, CLIENTS, WINDOW_S = 1000, 64, 60.0
RATE, SECONDS = 300.0, 70.0
"""The limit is reached after four seconds, and again when the first window has passed."""
OVERSHOOT = 0.01
"""The bar of two hosts; on one there may be none."""
PLAIN = Scenario("limited", CLIENTS)
CONFIGURATION = """
models:
  mock-model: {deployments: [{provider: mock, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}]}
providers:
  mock: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
"""
SHARED = 'limits: {store: redis, redis_url: "${REDIS_URL}", on_loss: closed}\n'


def most_in_a_window(answers: Sequence[Answer], window_s: float = WINDOW_S) -> int:
    """Returns the most right answers whose question and answer lie within one window."""
    spans = sorted((one.due_s, one.due_s + one.whole_us / 1e6) for one in answers if one.outcome == "right")
    ends, most = sorted(end for _, end in spans), 0
    for at, (due_s, _) in enumerate(spans):
        # Those due from here on, less those that ended after the window or were due before it.
        inside = sum(1 for end in ends if due_s <= end < due_s + window_s)
        before = sum(1 for _, end in spans[:at] if due_s <= end < due_s + window_s)
        most = max(most, inside - before)
    return most


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Runs a server of the Redis protocol; gives its URL.

    Raises:
        PeerUnavailableError: none is installed.
    """
    command = shutil.which("redis-server") or shutil.which("valkey-server")
    if command is None:
        raise PeerUnavailableError("redis-server is not installed (apt-get install redis-server)")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
    process = subprocess.Popen([command, *options], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


async def together(paces: Sequence[Pace]) -> list[Answer]:
    """Runs several flows at once; their answers' times count from the first one's start."""
    flows = await asyncio.gather(*(pace.run() for pace in paces))
    first = min(pace.started for pace in paces)
    return [
        Answer(one.due_s + pace.started - first, one.first_us, one.whole_us, one.outcome, one.status)
        for pace, answers in zip(paces, flows, strict=True)
        for one in answers
    ]


def figures(answers: Sequence[Answer], allowed: float, seconds: float) -> Figures:
    """Returns what became of all questions."""
    outcomes = Counter(f"{one.outcome} {one.status}".strip() for one in answers)
    refused = sum(one.outcome == "refused" and one.status == 429 for one in answers)
    right = sum(one.outcome == "right" for one in answers)
    most = most_in_a_window(answers)
    windows = 1 + int(seconds // WINDOW_S)
    return {
        "asked": float(len(answers)),
        "let in": float(right),
        "of what the limit allowed": right / (LIMIT * windows),
        "the most in any 60 s": at_most(allowed, most),
        "overshoot": max(0, most - LIMIT) / LIMIT,
        "neither let in nor refused with 429": at_most(0, len(answers) - right - refused),
        "outcomes": ", ".join(f"{name}: {count}" for name, count in outcomes.most_common()),
    }


def one_host(seconds: float = SECONDS) -> Figures:
    """Two workers of one host; a minute and a half."""
    with mocks() as (mock,), on_load_core():
        configuration = CONFIGURATION.replace("UPSTREAM", str(mock.port))
        limit = ("--rpm", str(LIMIT))
        with pilothouse(configuration, *limit, PILOTHOUSE_WORKERS="2") as (running, _):
            pace = Pace(running, PLAIN, rate=RATE, seconds=seconds, connections=CLIENTS)
            answers = uvloop.run(pace.run())
    return figures(answers, LIMIT, seconds)


def two_hosts(seconds: float = SECONDS) -> Figures:
    """Two Pilothouses with the same keys, counting through Redis; a minute and a half."""
    with contextlib.ExitStack() as stack:
        (mock,) = stack.enter_context(mocks())
        stack.enter_context(on_load_core())
        url = stack.enter_context(redis())
        configuration = CONFIGURATION.replace("UPSTREAM", str(mock.port)) + SHARED
        copied = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pilothouse-bench-")))
        with pilothouse(configuration, "--rpm", str(LIMIT), REDIS_URL=url) as (running, home):
            key = running.headers["authorization"].removeprefix("Bearer ")
            running.resume()
            running.stop()
            shutil.copytree(home, copied / "home", ignore=shutil.ignore_patterns("*.sock"))
        paces = []
        for _ in range(2):
            up = pilothouse(configuration, home=copied / "home", key=key, REDIS_URL=url)
            running, _home = stack.enter_context(up)
            half = Pace(running, PLAIN, rate=RATE / 2, seconds=seconds, connections=CLIENTS // 2)
            paces.append(half)
        answers = uvloop.run(together(paces))
    return figures(answers, LIMIT * (1 + OVERSHOOT), seconds)

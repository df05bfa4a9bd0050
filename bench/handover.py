"""Reload and upgrade while clients ask: 500 calls a second and 200 open streams, none refused, none cut.

Refuses to know how the handover is done. Invariant: a connection that closes under a question is a failure;
nothing is asked twice.
"""

import asyncio
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop

from bench import processes
from bench.bars import Figures, at_least, at_most
from bench.mock_upstream import Knobs
from bench.pace import Pace
from bench.peer import Running
from bench.question import Scenario
from bench.rig import mocks, on_load_core, pilothouse

RATE, STREAMS = 500.0, 200
TOKENS, GAP_MS = 40, 100
STREAM_S = TOKENS * GAP_MS / 1000
SLOW = Scenario("slow", 16, is_stream=True, knobs=Knobs(tokens=TOKENS))
PLAIN = Scenario("plain", 32)
BETWEEN_S = 8.0
CONFIGURATION = """
models:
  mock-model: {deployments: [{provider: mock, model: mock-model}]}
  slow: {deployments: [{provider: slow, model: mock-model}]}
providers:
  mock: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
  slow: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/with/KNOBS/v1"}
gateway: {workers: 2}
"""


async def order(verb: str, home: Path, python: str) -> float:
    """Gives an order as a person does; returns the seconds until it was carried out.

    Raises:
        RuntimeError: it was not.
    """
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        python, "-m", "pilothouse", verb, "--home", str(home),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"`pilothouse {verb}` failed: {said.decode()}")
    return time.perf_counter() - started


async def under_load(running: Running, home: Path) -> tuple[Pace, Pace, dict[str, float]]:
    """Reloads and upgrades while both flows run."""
    seconds = STREAM_S + 3 * BETWEEN_S + 60  # stopped before
    plain = Pace(running, PLAIN, rate=RATE, seconds=seconds, connections=PLAIN.connections)
    slow = Pace(
        running,
        SLOW,
        rate=STREAMS / STREAM_S,
        seconds=seconds,
        connections=STREAMS,
        model="slow",
        patience_s=30,
    )
    flows = asyncio.gather(plain.run(), slow.run())
    took: dict[str, float] = {}
    try:
        await asyncio.sleep(STREAM_S + 1)
        for verb in ("reload", "upgrade"):
            took[verb] = await order(verb, home, sys.executable)
            await asyncio.sleep(BETWEEN_S)
    finally:
        plain.stop()
        slow.stop()
        await flows
    return plain, slow, took


def measure() -> Figures:
    """Takes the figures; half a minute."""
    with mocks() as (mock,), on_load_core():
        configuration = CONFIGURATION.replace("UPSTREAM", str(mock.port))
        configuration = configuration.replace("KNOBS", f"tokens={TOKENS},gap_ms={GAP_MS}")
        with pilothouse(configuration) as (running, home):
            processes.send(running.set_aside, signal.SIGCONT)  # control takes part in both
            running.set_aside.clear()
            plain, slow, took = uvloop.run(under_load(running, home))
    failed = [one for one in plain.answers if one.outcome != "right"]
    cut = [one for one in slow.answers if one.outcome != "right"]
    wrong = [*failed, *cut]
    example = f"{dict(Counter(one.outcome for one in wrong))} {wrong[0].example[:200]}" if wrong else "-"
    return {
        "calls asked": float(len(plain.answers)),
        "failed": at_most(0, len(failed)),
        "streams asked": float(len(slow.answers)),
        "open at once": at_least(STREAMS * 0.9, slow.most_busy),
        "cut": at_most(0, len(cut)),
        "what failed": example,
        "slowest call, ms": max(one.whole_us for one in plain.answers) / 1000,
        **{f"{verb} took, s": value for verb, value in took.items()},
    }

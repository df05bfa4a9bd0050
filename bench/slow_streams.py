"""Five thousand slow streams open at once on one worker: what each costs in memory, and whether all end well.

Refuses to know peers. Invariant: memory is counted while all streams are open, and every stream is checked.
"""

import asyncio
import time

import uvloop

from bench import processes
from bench.bars import Figures, at_most
from bench.mock_upstream import Knobs
from bench.pace import Pace
from bench.question import Scenario
from bench.rig import gateways, mocks, on_load_core, pilothouse

STREAMS, RATE, TOKENS, GAP_MS = 5000, 500, 20, 1000
WARM = 200
KB_A_STREAM = 40.0
"""The bar."""
CONFIGURATION = """
models:
  mock-model: {deployments: [{provider: mock, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}]}
providers:
  mock: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
admission: {in_flight: 8192}
"""


async def open_all(pace: Pace, workers: list[int]) -> tuple[int, int]:
    """Opens the streams; returns the most that were open, and the workers' memory then, in bytes."""
    run = asyncio.ensure_future(pace.run())
    await asyncio.sleep(STREAMS / RATE + 2)
    memory = processes.resident_bytes(workers)
    await run
    return pace.most_busy, memory


def measure(streams: int = STREAMS) -> Figures:
    """Takes the figures; half a minute."""
    with mocks() as (mock,), on_load_core():
        configuration = CONFIGURATION.replace("UPSTREAM", str(mock.port))
        with pilothouse(configuration, "--concurrency", "100000") as (running, _):
            quick = Knobs(tokens=TOKENS)
            mock.turn(quick)
            warming = Pace(running, Scenario("warm", 8, is_stream=True, knobs=quick), rate=WARM, seconds=2)
            uvloop.run(warming.run())
            workers = gateways(running)
            before = processes.resident_bytes(workers)
            slow = Knobs(tokens=TOKENS, gap_ms=GAP_MS)
            mock.turn(slow)
            pace = Pace(
                running,
                Scenario("slow", 8, is_stream=True, knobs=slow),
                rate=RATE,
                seconds=streams / RATE,
                patience_s=TOKENS * GAP_MS / 1000 + 30,
            )
            most, then = uvloop.run(open_all(pace, workers))
            time.sleep(1)
            after = processes.resident_bytes(workers)
    dropped = [one for one in pace.answers if one.outcome != "right"]
    return {
        "open at once": float(most),
        "memory a stream, KB": at_most(KB_A_STREAM, (then - before) / max(1, most) / 1000),
        "dropped or wrong": at_most(0, len(dropped)),
        "the first of them": dropped[0].example[:200] if dropped else "-",
        "the worker's memory before, MB": before / 1e6,
        "while all were open, MB": then / 1e6,
        "afterwards, MB": after / 1e6,
    }

"""What a request costs the gateway with two workers, against one: `python -m bench.traffic --only workers`.

Refuses to know peers. Invariant: both Pilothouses are measured in turn within each round, the other stopped.
"""

import contextlib
import statistics

from bench.bars import Figures, at_most
from bench.measure import calm_sample
from bench.question import PLAIN
from bench.rig import GATEWAY_CORE, LOAD_CORE, mocks, on_load_core, pilothouse

CONFIGURATION = """
models:
  mock-model: {deployments: [{provider: mock, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}]}
providers:
  mock: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
journal: {quota_bytes: 34359738368}
"""
BAR = 1.1
ROUNDS, SECONDS = 5, 2
KEY_LIMITS = ("--rpm", "100000000", "--budget-day", "1000000")
"""So that the workers share their counters, too."""


def measure(rounds: int = ROUNDS) -> Figures:
    """Takes the figures; under a minute."""
    costs: dict[int, list[float]] = {1: [], 2: []}
    wrong = 0
    with contextlib.ExitStack() as stack:
        (mock,) = stack.enter_context(mocks())
        stack.enter_context(on_load_core())
        configuration = CONFIGURATION.replace("UPSTREAM", str(mock.port))
        found = {}
        for workers in costs:
            up = pilothouse(configuration, *KEY_LIMITS, PILOTHOUSE_WORKERS=str(workers))
            found[workers], _ = stack.enter_context(up)
            found[workers].pause()
        for number in range(rounds):
            for workers, running in found.items():
                running.resume()
                taken = calm_sample(
                    running,
                    PLAIN[2],
                    name=f"{workers}",
                    number=number,
                    seconds=SECONDS,
                    core=LOAD_CORE,
                    tries=2,
                )
                running.pause()
                costs[workers].append(taken.cpu_us)
                wrong += taken.wrong
        for running in found.values():
            running.resume()
    return {
        "one worker, CPU µs a request": statistics.median(costs[1]),
        f"two workers, both on core {GATEWAY_CORE}, CPU µs a request": statistics.median(costs[2]),
        "two over one, median of rounds": at_most(
            BAR, statistics.median(two / one for one, two in zip(costs[1], costs[2], strict=True))
        ),
        "wrong answers": at_most(0, wrong),
    }

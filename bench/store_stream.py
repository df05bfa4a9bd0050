"""Writes calls to a journal at an even pace, as a gateway would.

`python -m bench.store_stream HOME RATE SECONDS`. Refuses to know who reads. Invariant: the last line says how
many calls were written.
"""

import random
import sys
import time

from bench.store_fill import SUBJECTS, content_of
from pilothouse.contracts.events import Attempt, Parameters, RequestCompleted
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

BEATS_A_SECOND = 20


def call(chance: random.Random, number: int, at_ns: int) -> RequestCompleted:
    """Returns a call that has just ended."""
    model, key, made = chance.randrange(10), chance.randrange(100), at_ns // 1_000_000
    took_ms = chance.lognormvariate(6, 0.8)
    call_id = f"{made:012x}7{chance.getrandbits(76):019x}"
    deployment = f"model-{model}/provider-{model % 4}-{number % 3}"
    return RequestCompleted(
        call_id=call_id,
        request_id=f"live-{number:x}",
        at_ns=at_ns,
        operation="chat",
        status=200,
        outcome="completed",
        model=f"model-{model}",
        provider=f"provider-{model % 4}",
        deployment=deployment,
        key_id=f"key_{key}",
        team=f"team-{key % 12}",
        subject=f"subject-{number % SUBJECTS}",
        conversation_id=f"live-{number // 5}",
        trace_id=call_id if number % 2 else f"{chance.getrandbits(128):032x}",
        span_id=f"{chance.getrandbits(64):016x}",
        is_stream=number % 3 > 0,
        finish_reasons=("stop",),
        duration_ms=took_ms,
        queue_ms=1.0,
        first_token_ms=took_ms * 0.3,
        last_token_ms=took_ms * 0.95,
        input_tokens=300,
        output_tokens=100,
        cost_usd=0.001,
        parameters=Parameters(temperature=0.7, max_tokens=256),
        attempts=(Attempt(deployment, f"provider-{model % 4}", 200, duration_ms=took_ms),),
    )


def main() -> None:
    """Writes until the time is up."""
    home, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    chance = random.Random()
    keyring = Keyring(f"{home}/ring", f"{home}/master")
    journal = Journal.open(f"{home}/journal", writer="gateway-0", keyring=keyring, settings=JournalSettings())
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate)
        for _ in range(due - number):
            journal.append(call(chance, number, time.time_ns()), content_of(chance))
            number += 1
        time.sleep(max(0.0, (int(passed * BEATS_A_SECOND) + 1) / BEATS_A_SECOND - (time.monotonic() - began)))
    journal.close()
    print(number, flush=True)


if __name__ == "__main__":
    main()

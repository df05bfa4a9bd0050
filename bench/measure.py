"""Takes one sample: a peer under one scenario for a few seconds, with its CPU time, latency and faults.

Refuses to know medians and tables. Invariant: only one peer runs while a sample is taken; the others are
stopped in their tracks.
"""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httptools
import msgspec
import uvloop

from bench.ask import Client, WrongAnswerError
from bench.mock_upstream import Knobs
from bench.peer import Running
from bench.processes import cpu_seconds, machine_seconds, tree
from bench.question import Scenario, body

DISTURBED = 0.05
"""A sample is taken again when others had more of the machine than this."""
SCRIPT = Path(__file__).with_name("load.lua")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one peer did in one round of one scenario."""

    peer: str
    scenario: str
    round: int
    requests: int
    seconds: float
    cpu_us: float
    """CPU time of all the peer's processes for each answer, user and system."""
    p50_us: float
    p99_us: float
    wrong: int
    """Answers that were not right, and connections that failed."""
    disturbed: float = 0.0
    """The part of the two cores' time that went to anyone else, the hypervisor included."""
    example: str = ""
    """The first wrong answer, or why none came."""

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return (self.requests - self.wrong) / self.seconds if self.seconds else 0.0


def set_knobs(port: int, chosen: Knobs) -> None:
    """Tells the mock on `port` how to answer everybody from now on."""
    pairs = ",".join(f"{name}={value}" for name, value in msgspec.to_builtins(chosen).items())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/default/{pairs}", timeout=5) as answer:
        answer.read()


class Taken(msgspec.Struct, kw_only=True):
    """What the load saw, before the peer's CPU time is known. `load.lua` writes the same fields."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    wrong: int = 0
    socket_errors: int = 0
    timeouts: int = 0
    example: str = ""


def own_seconds() -> float:
    """Returns the CPU time that the bench, its mock, its load and its peers have used."""
    spent = os.times()
    children = tree(os.getpid())[1:]
    return spent.user + spent.system + spent.children_user + spent.children_system + cpu_seconds(children)


def sample(peer: Running, scenario: Scenario, *, name: str, number: int, seconds: int, core: int) -> Sample:
    """Loads `peer` for about `seconds` from `core` and returns what was seen."""
    disturbed: list[float] = []
    with disturbance(disturbed):
        before = cpu_seconds(peer.counted())
        try:
            if scenario.is_first_token:
                taken = first_tokens(peer, scenario, seconds)
            elif scenario.rate:
                taken = paced(peer, scenario, seconds)
            else:
                taken = wrk(peer, scenario, seconds, core)
        except (OSError, RuntimeError, subprocess.SubprocessError) as problem:  # it died: its figure is void
            taken = Taken(requests=0, seconds=0.0, p50_us=0.0, p99_us=0.0, wrong=1, example=f"{problem}")
        spent = cpu_seconds(peer.counted()) - before
    return Sample(
        peer=name,
        scenario=scenario.name,
        round=number,
        requests=taken.requests,
        seconds=taken.seconds,
        cpu_us=spent * 1e6 / max(1, taken.requests),
        p50_us=taken.p50_us,
        p99_us=taken.p99_us,
        wrong=taken.wrong + taken.socket_errors + taken.timeouts,
        disturbed=disturbed[0],
        example=taken.example,
    )


@contextlib.contextmanager
def disturbance(into: list[float]) -> Iterator[None]:
    """Adds to `into` the part of two cores' time that others had within the block."""
    started, everybody, own = time.perf_counter(), machine_seconds(), own_seconds()
    yield
    foreign = (machine_seconds() - everybody) - (own_seconds() - own)
    into.append(max(0.0, foreign) / (2 * (time.perf_counter() - started)))


def wait_for_calm(*, within_s: float) -> None:
    """Waits until others leave the machine alone for a moment, or until `within_s` have passed."""
    started = time.perf_counter()
    while time.perf_counter() - started < within_s:
        disturbed: list[float] = []
        with disturbance(disturbed):
            time.sleep(0.25)
        if disturbed[0] <= DISTURBED:
            return


def calm_sample(
    peer: Running, scenario: Scenario, *, name: str, number: int, seconds: int, core: int, tries: int
) -> Sample:
    """Takes a sample again, up to `tries` times, while others disturb it; returns the calmest."""
    taken: list[Sample] = []
    for attempt in range(max(2, tries)):
        last = sample(peer, scenario, name=name, number=number, seconds=seconds, core=core)
        taken.append(last)
        if last.wrong or (last.requests and (last.disturbed <= DISTURBED or attempt + 1 >= tries)):
            break
        if not last.requests:
            seconds *= 4  # a slow peer had not answered once
    return next((one for one in taken if one.wrong), None) or min(
        taken, key=lambda one: (one.requests == 0, one.disturbed)
    )


def first_tokens(peer: Running, scenario: Scenario, seconds: int) -> Taken:
    """Asks one stream after another and takes the time to each one's first token."""
    started = time.perf_counter()
    times: list[float] = []
    wrong, example = 0, ""
    client = Client(peer, scenario)
    while time.perf_counter() - started < seconds and wrong < 10:
        try:
            times.append(client.ask().first_token_us)
        except (OSError, WrongAnswerError, httptools.HttpParserError) as problem:
            wrong, example = wrong + 1, example or f"{problem}"
            client.close()
            client = Client(peer, scenario)
    client.close()
    elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return Taken(
        requests=len(times) + wrong,
        seconds=elapsed,
        p50_us=cuts[49],
        p99_us=cuts[98],
        wrong=wrong,
        example=example,
    )


def paced(peer: Running, scenario: Scenario, seconds: int) -> Taken:
    """Asks at the scenario's rate, each question timed from its moment."""
    from bench.pace import Pace

    pace = Pace(peer, scenario, rate=scenario.rate, seconds=seconds, connections=scenario.connections)
    answers = uvloop.run(pace.run())
    right = [one.whole_us for one in answers if one.outcome == "right"]
    cuts = statistics.quantiles(right, n=100) if len(right) > 1 else [0.0] * 99
    return Taken(
        requests=len(answers),
        seconds=float(seconds),
        p50_us=cuts[49],
        p99_us=cuts[98],
        wrong=len(answers) - len(right),
        example=next((f"{one.outcome}: {one.example}" for one in answers if one.outcome != "right"), ""),
    )


def wrk(peer: Running, scenario: Scenario, seconds: int, core: int) -> Taken:
    """Runs wrk with our script, which checks every answer.

    Raises:
        RuntimeError: wrk did not print its figures.
    """
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s"]
    command += ["--timeout", "30s", "-s", str(SCRIPT), f"http://127.0.0.1:{peer.port}{peer.path}"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(body(peer.model, is_stream=scenario.is_stream))
        file.flush()
        variables = {
            "BENCH_BODY": file.name,
            "BENCH_HEADERS": "".join(
                f"{name}: {value}\n"
                for name, value in {"content-type": "application/json", **peer.headers}.items()
            ),
            "BENCH_TEXT": scenario.text,
            "BENCH_TOKENS": str(scenario.knobs.tokens),
        }
        run = subprocess.run(
            command,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    for line in run.stdout.splitlines():
        if line.startswith("BENCH "):
            return msgspec.json.decode(line.removeprefix("BENCH "), type=Taken)
    raise RuntimeError(f"wrk gave no figures: {run.stdout[-300:]} {run.stderr[-300:]}")

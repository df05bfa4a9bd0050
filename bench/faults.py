"""The fault table: what clients see while one of two upstreams misbehaves. `python -m bench.faults`.

Two mock upstreams behind one model of a real Pilothouse, under a steady flow of plain calls and streams whose
times count from the moment each was due. One of the two goes wrong in each of six ways, and comes back.

Refuses to know how the gateway copes. Invariant: every question asked is in the row, however it ended.
"""

import argparse
import asyncio
import signal
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.mock_upstream import Knobs
from bench.pace import Answer, Pace
from bench.peer import Running
from bench.question import Scenario
from bench.rig import Mock, mocks, pilothouse

ROOT = Path(__file__).resolve().parents[1]
HEALTHY = Knobs(delay_ms=40, gap_ms=5)
PLAIN, STREAM = Scenario("plain", 16, knobs=HEALTHY), Scenario("stream", 16, is_stream=True, knobs=HEALTHY)
CONFIGURATION = """
models:
  mock-model:
    deployments:
      - {provider: first, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}
      - {provider: second, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}
providers:
  first: {dialect: openai, base_url: "http://127.0.0.1:FIRST/v1"}
  second: {dialect: openai, base_url: "http://127.0.0.1:SECOND/v1"}
gateway: {deadlines: {first_byte_s: 1, idle_s: 1}}
"""
"""Defaults but for the deadlines: how long a hanging upstream is waited for is its operator's to say."""
SUCCESS, SLOWER, RECOVERED_S = 0.999, 2.0, 5.0
"""The bars."""
AFTERWARDS_S = 1.0
"""Asked on after the recovery, so that what comes back badly is seen."""


class Fault(msgspec.Struct, frozen=True):
    """One way of going wrong."""

    name: str
    knobs: Knobs | None
    """`None`: the process is killed, so that connections are refused."""
    holds_p99: bool = False
    """Whether the time of the slowest 1% must stay within the bar once the breaker has opened."""


FAULTS = (
    Fault("a: refusing", None, holds_p99=True),
    Fault("b: hanging", Knobs(fault="hang")),
    Fault("c: 500 for half", Knobs(delay_ms=40, gap_ms=5, status=500, share=0.5), holds_p99=True),
    Fault("d: 429", Knobs(delay_ms=40, gap_ms=5, status=429), holds_p99=True),
    Fault("e: cutting answers midway", Knobs(delay_ms=40, gap_ms=5, fault="cut")),
    Fault("f: ten times slower", Knobs(delay_ms=400, gap_ms=50)),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """How hard and how long."""

    plain_rate: float = 150
    stream_rate: float = 50
    healthy_s: float = 6
    fault_s: float = 10
    opened_s: float = 2
    """From the fault's begin; then the breaker is taken to have opened."""
    after_s: float = 8
    """From the recovery's begin, at most."""


class Row(msgspec.Struct, kw_only=True):
    """What clients saw of one fault."""

    fault: str
    asked: int
    right: int
    told: int
    """Streams that broke after their first token, and said so."""
    false_ends: int
    outcomes: dict[str, int]
    healthy_p99_ms: float
    fault_p99_ms: float
    holds_p99: bool
    recovery_s: float | None
    """From the upstream's recovery until it carries half its share; `None`: not within the time."""
    worst_ms: float
    example: str = ""

    @property
    def success(self) -> float:
        """The share of right answers, and of streams that said that they broke."""
        return (self.right + self.told) / self.asked

    @property
    def slower(self) -> float:
        """The slowest 1% against the healthy run's."""
        return self.fault_p99_ms / self.healthy_p99_ms if self.healthy_p99_ms else float("inf")

    def missed(self) -> list[str]:
        """Returns the bars that this row misses."""
        found = []
        if self.success < SUCCESS:
            found.append(f"success {self.success:.3%}")
        if self.false_ends:
            found.append(f"{self.false_ends} false ends")
        if self.holds_p99 and self.slower > SLOWER:
            found.append(f"p99 {self.slower:.1f} times the healthy run's")
        if self.recovery_s is None or self.recovery_s > RECOVERED_S:
            found.append("recovery")
        return found


def configuration(pair: Sequence[Mock]) -> str:
    """Returns the configuration of a Pilothouse in front of two upstreams."""
    return CONFIGURATION.replace("FIRST", str(pair[0].port)).replace("SECOND", str(pair[1].port))


async def row(running: Running, pair: Sequence[Mock], fault: Fault, timing: Timing) -> Row:
    """Lets the first of two upstreams go wrong and come back under load."""
    for each in pair:
        each.turn(HEALTHY)
    seconds = timing.healthy_s + timing.fault_s + timing.after_s + 60  # stopped before
    plain = Pace(running, PLAIN, rate=timing.plain_rate, seconds=seconds)
    stream = Pace(running, STREAM, rate=timing.stream_rate, seconds=seconds)
    flows = asyncio.gather(plain.run(), stream.run())
    try:
        await asyncio.sleep(timing.healthy_s)
        began = time.perf_counter() - plain.started
        await asyncio.to_thread(go_wrong, pair[0], fault)
        await asyncio.sleep(timing.fault_s)
        ended = time.perf_counter() - plain.started
        await asyncio.to_thread(come_back, pair[0], fault)
        recovery_s = await recovery(pair, within_s=timing.after_s)
        await asyncio.sleep(AFTERWARDS_S)
    finally:
        plain.stop()
        stream.stop()
        await flows
    answers = [*plain.answers, *stream.answers]
    healthy = [one for one in plain.answers if 1 <= one.due_s < began - 0.5]
    opened = [one for one in plain.answers if began + timing.opened_s <= one.due_s < ended]
    outcomes = Counter(one.outcome for one in answers)
    return Row(
        fault=fault.name,
        asked=len(answers),
        right=outcomes["right"],
        told=outcomes["error event"],
        false_ends=outcomes["false end"],
        outcomes={f"{name}": count for name, count in outcomes.items()},
        healthy_p99_ms=p99_ms(healthy),
        fault_p99_ms=p99_ms(opened),
        holds_p99=fault.holds_p99,
        recovery_s=recovery_s,
        worst_ms=max(one.whole_us for one in answers) / 1000,
        example=next((one.example for one in answers if one.outcome not in {"right", "error event"}), ""),
    )


def go_wrong(upstream: Mock, fault: Fault) -> None:
    """Lets an upstream go wrong."""
    if fault.knobs is None:
        upstream.end()
    else:
        upstream.turn(fault.knobs)


def come_back(upstream: Mock, fault: Fault) -> None:
    """Lets it come back."""
    if fault.knobs is None:
        upstream.begin()
    else:
        upstream.turn(HEALTHY)


async def recovery(pair: Sequence[Mock], *, within_s: float) -> float | None:
    """Returns when the first upstream again got a quarter of the calls of half a second, in seconds."""
    started, seen = time.perf_counter(), deque[tuple[int, int]](maxlen=6)
    while (now := time.perf_counter() - started) < within_s:
        counts = [(await asyncio.to_thread(each.stats)).requests for each in pair]
        seen.append((counts[0], counts[1]))
        first, second = (seen[-1][at] - seen[0][at] - (len(seen) - 1) for at in (0, 1))
        if first + second > 10 and first >= 0.25 * (first + second):
            return now
        await asyncio.sleep(0.1)
    return None


def p99_ms(answers: Sequence[Answer]) -> float:
    """Returns the time that 99% of answers kept."""
    times = [one.whole_us / 1000 for one in answers]
    return statistics.quantiles(times, n=100)[98] if len(times) > 1 else 0.0


COLUMNS = ("asked", "right", "broken and said so", "false ends", "success", "p99 healthy, ms", "p99 then, ms")
MORE = ("times", "slowest, ms", "recovery, s", "misses")


def cells(found: Row) -> list[str]:
    """Returns a row as the terminal and the page show it."""
    bar = "" if found.holds_p99 else " (no bar)"
    return [
        *(f"{count:,}" for count in (found.asked, found.right, found.told, found.false_ends)),
        f"{found.success:.2%}",
        *(f"{value:.0f}" for value in (found.healthy_p99_ms, found.fault_p99_ms)),
        f"{found.slower:.2f}{bar}",
        f"{found.worst_ms:,.0f}",
        "none" if found.recovery_s is None else f"{found.recovery_s:.1f}",
        ", ".join(found.missed()) or "-",
    ]


PAGE = """# The fault table

Made by `make bench-faults` (see [how to run it](../how-to/run-the-benchmarks.md)); do not edit.

Machine: {machine}.

{warning}Two upstreams answer for one model, each with the same weight; each takes 40 ms to the first byte,
5 ms a token. Clients ask {plain:g} plain calls and {stream:g} streams a second, whatever the answers take;
each answer's time counts from the moment its question was due. After {healthy:g} s one upstream goes wrong
for {fault:g} s and comes back. The gateway has its defaults but for `first_byte_s: 1` and `idle_s: 1`.

| one upstream is | {titles} |
| --- | {rules} |
{rows}

Bars: success at least 99.9% (right answers, and streams that broke after their first token and say so by an
error event); no false end, ever; for a, c and d the slowest 1% of plain calls within twice the healthy run's,
from {opened:g} s after the fault's begin, when the breaker has opened; recovery (the upstream carries half
its share again) within 5 s of the upstream's own.
{examples}"""


def page(rows: Sequence[Row], timing: Timing, on: machine.Machine) -> str:
    """Returns the documentation page."""
    titles = (*COLUMNS, *MORE)
    wrong = [one for one in rows if one.example]
    examples = "".join(f"\n - {one.fault}: {one.outcomes}; the first: `{one.example[:200]}`" for one in wrong)
    return PAGE.format(
        machine=on.line(),
        warning="**Others were using the machine: times are only a hint.**\n\n" if on.is_busy else "",
        plain=timing.plain_rate,
        stream=timing.stream_rate,
        healthy=timing.healthy_s,
        fault=timing.fault_s,
        opened=timing.opened_s,
        titles=" | ".join(titles),
        rules=" | ".join("---:" for _ in titles),
        rows="\n".join(f"| {one.fault} | " + " | ".join(cells(one)) + " |" for one in rows),
        examples=f"\n## What was not right\n{examples}\n" if examples else "",
    )


def measure(timing: Timing, faults: Sequence[Fault] = FAULTS) -> list[Row]:
    """Takes the whole table."""
    console, rows = Console(stderr=True), []
    with mocks(2) as pair, pilothouse(configuration(pair)) as (running, _):
        for fault in faults:
            rows.append(uvloop.run(row(running, pair, fault, timing)))
            console.print(f"{fault.name}: {rows[-1].outcomes}", style="dim", highlight=False)
    return rows


def show(rows: Sequence[Row], on: machine.Machine) -> None:
    """Prints the table."""
    table = Table("one upstream is", title=on.line())
    for title in (*COLUMNS, *MORE):
        table.add_column(title, justify="right")
    for one in rows:
        table.add_row(one.fault, *cells(one))
    Console(width=max(180, Console().width)).print(table)


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--only", help="these rows, by their letters: acd")
    parser.add_argument("--write-docs", action="store_true", help="also write docs/reference/faults.md")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    timing, on = Timing(), machine.describe()
    rows = measure(timing, [one for one in FAULTS if one.name[0] in (chosen.only or one.name)])
    show(rows, on)
    if chosen.write_docs:
        (ROOT / "docs/reference/faults.md").write_text(page(rows, timing, on))
    sys.exit("some bars are missed" if any(one.missed() for one in rows) else 0)


if __name__ == "__main__":
    main()

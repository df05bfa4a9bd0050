"""Asks a record of ten million calls what people ask, while a thousand calls a second stream in.

`python -m bench.store_scale` (`make bench-store`) fills a home once with calls of thirty days (the last day's
words really sealed and indexed), then a process of its own writes to the journal, and this one does what the
control process does: it projects, rolls up, indexes, and answers. Refuses to know HTTP. Invariant: every
figure is of the functions that the routes call, on a record opened with the default settings.
"""

import argparse
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.bars import at_most, shown
from bench.store_fill import DAY_MS, NEEDLES, opened
from pilothouse.analytics.calls import CallFilter, list_calls
from pilothouse.analytics.deployments import deployment_numbers
from pilothouse.analytics.overview import State, overview
from pilothouse.analytics.series import SeriesQuestion, series, value
from pilothouse.analytics.trace_detail import get_trace
from pilothouse.analytics.traces import Asker, histogram, list_traces
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.search_index import Indexer, SearchIndex, load_search_key
from pilothouse.telemetry.keyring import Keyring

CALLS, DAYS, RATE, SECONDS = 10_000_000, 30, 1000, 60
TICK_S = 0.2
SEARCH_S = 5.0
WINDOWS_S = (900, 3600, 86_400, 604_800)
BARS_MS = {"first screen": 150.0, "trace list": 200.0, "filter": 200.0, "words": 1000.0, "one trace": 60.0}
"""At p95, by the beginning of a question's name."""
RESIDENT_BAR_MB = 1500.0
FILTERS = (
    'model = "model-3"',
    "status >= 500",
    'key = "key_17"',
    "latency_ms > 5000",
    'team = "team-3" and model = "model-2" and outcome = "failed"',
    'conversation = "conversation-1200"',
)


def now() -> int:
    """Returns the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Intake:
    """Projects what comes, in a thread of its own, and keeps how that went."""

    projector: Projector
    indexer: Indexer
    calls: int = 0
    lags_ms: list[float] = field(default_factory=list)
    ticks_ms: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def catch_up(self) -> None:
        """Does what an earlier run left undone."""
        while self.projector.tick(now()).has_more:
            pass
        indexed = -1
        while self.indexer.rows_total > indexed:
            indexed = self.indexer.rows_total
            self.indexer.tick(now())

    def run(self) -> None:
        """Ticks until it is stopped."""
        while not self.stopped.wait(TICK_S):
            has_more = True
            while has_more:
                began = time.perf_counter()
                tick = self.projector.tick(now())
                self.ticks_ms.append((time.perf_counter() - began) * 1000)
                self.calls += len(tick.calls)
                has_more = tick.has_more
                if tick.calls:
                    self.lags_ms.append(tick.lag_ms + self.ticks_ms[-1])

    def index(self) -> None:
        """Indexes words until it is stopped."""
        while not self.stopped.wait(TICK_S):
            self.indexer.tick(now())


Questions = dict[str, Callable[[], object]]


def questions(analytics: Analytics, keyring: Keyring, index: SearchIndex) -> Questions:
    """Returns what is asked, by name; the bar is by the name's beginning."""
    state = State("ok", [])
    lock = threading.Lock()

    def asker() -> Asker:
        until = time.monotonic() + SEARCH_S
        return Asker(analytics, keyring, {}, now(), lambda: time.monotonic() > until, index, lock)

    def screen(window_s: int) -> object:
        at = now()
        found = overview(analytics, now_ms=at, window_s=window_s, points=60, state=state, ingest_lag_ms=0)
        numbers = deployment_numbers(analytics, now_ms=at, window_s=window_s)
        start_ms = found.series_start_ms
        return (
            numbers,
            value(analytics, "cache_share", by="model", start_ms=start_ms, end_ms=at),
        )

    def day(text: str) -> object:
        return list_traces(asker(), text=text, from_ms=now() - DAY_MS)

    def filtered(text: str) -> object:
        return list_traces(asker(), text=text)

    def chart(measure: str, by: str | None, days: float) -> object:
        at = now()
        return series(analytics, SeriesQuestion(measure, int(at - days * DAY_MS), at, by=by))

    asked: Questions = {f"first screen, {wide} s": partial(screen, wide) for wide in WINDOWS_S}
    asked["trace list"] = lambda: list_traces(asker())
    asked["filter: calls of a model"] = lambda: list_calls(analytics, only=CallFilter(model="model-3"))
    asked |= {f"filter: {text}": partial(filtered, text) for text in FILTERS}
    asked["histogram, a day"] = lambda: histogram(asker())
    asked |= {f"words: {word}": partial(day, f'text ~ "{word}"') for word in NEEDLES}
    asked |= {
        f"one trace, {kind}": partial(get_trace, analytics, trace, keyring=keyring, key_names={})
        for kind, trace in traces(analytics).items()
    }
    asked["chart: p95 by model, 30 days"] = lambda: chart("latency_p95_ms", "model", 30)
    asked["chart: cost by team, 30 days"] = lambda: chart("cost_usd", "team", 30)
    asked["chart: p95 by deployment, a day"] = lambda: chart("latency_p95_ms", "deployment", 1)
    asked["chart: p95 by key, 7 days"] = lambda: chart("latency_p95_ms", "key", 7)
    return asked


def traces(analytics: Analytics) -> dict[str, str]:
    """Returns some traces: of the gateway's own ids and of others', new and old."""
    cursor = analytics.cursor()
    found = {}
    for when, share in (("new", 0.999), ("old", 0.1)):
        for kind, condition in (("own id", "trace_id = call_id"), ("sent id", "trace_id <> call_id")):
            row = cursor.execute(
                "SELECT trace_id FROM calls WHERE at_ns >= (SELECT min(at_ns) + (max(at_ns) - min(at_ns)) "
                f"* ? FROM calls) AND {condition} ORDER BY at_ns LIMIT 1",
                [share],
            ).fetchone()
            found[f"{when}, {kind}"] = str(row[0]) if row else ""
    cursor.close()
    return found


def ask(asked: Questions, seconds: float) -> dict[str, list[float]]:
    """Asks each question in turn, about one a tenth of a second, and returns how long each took, in ms."""
    took: dict[str, list[float]] = {name: [] for name in asked}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for name, question in asked.items():
            began = time.perf_counter()
            question()
            took[name].append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
    return took


def share(values: list[float], part: float) -> float:
    """Returns the value that `part` of the others are not above."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


def memory_mb(name: str) -> float:
    """Returns a figure of this process, as `/proc` has it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def bar_of(name: str) -> float | None:
    """Returns the bar of a question."""
    return next((bar for beginning, bar in BARS_MS.items() if name.startswith(beginning)), None)


def measure(home: str, *, rate: int, seconds: float) -> None:
    """Takes the figures and prints them."""
    analytics, keyring = opened(home, now())
    index = SearchIndex(load_search_key(f"{home}/search"))
    intake = Intake(
        Projector(f"{home}/journal", analytics, content_retention_days=30), Indexer(analytics, index, keyring)
    )
    intake.catch_up()
    threads = [threading.Thread(target=intake.run), threading.Thread(target=intake.index)]
    command = [sys.executable, "-m", "bench.store_stream", home, str(rate), str(seconds + 5)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as stream:
        for thread in threads:
            thread.start()
        time.sleep(3)
        try:
            took = ask(questions(analytics, keyring, index), seconds)
            written, _ = stream.communicate()
        finally:
            stream.kill()
            intake.stopped.set()
            for thread in threads:
                thread.join()
    show(took, intake, int(written or 0), seconds)
    intake.projector.close()
    analytics.close()


def show(took: dict[str, list[float]], intake: Intake, written: int, seconds: float) -> None:
    """Prints the figures."""
    table = Table("asked", "times", "p50 ms", "p95 ms", "worst ms", title=machine.describe().line())
    for name, values in took.items():
        p95, bar = share(values, 0.95), bar_of(name)
        cell = shown(p95) if bar is None else at_most(bar, p95)
        table.add_row(name, str(len(values)), shown(share(values, 0.5)), cell, shown(max(values)))
    console = Console(width=150)
    console.print(table)
    rate = intake.calls / (seconds + 5)
    lags, ticks = intake.lags_ms, intake.ticks_ms
    middle, high, worst = shown(share(lags, 0.5)), shown(share(lags, 0.95)), shown(max(lags, default=0))
    for line in (
        f"calls written {written:,}, on record {intake.calls:,} ({rate:,.0f}/s)",
        f"lag, ms: p50 {middle}, p95 {high}, worst {worst}",
        f"longest tick (commits and roll-ups), ms: {shown(max(ticks, default=0))}",
        f"words not indexed: {intake.indexer.behind:,}",
        f"resident at the most, MB: {at_most(RESIDENT_BAR_MB, memory_mb('VmHWM'))}",
        f"resident at the end, MB: {shown(memory_mb('VmRSS'))}",
    ):
        console.print(line, highlight=False)


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.store_scale", description=__doc__)
    parser.add_argument("--home", default="/tmp/pilothouse-store-scale", help="made when it is not there")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--rate", type=int, default=RATE, help="calls a second that stream in meanwhile")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--drop", action="store_true", help="delete the home at the end")
    chosen = parser.parse_args()
    if not Path(chosen.home, "filled").exists():
        shutil.rmtree(chosen.home, ignore_errors=True)
        subprocess.run(
            [sys.executable, "-m", "bench.store_fill", chosen.home, str(chosen.calls), str(chosen.days)],
            check=True,
        )
        Path(chosen.home, "filled").touch()
    measure(chosen.home, rate=chosen.rate, seconds=chosen.seconds)
    if chosen.drop:
        shutil.rmtree(chosen.home)


if __name__ == "__main__":
    main()

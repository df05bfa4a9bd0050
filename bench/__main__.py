"""Runs the benchmark: `python -m bench [--quick] [--peers a,b] [--write-docs]`, from the repository's root.

The order of a run: install, start each peer and take the time to its first right answer, then rounds in
which every peer is measured in turn under every scenario while the others are stopped.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from bench import machine, question, report, whole
from bench.ask import Client, WrongAnswerError, wait_until_right
from bench.measure import Sample, calm_sample, set_knobs, wait_for_calm
from bench.mock_upstream import Knobs
from bench.peer import Peer, PeerUnavailableError, Place, Running, free_port
from bench.peers import CATALOGUE, ON_REQUEST
from bench.processes import resident_bytes
from bench.question import Scenario
from bench.results import FLOOR, Run, Subject

ROOT = Path(__file__).resolve().parents[1]
GATEWAY_CORE, LOAD_CORE = 0, 1
STARTED_WITHIN_S = 120.0
CALM_LOOK_S = 0.5
"""What a sample takes besides its load when nobody disturbs it."""
CALM_WITHIN_S = 10.0
"""How long a sample waits for others to leave the machine alone."""


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of under two minutes")
    parser.add_argument("--peers", help="only these, by name, with commas between")
    parser.add_argument("--scenarios", help="only these, by name, with commas between")
    parser.add_argument("--rounds", type=int, help="5, or 1 when quick")
    parser.add_argument("--seconds", type=int, help="of each sample: 2, or 1 when quick")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round after so many")
    parser.add_argument(
        "--patience", type=float, default=300.0, help="seconds in all to wait for others and to measure again"
    )
    parser.add_argument("--no-engine", action="store_true", help="leave out the engine, start and memory")
    parser.add_argument("--write-docs", action="store_true", help="also write docs/reference/benchmarks.md")
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.patience = min(chosen.patience, 15.0) if chosen.quick else chosen.patience
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 2)
    return chosen


@contextlib.contextmanager
def upstream(port: int) -> Iterator[None]:
    """Runs the mock on the load's core."""
    command = [
        "taskset",
        "-c",
        str(LOAD_CORE),
        sys.executable,
        "-m",
        "bench.mock_upstream",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait()


def bring_up(peer: Peer, subject: Subject, port: int, scratch: Path) -> Running | None:
    """Installs and starts a peer, and leaves it stopped in its tracks; None when it cannot be had."""
    running: Running | None = None
    try:
        environment = ROOT / ".envs/bench" / peer.name
        subject.version = peer.install(environment)
        folder = scratch / peer.name
        folder.mkdir()
        place = Place(
            upstream_port=port,
            environment=environment,
            scratch=folder,
            gateway_core=GATEWAY_CORE,
            load_core=LOAD_CORE,
        )
        started = time.perf_counter()
        running = peer.start(place)
        wait_until_right(running, question.PLAIN[0], within_s=STARTED_WITHIN_S)
        subject.start_s = time.perf_counter() - started
        if running.settle is not None:
            running.settle()
        running.pause()
    except (PeerUnavailableError, TimeoutError, OSError, subprocess.SubprocessError) as problem:
        subject.unavailable = f"{problem}"
        if running is not None:
            running.stop()
        return None
    return running


def warm(peer: Running, scenario: Scenario) -> None:
    """Asks a few times unmeasured: a peer that was stopped has cold caches and timers to run."""
    with contextlib.suppress(OSError, WrongAnswerError):
        client = Client(peer, scenario)
        for _ in range(20):
            client.ask()
        client.close()


def rounds(
    chosen: argparse.Namespace,
    started: dict[str, Running],
    scenarios: list[Scenario],
    port: int,
    console: Console,
) -> Iterator[Sample]:
    """Measures every peer in turn under every scenario, round after round."""
    until, patience_s = time.monotonic() + chosen.minutes * 60, chosen.patience
    for number in range(chosen.rounds):
        if time.monotonic() > until:
            console.print(f"stopped after {number} rounds: --minutes {chosen.minutes:g} have passed")
            return
        for scenario in scenarios:
            set_knobs(port, scenario.knobs)
            for name, peer in started.items():
                peer.resume()
                if name == FLOOR:
                    set_knobs(peer.port, scenario.knobs)
                warm(peer, scenario)
                began = time.monotonic()
                wait_for_calm(within_s=min(patience_s, CALM_WITHIN_S))
                taken = calm_sample(
                    peer,
                    scenario,
                    name=name,
                    number=number,
                    seconds=chosen.seconds,
                    core=LOAD_CORE,
                    tries=3 if patience_s > 0 else 1,
                )
                patience_s -= time.monotonic() - began - chosen.seconds - CALM_LOOK_S
                peer.pause()
                line = (
                    f"round {number + 1} {scenario.name:12} {name:22} {taken.rate:10,.0f}/s "
                    f"{taken.cpu_us:8,.0f} µs CPU  p50 {taken.p50_us:8,.0f} µs  wrong {taken.wrong}  "
                    f"others {taken.disturbed:.0%}"
                )
                console.print(line, style="dim", highlight=False)
                yield taken


def measure(chosen: argparse.Namespace, console: Console) -> Run:
    """Takes the whole run."""
    described = machine.describe()
    if described.is_busy:
        console.print(
            f"The load average is {described.load_average:.2f}: others use this machine. Ratios only.",
            style="yellow",
        )
    wanted = chosen.peers.split(",") if chosen.peers else [peer.name for peer in CATALOGUE]
    scenarios = list(question.QUICK if chosen.quick else question.EVERY)
    if chosen.scenarios:
        scenarios = [one for one in question.EVERY if one.name in chosen.scenarios.split(",")]
    peers = [peer for peer in (*CATALOGUE, *ON_REQUEST) if peer.name in wanted]
    os.sched_setaffinity(0, {LOAD_CORE})
    run = Run(
        machine=described,
        settings={"rounds": chosen.rounds, "seconds": chosen.seconds, "quick": str(chosen.quick)},
        subjects=[Subject(name=peer.name, does=peer.does) for peer in peers],
        samples=[],
    )
    port = free_port()
    started: dict[str, Running] = {}
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as scratch, upstream(port):
        set_knobs(port, Knobs())
        try:
            for peer, subject in zip(peers, run.subjects, strict=True):
                running = bring_up(peer, subject, port, Path(scratch))
                console.print(
                    f"[dim]{peer.name}: {subject.unavailable or f'up after {subject.start_s:.1f} s'}[/dim]"
                )
                if running is not None:
                    started[peer.name] = running
            for taken in rounds(chosen, started, scenarios, port=port, console=console):
                run.samples.append(taken)
            for subject in (one for one in run.subjects if one.name in started):
                subject.memory_bytes = resident_bytes(started[subject.name].counted())
        finally:
            for running in started.values():
                running.stop()
    return run


def main() -> None:
    """Runs the bench, prints the table and writes the files."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no peer is left behind
    console = Console(width=max(180, Console().width))
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    run = measure(chosen, console)
    if not (chosen.quick or chosen.no_engine):
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        try:
            run.extras = whole.measure(chosen.rounds)
        except RuntimeError as fault:  # an hour's samples are not to be lost with it
            console.print(f"[red]The engine, start and memory are not measured:[/] {fault}")
    run.settings["rounds"] = len({one.round for one in run.samples})
    report.show(run, console)
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    console.print(f"written: {file}")
    if chosen.write_docs:
        report.write_page(run, ROOT / "docs/reference/benchmarks.md")


if __name__ == "__main__":
    main()

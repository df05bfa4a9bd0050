"""The figures of production traffic beside the peers' table: `python -m bench.traffic [--only a,b]`.

Each part prints its figures with their bars and keeps them in `bench/results/traffic.json`; the page
docs/reference/benchmarks.md shows the newest of each (`python -m bench.report` writes it anew).

Refuses to know how a figure is made. Invariant: a part that fails says so and leaves the others to run.
"""

import argparse
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import handover, limits, machine, slow_streams, workers
from bench.bars import MISSED, Figures, at_most, keep
from bench.report import plain

ROOT = Path(__file__).resolve().parents[1]


def translation() -> Figures:
    """What `bench/translation.py` prints, a figure a way; half a minute."""
    command = [sys.executable, "-m", "bench.translation"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    bar = float(found[1]) if (found := re.search(r"bar: ([\d.]+)", said.stdout)) else 8.0
    rows = re.findall(r"^ +(\S+ to \S+) +([\d.]+) +([\d.]+)$", said.stdout, re.MULTILINE)
    if not rows:
        raise RuntimeError(said.stdout + said.stderr)
    figures: Figures = {}
    for way, together, singly in rows:
        figures[f"{way}, in one piece, CPU µs a token"] = at_most(bar, float(together))
        figures[f"{way}, event by event, CPU µs a token"] = at_most(bar, float(singly))
    return figures


PARTS: dict[str, tuple[str, Callable[[], Figures]]] = {
    "streams": ("5,000 slow streams on one worker", slow_streams.measure),
    "workers": ("Two workers against one", workers.measure),
    "handover": ("Reload and upgrade under 500 calls a second and 200 streams", handover.measure),
    "limit": ("64 clients against a key of 1,000 calls a minute, one host", limits.one_host),
    "shared": ("The same against two hosts that count through Redis", limits.two_hosts),
    "translation": ("Translating a stream of 200 tokens", translation),
}


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.traffic", description=__doc__)
    parser.add_argument("--only", help=f"these, with commas between: {', '.join(PARTS)}")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    console, missed = Console(highlight=False), 0
    for name in (chosen.only or ",".join(PARTS)).split(","):
        title, measure = PARTS[name]
        on, began = machine.describe(), time.monotonic()
        try:
            figures = measure()
        except (OSError, RuntimeError, AssertionError) as fault:
            figures = {"not measured": f"{fault!r}"[:500]}
        figures["taken"] = f"{on.at}, load average {on.load_average:.2f}, {time.monotonic() - began:.0f} s"
        keep(title, figures)
        console.print(f"[bold]{title}[/]")
        for key, value in figures.items():
            has_missed = key == "not measured" or MISSED in f"{value}"
            missed += has_missed
            console.print(f"  {key}: {plain(value)}", style="red" if has_missed else "", markup=False)
    sys.exit(f"{missed} missed" if missed else 0)


if __name__ == "__main__":
    main()

"""Shows a run as a table: on the terminal, and as the page `docs/reference/benchmarks.md`.

Refuses to know how figures were made. Invariant: both tables have the same cells.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench import bars
from bench.results import BAR, Figure, Run, Subject, Void, figure

PAGE = """# Benchmarks

Made by `python -m bench --write-docs` (see [how to run it](../how-to/run-the-benchmarks.md)); do not edit.

Machine: {machine}.

{warning}One process of each gateway on core 0; the mock upstream and the load on core 1. A body of 1 KB,
answers of 20 tokens; streams come without a pause between tokens (the paced ones: a token every 10 ms, 64 at
a time, so that their rate is the load's and only their CPU time compares). Every answer is checked: status,
text, number of tokens, `[DONE]`. A wrong answer voids its figure. {rounds} rounds of {seconds} s each, the
peers in turn within each round, medians. `CPU` is user and system time of all processes of the gateway for
one answer. `added` is the time to the first token of a stream at one connection above asking the mock
directly (p50). At 1,000/s each question has its moment, whatever the answers take, and its time counts from
that moment; `added p99` is above asking the mock directly so. `ratio` is the rate over {bar}'s in the same
round (median of rounds): at 64 connections, and for streams.

{table}

What each does with a call:

{does}
{extras}"""

Cell = Callable[[Run, Subject], str]


def _cell(scenario: str, show: Callable[[Figure], str]) -> Cell:
    def cell(run: Run, subject: Subject) -> str:
        found = figure(run.samples, subject.name, scenario)
        if found is None:
            return "-"
        return "void" if isinstance(found, Void) else show(found)

    return cell


def _rate(found: Figure) -> str:
    return f"{found.rate:,.0f}"


def _ratio(found: Figure) -> str:
    return "-" if found.ratio is None else f"{found.ratio:.2f}"


def _milliseconds(found: Figure) -> str:
    return f"{found.p50_us / 1000:.3g} / {found.p99_us / 1000:.3g}"


def _added(found: Figure) -> str:
    return "-" if found.added_us is None else f"{found.added_us / 1000:+.2f}"


def _added_p99(found: Figure) -> str:
    return "-" if found.added_p99_us is None else f"{found.added_p99_us / 1000:+.2f}"


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("req/s 1", _cell("plain_1", _rate)),
    ("16", _cell("plain_16", _rate)),
    ("64", _cell("plain_64", _rate)),
    ("256", _cell("plain_256", _rate)),
    ("ratio", _cell("plain_64", _ratio)),
    ("CPU µs", _cell("plain_64", lambda found: f"{found.cpu_us:,.0f}")),
    ("p50 / p99 ms, 1", _cell("plain_1", _milliseconds)),
    ("p50 / p99 ms, 64", _cell("plain_64", _milliseconds)),
    ("streams/s", _cell("streams_64", _rate)),
    ("ratio ", _cell("streams_64", _ratio)),
    ("CPU µs ", _cell("streams_64", lambda found: f"{found.cpu_us:,.0f}")),
    ("paced CPU µs", _cell("paced_64", lambda found: f"{found.cpu_us:,.0f}")),
    ("added ms", _cell("first_token", _added)),
    ("p99 at 1,000/s, ms", _cell("rate_1000", lambda found: f"{found.p99_us / 1000:.3g}")),
    ("added p99, ms", _cell("rate_1000", _added_p99)),
    ("MB", lambda _, subject: "-" if subject.memory_bytes is None else f"{subject.memory_bytes / 1e6:,.0f}"),
    ("start s", lambda _, subject: "-" if subject.start_s is None else f"{subject.start_s:.1f}"),
)


def show(run: Run, console: Console) -> None:
    """Prints the table and what voided a figure."""
    table = Table(title=run.machine.line())
    table.add_column("gateway", no_wrap=True)
    for title, _ in COLUMNS:
        table.add_column(title, justify="right")
    for subject in run.subjects:
        if subject.unavailable is None:
            table.add_row(subject.name, *(cell(run, subject) for _, cell in COLUMNS))
    console.print(table)
    for line in faults(run):
        console.print(line, style="red", markup=False)
    for name, values in run.extras.items():
        console.print(f"{name}: " + ", ".join(f"{key} {plain(value)}" for key, value in values.items()))


def faults(run: Run) -> list[str]:
    """Returns a line for each peer that was not measured and each figure that is void."""
    lines = [f"{one.name} was not measured: {one.unavailable}" for one in run.subjects if one.unavailable]
    for subject in run.subjects:
        for scenario in dict.fromkeys(one.scenario for one in run.samples):
            found = figure(run.samples, subject.name, scenario)
            if isinstance(found, Void):
                lines.append(
                    f"{subject.name}, {scenario}: {found.wrong} wrong; the first: {found.example[:300]}"
                )
    return lines


def page(run: Run, besides: dict[str, bars.Figures] | None = None) -> str:
    """Returns the documentation page of a run, and of what was measured `besides`."""
    titles = ["gateway", *(title.strip() for title, _ in COLUMNS)]
    rows = [titles, ["---", *("---:" for _ in COLUMNS)]]
    for subject in run.subjects:
        cells = [cell(run, subject) for _, cell in COLUMNS]
        if subject.unavailable is not None:
            cells = ["not measured", *("" for _ in COLUMNS[1:])]
        rows.append([subject.name, *cells])
    every = {**run.extras, **(besides or {})}
    extras = "".join(
        f"\n## {name}\n\n" + "".join(f" - {key}: {plain(value)}\n" for key, value in values.items())
        for name, values in every.items()
    )
    remarks = "".join(f" - {line}\n" for line in faults(run))
    return PAGE.format(
        machine=run.machine.line(),
        warning="**Others were using the machine: only the ratios are worth something.**\n\n"
        if run.machine.is_busy
        else "",
        rounds=run.settings["rounds"],
        seconds=run.settings["seconds"],
        bar=BAR,
        table="\n".join("| " + " | ".join(row) + " |" for row in rows),
        does="\n".join(f" - {one.name} {one.version}: {one.does}." for one in run.subjects),
        extras=("\n## Not measured, or void\n\n" + remarks if remarks else "") + extras,
    )


def write_page(run: Run, path: Path) -> None:
    """Writes the documentation page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(run, bars.kept()))


def plain(value: float | str) -> str:
    """Returns a figure as the page shows it."""
    return value if isinstance(value, str) else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def main() -> None:
    """Writes the page anew: `python -m bench.report [FILE]`, the run (default: the newest with an engine)."""
    folder = Path(__file__).resolve().parent
    runs = {file: msgspec.json.decode(file.read_bytes(), type=Run) for file in _files(folder / "results")}
    chosen = next((file for file, run in reversed(runs.items()) if run.extras), next(reversed(runs)))
    write_page(runs[chosen], folder.parent / "docs/reference/benchmarks.md")
    sys.stdout.write(f"written from {chosen}\n")


def _files(folder: Path) -> list[Path]:
    return [Path(name) for name in sys.argv[1:]] or sorted(folder.glob("2*.json"))


if __name__ == "__main__":
    main()

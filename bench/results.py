"""Makes one row a peer out of the samples of a run: medians, added times, ratios to the bar.

Refuses to know how samples were taken or how rows are shown. Invariant: one wrong answer voids the figure of
its scenario, and a ratio is the median of the rounds' ratios, each taken within one round.
"""

import statistics
from collections.abc import Callable, Sequence

import msgspec

from bench.machine import Machine
from bench.measure import Sample

FLOOR = "direct"
BAR = "vllm-router"


class Subject(msgspec.Struct, kw_only=True):
    """A peer that took part, or why it did not."""

    name: str
    does: str
    version: str = "-"
    start_s: float | None = None
    memory_bytes: int | None = None
    unavailable: str | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A peer's medians in one scenario."""

    rate: float
    cpu_us: float
    p50_us: float
    p99_us: float
    added_us: float | None
    """p50 above the floor's, of the same round."""
    added_p99_us: float | None
    """p99 above the floor's, of the same round."""
    ratio: float | None
    """Rate over the bar's, of the same round."""
    spread: float
    """(highest rate - lowest) / median: how far to trust it."""


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario in which the peer gave wrong answers, or none."""

    wrong: int
    example: str


class Run(msgspec.Struct, kw_only=True):
    """All that one run of the bench found, as it is written to its JSON file."""

    machine: Machine
    settings: dict[str, float | int | str]
    subjects: list[Subject]
    samples: list[Sample]
    extras: dict[str, dict[str, float | str]] = {}
    """Figures beside the table: the engine through the gateway, the time to the first answer, memory."""


def of_scenario(samples: Sequence[Sample], peer: str, scenario: str) -> dict[int, Sample]:
    """Returns a peer's samples of one scenario by round."""
    return {one.round: one for one in samples if one.peer == peer and one.scenario == scenario}


def figure(samples: Sequence[Sample], peer: str, scenario: str) -> Figure | Void | None:
    """Returns a peer's medians in a scenario; None where it was not measured."""
    mine = of_scenario(samples, peer, scenario)
    if not mine:
        return None
    wrong = sum(one.wrong for one in mine.values())
    if wrong or not any(one.requests for one in mine.values()):
        example = next((one.example for one in mine.values() if one.example), "no answer")
        return Void(wrong=wrong, example=example)
    rates = [one.rate for one in mine.values()]
    rate = statistics.median(rates)
    return Figure(
        rate=rate,
        cpu_us=statistics.median(one.cpu_us for one in mine.values()),
        p50_us=statistics.median(one.p50_us for one in mine.values()),
        p99_us=statistics.median(one.p99_us for one in mine.values()),
        added_us=_paired(samples, mine, FLOOR, lambda one, floor: one.p50_us - floor.p50_us),
        added_p99_us=_paired(samples, mine, FLOOR, lambda one, floor: one.p99_us - floor.p99_us),
        ratio=_paired(samples, mine, BAR, lambda one, bar: one.rate / bar.rate if bar.rate else 0.0),
        spread=(max(rates) - min(rates)) / rate if rate else 0.0,
    )


def _paired(
    samples: Sequence[Sample], mine: dict[int, Sample], other: str, compare: Callable[[Sample, Sample], float]
) -> float | None:
    """Returns the median over rounds of `compare(mine, other's)`; None where the two share no round."""
    scenario = next(iter(mine.values())).scenario
    theirs = of_scenario(samples, other, scenario)
    if any(one.wrong for one in theirs.values()):
        return None
    pairs = [compare(mine[number], theirs[number]) for number in mine if number in theirs]
    return statistics.median(pairs) if pairs else None

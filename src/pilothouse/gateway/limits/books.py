"""The books of money: kept in a small file beside the counters, and made whole from the journal.

A budget counts what was spent since its day or month began, also before there was a budget, and after the
counters were lost: the sums of the file are taken, and what the journal knows since is added in a thread.
Refuses to know callers. Invariant: each call's cost is counted once: by the sums up to their moment, by the
journal between that and the row's own beginning, by the row itself from then on.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from pilothouse.gateway.limits.counting import DAY_NS, LOCK, UNLOCK, Calendar, Counting
from pilothouse.gateway.limits.gate import Gate
from pilothouse.gateway.limits.layout import (
    DAY,
    DAY_NANO_USD,
    IS_RECOUNTED,
    MONEY_FROM_NS,
    MONEY_SINCE_NS,
    MONTH,
    MONTH_NANO_USD,
)
from pilothouse.gateway.limits.recount import NOBODY, Ended, ended_since

AT_ONCE: Final = 32
"""Rows copied under one hold of the lock: some 30 µs."""
Name = tuple[str, str]
Spans = dict[Name, tuple[int, int]]
Spent = dict[Name, dict[int, int]]


class Sum(msgspec.Struct, frozen=True):
    """What one key, team or model has spent, up to a moment."""

    scope: str
    name: str
    at_ns: int
    day: int
    day_nano_usd: int
    month: int
    month_nano_usd: int


class Book(msgspec.Struct, frozen=True):
    """The file."""

    version: int = 1
    sums: tuple[Sum, ...] = ()


def read_book(path: str) -> dict[Name, Sum]:
    """Returns the sums of the file; none when it is missing or broken."""
    try:
        book = msgspec.json.decode(Path(path).read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError):
        return {}
    return {(each.scope, each.name): each for each in book.sums}


def write_book(path: str, sums: tuple[Sum, ...]) -> None:
    """Puts the sums in the file, whole or not at all."""
    fresh = f"{path}.new"
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, msgspec.json.encode(Book(sums=sums)))
        os.fdatasync(handle)
    finally:
        os.close(handle)
    Path(fresh).rename(path)


def begin(counting: Counting, gate: Gate, known: dict[Name, Sum], now_ns: int) -> None:
    """Begins to count money at a gate that has a budget, or ends it at one that has none any more."""
    cells, at = counting.cells, gate.quads
    quads = cells.quads
    cells.flock(cells.handle, LOCK)
    try:
        if not gate.has_money:
            quads[at + MONEY_SINCE_NS] = quads[at + IS_RECOUNTED] = 0
            return
        if quads[at + MONEY_SINCE_NS]:
            return
        found = known.get((gate.scope, gate.name))
        quads[at + MONEY_SINCE_NS] = now_ns
        quads[at + MONEY_FROM_NS] = found.at_ns if found is not None else 0
        quads[at + DAY], quads[at + DAY_NANO_USD] = (found.day, found.day_nano_usd) if found else (0, 0)
        quads[at + MONTH], quads[at + MONTH_NANO_USD] = (
            (found.month, found.month_nano_usd) if found else (0, 0)
        )
    finally:
        cells.flock(cells.handle, UNLOCK)


def unfinished(counting: Counting, gates: list[Gate]) -> list[Gate]:
    """Returns the gates whose sums are not whole yet."""
    quads = counting.cells.quads
    return [gate for gate in gates if gate.has_money and not quads[gate.quads + IS_RECOUNTED]]


def spans_of(counting: Counting, gates: list[Gate], now_ns: int) -> Spans:
    """Returns for each gate between which moments the journal knows what its sums do not."""
    quads, begun_ns = counting.cells.quads, month_start_ns(now_ns)
    return {
        (gate.scope, gate.name): (
            max(begun_ns, quads[gate.quads + MONEY_FROM_NS]),
            quads[gate.quads + MONEY_SINCE_NS],
        )
        for gate in gates
    }


def gather(
    folder: str, spans: Spans, pause: Callable[[], None], counted_as: Mapping[str, str] = NOBODY
) -> Spent:
    """Returns what was spent between these moments, by day; reads the journal for as long as that takes.

    Touches no counter, so that it may run in a thread: the lock of the file does not part threads.
    """
    spent: Spent = {name: {} for name in spans}
    since_ns = min(start for start, _ in spans.values())
    for ended in ended_since(folder, since_ns, pause, counted_as):
        if ended.nano_usd:
            _add(ended, spans, spent)
    return spent


def take_in(counting: Counting, gates: list[Gate], spent: Spent, now_ns: int) -> None:
    """Makes sums whole with what the journal knew."""
    for gate in gates:
        _take_in(counting, gate, spent[gate.scope, gate.name], now_ns)


def month_start_ns(now_ns: int) -> int:
    """Returns when the month of a moment began."""
    calendar, day = Calendar(), now_ns // DAY_NS
    calendar.turn(now_ns)
    month = calendar.month
    while True:
        calendar.turn((day - 1) * DAY_NS)
        if calendar.month != month:
            return day * DAY_NS
        day -= 1


def sums_of(counting: Counting, gates: list[Gate], clock_ns: Callable[[], int]) -> tuple[Sum, ...]:
    """Returns the sums that are whole, each with the moment up to which it holds."""
    cells = counting.cells
    quads, found = cells.quads, []
    for start in range(0, len(gates), AT_ONCE):
        cells.flock(cells.handle, LOCK)
        try:
            now_ns = clock_ns()
            for gate in gates[start : start + AT_ONCE]:
                at = gate.quads
                if gate.has_money and quads[at + IS_RECOUNTED]:
                    day, day_nano, month, month_nano = quads[at + DAY : at + MONTH_NANO_USD + 1]
                    found.append(Sum(gate.scope, gate.name, now_ns, day, day_nano, month, month_nano))
        finally:
            cells.flock(cells.handle, UNLOCK)
    return tuple(found)


def _add(ended: Ended, spans: Spans, spent: Spent) -> None:
    day = ended.end_ns // DAY_NS
    for scope, name in (("key", ended.key_id), ("team", ended.team), ("model", ended.model)):
        if name is None:
            continue
        span = spans.get((scope, name))
        if span is not None and span[0] < ended.end_ns <= span[1]:
            days = spent[scope, name]
            days[day] = days.get(day, 0) + ended.nano_usd


def _take_in(counting: Counting, gate: Gate, days: dict[int, int], now_ns: int) -> None:
    """Adds what the journal knows to one row."""
    cells, at = counting.cells, gate.quads
    quads, then = cells.quads, Calendar()
    cells.flock(cells.handle, LOCK)
    try:
        counting.calendar.turn(now_ns)
        if quads[at + IS_RECOUNTED]:
            return
        counting.spend(gate, 0)  # brings the row to this day and month
        for day, nano in days.items():
            then.turn(day * DAY_NS)
            if then.month == counting.calendar.month:
                quads[at + MONTH_NANO_USD] += nano
            if day == counting.calendar.day:
                quads[at + DAY_NANO_USD] += nano
        quads[at + IS_RECOUNTED] = 1
    finally:
        cells.flock(cells.handle, UNLOCK)

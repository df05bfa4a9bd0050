"""Fills the windows of a new file of counters with the calls that the journal knows of the last minute.

Refuses to know money. Invariant: it is done once for a file; calls that were under way when the old file was
lost are not among them, since the journal has only those that ended.
"""

from collections.abc import Iterable, Mapping

from pilothouse.gateway.limits.counting import LOCK, UNLOCK, Counting
from pilothouse.gateway.limits.gate import MOST_IN_A_WINDOW, NANO, Gate
from pilothouse.gateway.limits.layout import HAS_WINDOWS, KEPT, LAST, MADE_NS, NEWEST
from pilothouse.gateway.limits.recount import Ended

Gates = Mapping[tuple[str, str], Gate]


def is_wanted(counting: Counting) -> bool:
    """Says whether nobody has filled this file yet."""
    return not counting.cells.quads[HAS_WINDOWS]


def refill(counting: Counting, gates: Gates, calls: Iterable[Ended], *, now_s: float, now_ns: int) -> None:
    """Counts calls in the buckets in which they were made."""
    cells = counting.cells
    cells.flock(cells.handle, LOCK)
    try:
        if not is_wanted(counting):
            return
        cells.quads[HAS_WINDOWS] = 1
        bucket = cells.clock(int(now_s * counting.per_second))
        touched: dict[int, Gate] = {}
        for call in calls:
            if call.at_ns > cells.quads[MADE_NS]:
                continue
            made_s = now_s - (now_ns - call.at_ns) / NANO
            age = bucket - int(made_s * counting.per_second)
            for gate in _gates_of(gates, call):
                touched[gate.quads] = gate
                _count(counting, gate, bucket, max(0, age), call.tokens)
        for gate in touched.values():
            cells.roll(gate.quads, gate.row_words, bucket)  # sums the totals
    finally:
        cells.flock(cells.handle, UNLOCK)


def _gates_of(gates: Gates, call: Ended) -> list[Gate]:
    named = (("key", call.key_id), ("team", call.team), ("model", call.model))
    found = [gates.get((scope, name)) for scope, name in named if name is not None]
    return [gate for gate in found if gate is not None and gate.has_window]


def _count(counting: Counting, gate: Gate, bucket: int, age: int, tokens: int) -> None:
    if age >= KEPT:
        return
    cells, at = counting.cells, gate.quads
    if cells.quads[at + LAST] != bucket:
        cells.roll(at, gate.row_words, bucket)
    cell = (bucket - age) % KEPT
    cells.words[gate.request_ring + cell] += 1
    kept = cells.words[gate.token_ring + cell]
    cells.words[gate.token_ring + cell] = min(MOST_IN_A_WINDOW, kept + tokens)
    cells.quads[at + NEWEST] = max(cells.quads[at + NEWEST], bucket - age)

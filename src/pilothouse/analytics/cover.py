"""Covers a stretch of time with roll-ups where there are, and with rows for the rest.

Refuses to know what is asked of them. Invariant: the pieces meet end to end and are the whole stretch, each
millisecond once.
"""

from dataclasses import dataclass
from typing import Literal

from pilothouse.store.rollups import HOUR, Marks

__all__ = ["HOUR_MS", "MINUTE_MS", "SHORTEST_ROLLED_MS", "Piece", "Source", "cover", "rolled_step"]

Source = Literal["rows", "minutes", "hours"]
MINUTE_MS = 60_000
HOUR_MS = HOUR * MINUTE_MS
SHORTEST_ROLLED_MS = 15 * MINUTE_MS
"""From a quarter of an hour on, questions are put so that roll-ups can answer them."""
SHORTEST_OF_HOURS_MS = 20 * MINUTE_MS
"""A step that would be longer is made of whole hours: of a day's minutes there are too many."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the time, and where it is read."""

    source: Source
    start_ms: int
    end_ms: int


def rolled_step(step_ms: int) -> tuple[int, int]:
    """Returns the step that roll-ups have for one of `step_ms` or a little less, and what it begins at."""
    size = HOUR_MS if step_ms >= SHORTEST_OF_HOURS_MS else MINUTE_MS
    return -(-step_ms // size) * size, size


def cover(start_ms: int, end_ms: int, *, step_ms: int, marks: Marks) -> list[Piece]:
    """Returns the pieces of a stretch of time, oldest first.

    Args:
        start_ms: The first millisecond.
        end_ms: The first millisecond after it.
        step_ms: Steps that the answer is told apart by, from `start_ms` on; of one step alone, the whole.
        marks: How far calls are rolled up.
    """
    if start_ms + step_ms >= end_ms:
        coarsest = HOUR_MS
    else:
        coarsest = next((size for size in (HOUR_MS, MINUTE_MS) if step_ms % size == start_ms % size == 0), 0)
    pieces = [Piece("rows", start_ms, end_ms)]
    if coarsest >= HOUR_MS:
        pieces = _laid(pieces, "hours", HOUR_MS, 0, marks.hours_until * MINUTE_MS)
    if coarsest >= MINUTE_MS:
        pieces = _laid(
            pieces, "minutes", MINUTE_MS, marks.minutes_from * MINUTE_MS, marks.minutes_until * MINUTE_MS
        )
    return pieces


def _laid(pieces: list[Piece], source: Source, size: int, oldest: int, newest: int) -> list[Piece]:
    """Puts roll-ups of `size`, which there are from `oldest` to `newest`, in the place of rows."""
    laid: list[Piece] = []
    for piece in pieces:
        first = max(-(-piece.start_ms // size) * size, oldest)
        last = min(piece.end_ms // size * size, newest)
        if piece.source != "rows" or first >= last:
            laid.append(piece)
            continue
        parts = (
            Piece("rows", piece.start_ms, first),
            Piece(source, first, last),
            Piece("rows", last, piece.end_ms),
        )
        laid += [part for part in parts if part.start_ms < part.end_ms]
    return laid

"""The counters as numbers in memory: rows found by digest, buckets that expire, and the lock around them.

The lock is the file's (`flock`): 0.9 µs for taking and giving it back, and the kernel gives it back when its
holder is killed. What a killed holder left half done is put right when the next bucket begins, because the
totals are then summed anew. Refuses to know where the memory comes from. Invariant: `clock`, `roll` and what
writes a ring run under the lock; a count of calls under way is written by its own worker alone.
"""

import fcntl
from array import array
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from pilothouse.gateway.limits.layout import (
    CLOCK,
    DIGEST_BYTES,
    HEADER_BYTES,
    HIGH_SLOT,
    KEPT,
    LAST,
    REQUEST_RING,
    REQUESTS,
    ROW_BYTES,
    ROW_CELLS,
    ROWS_AT,
    SLOT_CELL,
    SLOTS,
    TAKEN,
    TOKEN_RING,
    TOKENS,
)

FULLEST: Final = 0.75
"""The share of rows that may be taken: beyond it, looking one up would grow slow."""
EMPTY_RINGS: Final = memoryview(array("I", bytes(8 * KEPT)))
INDEX: Final = HEADER_BYTES // 4
NO_DIGEST: Final = bytes(DIGEST_BYTES)


def digest_of(scope: str, name: str) -> bytes:
    """Returns what a row is found by."""
    return blake2b(f"{scope}\0{name}".encode(), digest_size=DIGEST_BYTES).digest()


class Cells:
    """The numbers of one file."""

    __slots__ = ("buffer", "flock", "halves", "handle", "quads", "rows", "slot", "words")

    def __init__(
        self,
        buffer: memoryview,
        *,
        rows: int,
        slot: int = 0,
        handle: int = -1,
        flock: Callable[[int, int], None] = fcntl.flock,
    ) -> None:
        self.buffer = buffer
        self.quads = buffer.cast("q")
        self.words = buffer.cast("I")
        self.halves = buffer.cast("H")
        self.rows = rows
        self.slot = slot
        self.handle = handle
        self.flock = flock

    def row_of(self, digest: bytes) -> int | None:
        """Returns the row of a digest, or `None` when it has none."""
        row, is_there = self._probe(digest)
        return row if is_there else None

    def make_row(self, digest: bytes) -> tuple[int, bool] | None:
        """Returns a digest's row and whether it was made; `None` when there is no room. Under the lock."""
        row, is_there = self._probe(digest)
        if is_there:
            return row, False
        if row < 0 or self.quads[TAKEN] >= self.rows * FULLEST:
            return None
        self.words[INDEX + self.quads[TAKEN]] = row
        self.quads[TAKEN] += 1
        start = ROWS_AT + row * ROW_BYTES
        self.buffer[start : start + ROW_BYTES] = bytes(ROW_BYTES)
        self.buffer[start : start + DIGEST_BYTES] = digest
        return row, True

    def _probe(self, digest: bytes) -> tuple[int, bool]:
        """Returns the row of a digest and true, or the row it would take (-1: none) and false."""
        rows, buffer = self.rows, self.buffer
        first = int.from_bytes(digest[:8], "little") % rows
        for step in range(rows):
            row = (first + step) % rows
            start = ROWS_AT + row * ROW_BYTES
            found = buffer[start : start + DIGEST_BYTES]
            if found == digest:
                return row, True
            if found == NO_DIGEST:
                return row, False
        return -1, False

    def rows_in_use(self) -> list[int]:
        """Returns the rows that were made."""
        return self.words[INDEX : INDEX + self.quads[TAKEN]].tolist()

    def clear_slot(self, slot: int) -> None:
        """Gives back the calls that a worker which is gone had under way."""
        for row in self.rows_in_use():
            self.halves[row_halves(row) + slot] = 0

    def clock(self, bucket: int) -> int:
        """Returns the bucket to count in: `bucket`, or a newer one that another worker has seen."""
        quads = self.quads
        seen = quads[CLOCK]
        if bucket <= seen <= bucket + KEPT:
            return seen
        quads[CLOCK] = bucket
        return bucket

    def roll(self, row_quads: int, row_words: int, bucket: int) -> None:
        """Lets a row's buckets expire up to `bucket`, and sums its totals anew."""
        quads, words = self.quads, self.words
        last = quads[row_quads + LAST]
        requests, tokens = row_words + REQUEST_RING, row_words + TOKEN_RING
        if 0 < bucket - last < KEPT:
            for gone in range(last + 1, bucket + 1):
                words[requests + gone % KEPT] = 0
                words[tokens + gone % KEPT] = 0
        elif bucket != last:
            words[requests : requests + 2 * KEPT] = EMPTY_RINGS
        quads[row_quads + REQUESTS] = sum(words[requests : requests + KEPT])
        quads[row_quads + TOKENS] = sum(words[tokens : tokens + KEPT])
        quads[row_quads + LAST] = bucket

    def buckets_until_room(self, ring: int, bucket: int, excess: int) -> int:
        """Returns after how many buckets `excess` of what a ring holds will have expired, at the most all."""
        words, freed = self.words, 0
        if excess <= 0:
            return 0
        for age in range(KEPT - 1, -1, -1):
            freed += words[ring + (bucket - age) % KEPT]
            if freed >= excess:
                return KEPT - age
        return KEPT

    def under_way(self, row_first_half: int) -> int:
        """Returns how many calls all workers have under way."""
        return sum(self.halves[row_first_half : row_first_half + self.quads[HIGH_SLOT]])


def row_quads(row: int) -> int:
    """Returns a row's first cell of 8 bytes."""
    return (ROWS_AT + row * ROW_BYTES) // 8


def row_words(row: int) -> int:
    """Returns a row's first cell of 4 bytes."""
    return (ROWS_AT + row * ROW_BYTES) // 4


def row_halves(row: int) -> int:
    """Returns the first of a row's counts of calls under way."""
    return (ROWS_AT + row * ROW_BYTES) // 2 + SLOT_CELL


assert ROW_CELLS * 8 <= SLOT_CELL * 2  # the parts of a row do not overlap
assert (SLOT_CELL + SLOTS) * 2 <= REQUEST_RING * 4
assert (TOKEN_RING + KEPT) * 4 <= ROW_BYTES

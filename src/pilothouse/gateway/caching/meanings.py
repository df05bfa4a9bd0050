"""Answers by what was meant: one bucket for each request that is otherwise equal, searched by cosine.

Exact search. The first numbers of all vectors are multiplied at once; what the rest could add at most (by
Cauchy and Schwarz, the product of the rests' lengths) leaves few to be multiplied whole. At 8,000 vectors
that takes less than an approximate index takes to add one (`docs/explanation/caching.md` has the figures).
numpy is loaded when the first vector comes, so that a gateway without this pays nothing. Refuses to know
where vectors come from. Invariant: a row belongs to exactly one entry that is kept, and a vector is of
length one.
"""

import math
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.gateway.caching.memory import Entry

FIRST_ROWS = 4
FLOAT_BYTES = 4
MOST_NEAR = 16
"""Entries that are looked at more closely for one request."""
HEAD = 96
"""Numbers of a vector that are looked at first."""
SLACK = 1e-5
"""What rounding may take from a bound."""
MOST_ROWS = 8_192
"""Of one bucket, so that no search holds the worker up; further answers are found by their digest alone."""


class Bucket:
    """The vectors of requests that differ in nothing but the words of their last message."""

    __slots__ = ("_entries", "_heads", "_matrix", "_numpy", "_rests")

    def __init__(self, numpy: Any, dimensions: int) -> None:
        self._numpy = numpy
        self._entries: list[Entry] = []
        self._matrix = numpy.empty((FIRST_ROWS, dimensions), dtype=numpy.float32)
        self._heads = numpy.empty((FIRST_ROWS, min(HEAD, dimensions)), dtype=numpy.float32)
        self._rests = numpy.empty(FIRST_ROWS, dtype=numpy.float32)
        """The length of each vector without its head."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: "Entry", vector: Any) -> int | None:
        """Adds a vector. Returns its row, or `None` when there is no room or it does not fit."""
        row = len(self._entries)
        if row >= MOST_ROWS or vector.shape[0] != self._matrix.shape[1]:
            return None
        if row == self._matrix.shape[0]:
            self._matrix, self._heads, self._rests = (
                self._numpy.concatenate((each, self._numpy.empty_like(each)))
                for each in (self._matrix, self._heads, self._rests)
            )
        self._matrix[row] = vector
        self._heads[row] = vector[:HEAD]
        self._rests[row] = _rest(vector)
        self._entries.append(entry)
        return row

    def remove(self, row: int) -> "Entry | None":
        """Takes a row out; the last one moves there. Returns the entry that moved."""
        last = len(self._entries) - 1
        moved = self._entries.pop()
        if row == last:
            return None
        for each in (self._matrix, self._heads, self._rests):
            each[row] = each[last]
        self._entries[row] = moved
        return moved

    def near(self, vector: Any, least: float) -> "list[Entry]":
        """Returns the entries whose vectors have at least this cosine with one, the nearest first."""
        rows = len(self._entries)
        if not rows or vector.shape[0] != self._matrix.shape[1]:
            return []
        most = self._heads[:rows] @ vector[:HEAD] + self._rests[:rows] * _rest(vector)
        found = self._numpy.flatnonzero(most >= least - SLACK)
        cosines = self._matrix[found] @ vector
        is_near = cosines >= least
        found, cosines = found[is_near], cosines[is_near]
        return [self._entries[row] for row in found[cosines.argsort()[::-1][:MOST_NEAR]]]


class Meanings:
    """All buckets of one model."""

    __slots__ = ("_buckets", "_numpy")

    def __init__(self) -> None:
        self._buckets: dict[bytes, Bucket] = {}
        self._numpy: Any = None

    def unit(self, values: list[float]) -> Any | None:
        """Returns a vector made as long as one, or `None` when it has no direction."""
        if self._numpy is None:
            self._numpy = _numpy()
        vector = self._numpy.asarray(values, dtype=self._numpy.float32)
        length = math.sqrt(float(vector @ vector)) if vector.ndim == 1 else 0.0
        if not math.isfinite(length) or length == 0.0:
            return None
        return vector / self._numpy.float32(length)

    def near(self, bucket: bytes, vector: Any, least: float) -> "list[Entry]":
        """Returns the entries of a bucket with at least this cosine, the nearest first."""
        found = self._buckets.get(bucket)
        return [] if found is None else found.near(vector, least)

    def add(self, bucket: bytes, entry: "Entry", vector: Any) -> int:
        """Adds an entry that is kept. Returns the bytes that its vector takes; 0 when it was not added."""
        held = self._buckets.get(bucket)
        if held is None:
            held = self._buckets[bucket] = Bucket(self._numpy, vector.shape[0])
        row = held.add(entry, vector)
        if row is None:
            return 0
        entry.meaning = (bucket, row)
        return 2 * FLOAT_BYTES * (int(vector.shape[0]) + HEAD)  # a matrix doubles: up to half of it is empty

    def remove(self, entry: "Entry") -> None:
        """Takes an entry out, if it is here."""
        if entry.meaning is None:
            return
        bucket, row = entry.meaning
        entry.meaning = None
        held = self._buckets[bucket]
        moved = held.remove(row)
        if moved is not None:
            moved.meaning = (bucket, row)
        if not len(held):
            del self._buckets[bucket]


def _rest(vector: Any) -> float:
    """Returns the length of a vector without its head."""
    rest = vector[HEAD:]
    return math.sqrt(float(rest @ rest))


def _numpy() -> Any:
    """Loads numpy with one thread: a worker has one core, and a product here is too small to share."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import numpy  # noqa: ICN001 - kept under its own name: it is passed on as a value

    return numpy

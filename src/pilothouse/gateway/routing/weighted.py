"""Strategy `weighted`: at random, each deployment as often as its weight says.

Refuses to know what the deployments are doing. Invariant: over many calls the shares are those of the weights
of the deployments that may be chosen.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import random

from pilothouse.gateway.routing.seat import Seat


class Weighted:
    """Chooses by weight."""

    __slots__ = ("_all", "_bounds", "_total")

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._all = seats
        self._bounds = list(accumulate(seat.weight for seat in seats))
        self._total = self._bounds[-1] if self._bounds else 0

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`."""
        del key, now_s, is_stream
        if seats is self._all:
            return bisect_right(self._bounds, random() * self._total)  # noqa: S311 - load spreading
        return by_weight(seats)


def by_weight(seats: Sequence[Seat]) -> int:
    """Returns the place of one of `seats`, drawn by weight; those without any weight are drawn alike."""
    bounds = list(accumulate(seat.weight for seat in seats))
    if not bounds[-1]:
        return int(random() * len(seats))  # noqa: S311 - load spreading
    return bisect_right(bounds, random() * bounds[-1])  # noqa: S311 - load spreading

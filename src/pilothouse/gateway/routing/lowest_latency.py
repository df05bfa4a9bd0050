"""Strategy `lowest_latency`: of two deployments drawn at random, the one that would answer sooner.

The cost of each is Finagle's: its peak EWMA times the calls it would then have under way, for its weight. Two
are compared and not all (Mitzenmacher's "power of two choices"), so that a newly fast deployment is not
overrun. Refuses to know failures. Invariant: one that was never timed counts as fast, and so gets timed.
"""

from collections.abc import Sequence
from random import random

from pilothouse.gateway.routing.seat import Seat


class LowestLatency:
    """Chooses by peak EWMA."""

    __slots__ = ()

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`."""
        del key
        count = len(seats)
        one = int(random() * count)  # noqa: S311 - load spreading
        other = int(random() * (count - 1))  # noqa: S311 - load spreading
        if other >= one:
            other += 1
        if other >= count:
            return one
        is_better = cost(seats[other], now_s, is_stream=is_stream) < cost(
            seats[one], now_s, is_stream=is_stream
        )
        return other if is_better else one


def cost(seat: Seat, now_s: float, *, is_stream: bool) -> float:
    """Returns how long a call would take here, in comparison."""
    vitals = seat.vitals
    latency = vitals.stream if is_stream else vitals.plain
    return latency.peak_at(now_s) * (vitals.in_flight + 1) / (seat.weight or 1)

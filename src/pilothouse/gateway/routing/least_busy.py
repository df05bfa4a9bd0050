"""Strategy `least_busy`: the fewest calls under way for its weight.

Refuses to know how long calls take. Invariant: no deployment is chosen while another has fewer calls under
way for its weight; among equals the choice is random.
"""

from collections.abc import Sequence
from random import random

from pilothouse.gateway.routing.seat import Seat


class LeastBusy:
    """Chooses by calls under way."""

    __slots__ = ()

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`."""
        del key, now_s, is_stream
        best, least, equals = 0, float("inf"), 1
        for at, seat in enumerate(seats):
            load = (seat.vitals.in_flight + 1) / (seat.weight or 1)
            if load < least:
                best, least, equals = at, load, 1
            elif load == least:
                equals += 1
                if random() * equals < 1:  # noqa: S311 - load spreading
                    best = at
        return best

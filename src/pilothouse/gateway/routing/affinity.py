"""Strategies `prefix_affinity` and `sticky`: the same key goes to the same deployment, by a hash ring.

Each deployment has points on a ring, as many as its weight says; a key goes to the next point clockwise.
When that deployment may not be chosen, the next on the ring is taken, so only its keys move; when one is
added, only its share moves. With a bound on load (Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing
with bounded loads", 2016) one that has too much under way is passed by, so that no hot prefix overruns it.
Refuses to know what a key stands for. Invariant: without failures and below the bound, a key's deployment
depends on nothing but the key and the deployments' ids and weights, on every worker alike.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil
from random import getrandbits

from pilothouse.gateway.routing.seat import Seat, stable_number

POINTS = 128
"""Points on the ring of the deployment with the largest weight."""
LOAD_FACTOR = 1.25
"""How much more than its share of the calls under way a deployment may have, with a bound …"""
FREE_CALLS = 4
"""… though so many calls under way are never too many."""


class Affinity:
    """Chooses by key."""

    __slots__ = ("_is_bounded", "_owners", "_points")

    def __init__(self, seats: Sequence[Seat], *, is_bounded: bool) -> None:
        heaviest = max((seat.weight for seat in seats), default=1) or 1
        ring = sorted(
            (stable_number(seat.deployment, str(number)), seat.deployment)
            for seat in seats
            for number in range(max(1, round(POINTS * seat.weight / heaviest)))
        )
        self._points = [point for point, _ in ring]
        self._owners = [owner for _, owner in ring]
        self._is_bounded = is_bounded

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`; without a key (0) any."""
        del now_s, is_stream
        places = {seat.deployment: at for at, seat in enumerate(seats)}
        start = bisect_left(self._points, key or getrandbits(64))
        owners, first = self._owners, -1
        for step in range(len(owners)):
            place = places.pop(owners[(start + step) % len(owners)], -1)
            if place < 0:
                continue
            if not self._is_bounded or _is_within_bound(seats, place):
                return place
            if first < 0:
                first = place
            if not places:
                break
        return max(first, 0)


def _is_within_bound(seats: Sequence[Seat], place: int) -> bool:
    seat = seats[place]
    if seat.vitals.in_flight < FREE_CALLS:
        return True
    calls = 1 + sum(each.vitals.in_flight for each in seats)
    weights = sum(each.weight for each in seats) or 1
    return seat.vitals.in_flight < ceil(LOAD_FACTOR * calls * seat.weight / weights)

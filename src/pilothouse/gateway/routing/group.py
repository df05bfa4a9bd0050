"""The deployments among which one call chooses: all of a model's, or those of one arm of its experiment.

Those with a weight come first; those without (weight 0) only when none of the others may be chosen. A
deployment whose breaker is open, that is held by a 429, is not ready or has no room is left out. When nothing
is left, `least_bad` says whom to try all the same: a breaker steers calls, it never refuses one (Envoy calls
this panic mode; failing all calls for seconds because some failed would make a bad hour worse).
Refuses to know calls. Invariant: in the usual case, when all is well, no list is built.
"""

from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from pilothouse.contracts.traffic import Routing
from pilothouse.gateway.routing.seat import Seat
from pilothouse.gateway.routing.strategies import picker

S = TypeVar("S", bound=Seat)
S_co = TypeVar("S_co", bound=Seat, covariant=True)

PATIENCE_FACTOR = 5.0
"""A deployment is silent when nothing was heard for this many times the peak of what its siblings take …"""
PATIENCE_S = 2.0
"""… and at least so long; …"""
PROBE_PATIENCE_S = 0.25
"""… or so long, while its breaker is not closed anyway. …"""
UNTIMED_STREAM_S = 10.0
"""… For streams, when none was timed yet, …"""
UNTIMED_PLAIN_S = 30.0
"""… and for plain answers, which begin only when all their tokens are made."""


class Group(Generic[S_co]):
    """Seats and the strategy over them."""

    __slots__ = ("_picker", "mains", "reserves", "seats", "single")

    def __init__(self, seats: Sequence[S_co], routing: Routing) -> None:
        self.seats = tuple(seats)
        self.mains = tuple(seat for seat in seats if seat.weight > 0)
        self.reserves = tuple(seat for seat in seats if seat.weight <= 0)
        self.single: S_co | None = self.mains[0] if len(self.mains) == 1 else None
        self._picker = picker(routing, self.mains)

    def choose(self, key: int, now_s: float, tried: Collection[str] = (), *, is_stream: bool) -> S_co | None:
        """Returns a seat that may take a call now and was not tried, or `None`."""
        mains = self.mains
        if not tried:
            for seat in mains:
                vitals = seat.vitals
                if vitals.is_troubled or vitals.in_flight >= vitals.most:
                    break
            else:
                if self.single is not None:
                    return self.single
                if mains:
                    return mains[self._picker.pick(mains, key, now_s, is_stream=is_stream)]
        free = _free(mains, now_s, tried)
        if len(free) > 1:
            return free[self._picker.pick(free, key, now_s, is_stream=is_stream)]
        if not free:
            free = _free(self.reserves, now_s, tried) if mains else free
        return free[0] if free else None

    def least_bad(self, now_s: float) -> S_co | None:
        """Returns the seat with room that will be let in again first; those held by a 429 come last."""
        best: S_co | None = None
        for seat in (*self.mains, *self.reserves) if self.mains else ():
            if seat.vitals.has_room and (best is None or _badness(seat, now_s) < _badness(best, now_s)):
                best = seat
        return best

    def held_s(self, now_s: float) -> float:
        """Returns for how long all seats are held by 429s, in seconds; 0 when one is not."""
        return max(0.0, min((seat.vitals.held_until_s - now_s for seat in self.seats), default=0.0))

    def patience_s(self, routing: Routing, *, is_stream: bool, is_suspect: bool) -> float:
        """Returns how long nothing may be heard from a deployment before it counts as silent, in seconds.

        Args:
            routing: The model's policies.
            is_stream: Whether what waits there are streams.
            is_suspect: Whether its breaker is not closed.
        """
        longest_s = routing.retries.deadline_ms / 2000
        peak_ms = 0.0
        for seat in self.seats:
            latency = seat.vitals.stream if is_stream else seat.vitals.plain
            peak_ms = max(peak_ms, latency.peak_ms)
        if not peak_ms:
            return min(UNTIMED_STREAM_S if is_stream else UNTIMED_PLAIN_S, longest_s)
        least_s = PROBE_PATIENCE_S if is_suspect else PATIENCE_S
        return max(PATIENCE_FACTOR * peak_ms / 1000, least_s if len(self.seats) > 1 else longest_s)


def _free(seats: Sequence[S], now_s: float, tried: Collection[str]) -> list[S]:
    return [
        seat
        for seat in seats
        if seat.deployment not in tried and seat.vitals.allows(now_s) and seat.vitals.has_room
    ]


def _badness(seat: Seat, now_s: float) -> tuple[float, bool, bool, float]:
    vitals, breaker = seat.vitals, seat.vitals.breaker
    held_s = max(0.0, vitals.held_until_s - now_s)
    return (held_s, vitals.is_unready, breaker.state != "closed", breaker.next_probe_s)

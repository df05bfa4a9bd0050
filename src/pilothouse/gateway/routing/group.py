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


class Group(Generic[S]):
    """Seats and the strategy over them."""

    __slots__ = ("_picker", "mains", "reserves", "seats", "single")

    def __init__(self, seats: Sequence[S], routing: Routing) -> None:
        self.seats = tuple(seats)
        self.mains = tuple(seat for seat in seats if seat.weight > 0)
        self.reserves = tuple(seat for seat in seats if seat.weight <= 0)
        self.single: S | None = self.mains[0] if len(self.mains) == 1 else None
        self._picker = picker(routing, self.mains)

    def choose(self, key: int, now_s: float, tried: Collection[str] = (), *, is_stream: bool) -> S | None:
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

    def least_bad(self, now_s: float) -> S | None:
        """Returns the seat with room that will be let in again first. What a 429 asked for is obeyed."""
        best: S | None = None
        for seat in (*self.mains, *self.reserves) if self.mains else ():
            vitals = seat.vitals
            if now_s < vitals.held_until_s or not vitals.has_room:
                continue
            if best is None or _badness(seat) < _badness(best):
                best = seat
        return best

    def held_s(self, now_s: float) -> float:
        """Returns for how long all seats are held by 429s, in seconds; 0 when one is not."""
        return max(0.0, min((seat.vitals.held_until_s - now_s for seat in self.seats), default=0.0))


def _free(seats: Sequence[S], now_s: float, tried: Collection[str]) -> list[S]:
    return [
        seat
        for seat in seats
        if seat.deployment not in tried and seat.vitals.allows(now_s) and seat.vitals.has_room
    ]


def _badness(seat: Seat) -> tuple[bool, bool, float]:
    vitals = seat.vitals
    return (vitals.is_unready, vitals.breaker.state != "closed", vitals.breaker.next_probe_s)

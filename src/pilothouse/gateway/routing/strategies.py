"""The catalogue of strategies: each is a file; this is where its name leads to it.

Refuses to know which model asks for which. Invariant: every name that a snapshot may hold is here.
"""

from collections.abc import Sequence
from typing import Protocol

from pilothouse.contracts.traffic import Routing
from pilothouse.gateway.routing.affinity import Affinity
from pilothouse.gateway.routing.cheapest import Cheapest
from pilothouse.gateway.routing.least_busy import LeastBusy
from pilothouse.gateway.routing.lowest_latency import LowestLatency
from pilothouse.gateway.routing.seat import Seat
from pilothouse.gateway.routing.weighted import Weighted


class Picker(Protocol):
    """A strategy."""

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`, of which there are at least two.

        Args:
            seats: Those that may be chosen; the very sequence the strategy was made with when all may.
            key: What affinity goes by, 64 bits; 0 when there is none.
            now_s: Seconds on the monotonic clock.
            is_stream: Whether a stream is asked for.
        """


def picker(routing: Routing, seats: Sequence[Seat]) -> Picker:
    """Returns the strategy of a model over `seats`."""
    match routing.strategy:
        case "weighted":
            return Weighted(seats)
        case "least_busy":
            return LeastBusy()
        case "lowest_latency":
            return LowestLatency()
        case "cheapest":
            return Cheapest(routing.latency_objective_ms)
        case "prefix_affinity":
            return Affinity(seats, is_bounded=True)
        case "sticky":
            return Affinity(seats, is_bounded=False)

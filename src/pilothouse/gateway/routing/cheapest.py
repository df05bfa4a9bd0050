"""Strategy `cheapest`: the lowest price among the deployments that meet the latency objective.

A price is compared as three parts input and one part output, about what chats use. A deployment without a
price is never taken for free: it comes after all that have one. Refuses to know tokens. Invariant: one that
misses the objective is chosen only when all miss it, and then the fastest is.
"""

from collections.abc import Sequence

from pilothouse.gateway.routing.seat import Seat
from pilothouse.gateway.routing.weighted import by_weight

INPUT_PARTS = 3


class Cheapest:
    """Chooses by price, within the objective."""

    __slots__ = ("_objective_ms",)

    def __init__(self, objective_ms: float | None) -> None:
        self._objective_ms = float("inf") if objective_ms is None else objective_ms

    def pick(self, seats: Sequence[Seat], key: int, now_s: float, *, is_stream: bool) -> int:
        """Returns the place of the chosen one among `seats`."""
        del key
        cheapest: list[int] = []
        price = float("inf")
        fastest, shortest = 0, float("inf")
        for at, seat in enumerate(seats):
            latency = seat.vitals.stream if is_stream else seat.vitals.plain
            taken_ms = min(latency.mean_ms, latency.peak_at(now_s))
            if taken_ms < shortest:
                fastest, shortest = at, taken_ms
            if taken_ms > self._objective_ms:
                continue
            here = blended_usd(seat)
            if here < price or not cheapest:
                cheapest, price = [at], here
            elif here == price:
                cheapest.append(at)
        if not cheapest:
            return fastest
        if len(cheapest) == 1:
            return cheapest[0]
        return cheapest[by_weight([seats[at] for at in cheapest])]


def blended_usd(seat: Seat) -> float:
    """Returns the price of a million tokens of a usual chat; infinite where no price is known."""
    if seat.price is None:
        return float("inf")
    return (INPUT_PARTS * seat.price.input_usd + seat.price.output_usd) / (INPUT_PARTS + 1)

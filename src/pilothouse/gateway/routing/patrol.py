"""Looks at all deployments ten times a second for what no single call can see: silence, and slowness.

A deployment is silent when calls wait at it and none of them, nor any other, has heard a byte for far longer
than its model usually takes. Its breaker opens then, though no deadline has passed, and the calls that wait
get a second attempt elsewhere, within the retry budget; the first answer wins. One that is many times slower
than its siblings is ejected in the same way, up to a share of them. Refuses to know calls. Invariant: a round
costs one look at each deployment.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterable
from statistics import median
from typing import Protocol

from pilothouse.contracts.traffic import Routing
from pilothouse.gateway.routing.group import Group
from pilothouse.gateway.routing.latency import Latency
from pilothouse.gateway.routing.seat import Seat

EVERY_S = 0.1
OUTLIERS_EVERY = 10
"""Rounds from one look for outliers to the next."""
LEAST_SAMPLES = 10
"""Answers that must be timed before a deployment is called slow or a yardstick."""
LEAST_EXCESS_MS = 25.0
"""A deployment is never ejected for less than this above its siblings' median."""
FRESH_S = 30.0
"""How old the last answer may be for its time still to count."""


class Watched(Protocol):
    """A model's route, as far as it is watched."""

    @property
    def routing(self) -> Routing:
        """Its policies."""

    @property
    def is_watched(self) -> bool:
        """Whether there is anywhere to go when a deployment falls silent."""

    @property
    def whole(self) -> Group[Seat]:
        """All its deployments."""


class Patrol:
    """The rounds over everything in force."""

    def __init__(self, loop: AbstractEventLoop, routes: Callable[[], Iterable[Watched]]) -> None:
        self._loop = loop
        self._routes = routes
        self._rounds = 0
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Begins the rounds."""
        self._timer = self._loop.call_later(EVERY_S, self._round)

    def stop(self) -> None:
        """Ends the rounds."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _round(self) -> None:
        now_s = self._loop.time()
        self._rounds += 1
        for route in self._routes():
            if not route.is_watched:
                continue
            look_for_silence(route.whole, route.routing, now_s)
            if not self._rounds % OUTLIERS_EVERY and route.routing.breaker.outlier_factor:
                look_for_outliers(route.whole, route.routing, now_s)
        self._timer = self._loop.call_later(EVERY_S, self._round)


def look_for_silence(group: Group[Seat], routing: Routing, now_s: float) -> None:
    """Opens the breakers of silent deployments, and lets the calls that wait there go elsewhere too."""
    for seat in group.seats:
        waiting = seat.vitals.waiting
        if not waiting:
            continue
        oldest, begun_s = next(iter(waiting.items()))
        is_suspect = seat.vitals.breaker.state != "closed"
        patience_s = group.patience_s(routing, is_stream=oldest.is_stream, is_suspect=is_suspect)
        if now_s - max(begun_s, seat.vitals.heard_at_s) <= patience_s:
            continue
        seat.vitals.silent(now_s)
        for waiter, since_s in list(waiting.items()):
            if now_s - since_s > patience_s:
                waiter.overdue(now_s)


def look_for_outliers(group: Group[Seat], routing: Routing, now_s: float) -> None:
    """Ejects deployments that are far slower than their siblings."""
    policy = routing.breaker
    most = int(policy.max_ejected * len(group.seats))
    ejected = sum(_is_ejected(seat) for seat in group.seats)
    timed = [(seat, latency) for seat in group.mains if (latency := _usual(seat, now_s)) is not None]
    timed.sort(key=lambda pair: -pair[1].mean_ms)
    for seat, latency in timed:
        if ejected >= most or seat.vitals.breaker.state != "closed":
            continue
        others = [
            other.mean_ms
            for sibling, other in timed
            if sibling is not seat and (other is sibling.vitals.stream) == (latency is seat.vitals.stream)
        ]
        if not others:
            continue
        limit_ms = max(policy.outlier_factor * median(others), median(others) + LEAST_EXCESS_MS)
        if latency.mean_ms > limit_ms:
            seat.vitals.eject(now_s, limit_ms)
            ejected += 1


def _is_ejected(seat: Seat) -> bool:
    breaker = seat.vitals.breaker
    return breaker.state != "closed" and breaker.cause == "outlier"


def _usual(seat: Seat, now_s: float) -> Latency | None:
    """Returns the latency of what the deployment mostly does, if it is known well enough."""
    stream, plain = seat.vitals.stream, seat.vitals.plain
    latency = stream if stream.count >= plain.count else plain
    is_known = latency.count >= LEAST_SAMPLES and now_s - latency.at_s <= FRESH_S
    return latency if is_known else None

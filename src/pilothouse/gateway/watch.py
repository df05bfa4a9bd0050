"""What one worker does besides calls: its rounds over the deployments in force, and the gauges they give.

Refuses to know what the rounds look for. Invariant: a new snapshot needs no new watch.
"""

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING

from pilothouse.contracts.status import DeploymentStatus
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.routing.checks import Checks
from pilothouse.gateway.routing.patrol import Patrol
from pilothouse.gateway.state import GatewayState

if TYPE_CHECKING:
    from asyncio import TimerHandle

EXPIRY_S = 5.0
"""How often answers that are past their time are let go, in seconds; none is given out meanwhile."""


class Watch:
    """The rounds of one worker."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._patrol = Patrol(state.loop, self._routes)
        self._checks = Checks(state.loop, self._targets)
        self._expiry: TimerHandle | None = None

    def start(self) -> None:
        """Begins the rounds."""
        self._patrol.start()
        self._checks.start()
        self._expire()

    def stop(self) -> None:
        """Ends the rounds, and the mirrored calls: nobody waits for them."""
        for end in self._state.mirrors:
            end.hang_up()
        self._patrol.stop()
        self._checks.stop()
        if self._expiry is not None:
            self._expiry.cancel()

    def _expire(self) -> None:
        """Lets go answers that are past their time, also of models that nobody asks any more."""
        self._state.caches.expire(perf_counter())
        self._expiry = self._state.loop.call_later(EXPIRY_S, self._expire)

    def _routes(self) -> Iterable[Route]:
        return self._state.directory.routes.values() if self._state.has_directory else ()

    def _targets(self) -> Iterator[Target]:
        return (target for route in self._routes() for target in route.targets)


def deployments(state: GatewayState) -> tuple[DeploymentStatus, ...]:
    """Returns the live gauges of each deployment in force."""
    if not state.has_directory:
        return ()
    now_s = perf_counter()
    routes = state.directory.routes.values()
    return tuple(target.vitals.status(route.name, now_s) for route in routes for target in route.targets)

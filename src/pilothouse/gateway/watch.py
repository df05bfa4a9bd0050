"""What one worker does besides calls: its rounds over the deployments in force, and the gauges they give.

Refuses to know what the rounds look for. Invariant: a new snapshot needs no new watch.
"""

from collections.abc import Iterable, Iterator
from time import perf_counter

from pilothouse.contracts.status import DeploymentStatus
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.routing.checks import Checks
from pilothouse.gateway.routing.patrol import Patrol
from pilothouse.gateway.state import GatewayState


class Watch:
    """The rounds of one worker."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._patrol = Patrol(state.loop, self._routes)
        self._checks = Checks(state.loop, self._targets)

    def start(self) -> None:
        """Begins the rounds."""
        self._patrol.start()
        self._checks.start()

    def stop(self) -> None:
        """Ends the rounds."""
        self._patrol.stop()
        self._checks.stop()

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

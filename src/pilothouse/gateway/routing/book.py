"""All live state of routing on one worker: vitals by deployment, retry budgets by model.

Refuses to know the snapshot it came from. Invariant: the same id gives the same object for as long as the id
is in force, whatever else the snapshots change.
"""

from collections.abc import Collection

from pilothouse.contracts.snapshot import Deployment
from pilothouse.contracts.traffic import Routing
from pilothouse.gateway.routing.budget import Budget
from pilothouse.gateway.routing.vitals import Vitals

MOST_WILDCARDS = 1_000
"""Deployments of wildcard providers that are remembered over a new snapshot."""


class Book:
    """The worker's memory of its deployments."""

    __slots__ = ("_budgets", "_vitals", "fallbacks_total", "hedges_total", "rescues_total", "retries_total")

    def __init__(self) -> None:
        self._vitals: dict[str, Vitals] = {}
        self._budgets: dict[str, Budget] = {}
        self.retries_total = 0
        self.fallbacks_total = 0
        self.hedges_total = 0
        self.rescues_total = 0

    def vitals(self, deployment: Deployment, routing: Routing) -> Vitals:
        """Returns the vitals of a deployment, told what the snapshot now says."""
        found = self._vitals.get(deployment.id)
        if found is None:
            found = self._vitals[deployment.id] = Vitals(deployment.id, routing.breaker)
        found.obey(deployment, routing.breaker)
        return found

    def budget(self, model: str, routing: Routing) -> Budget:
        """Returns the retry budget of a model, told what the snapshot now says."""
        found = self._budgets.get(model)
        if found is None:
            found = self._budgets[model] = Budget()
        found.obey(routing.retries)
        return found

    def keep(
        self, deployments: Collection[str], models: Collection[str], wildcards: Collection[str] = ()
    ) -> None:
        """Forgets all but these; calls under way at a removed deployment hold its vitals to their end.

        Args:
            deployments: Ids in force.
            models: Public names in force.
            wildcards: Providers that answer for any model; of theirs those asked for last are kept.
        """
        gone = [key for key in self._vitals if key not in deployments]
        open_ones = [key for key in gone if key.partition("/")[0] in wildcards]
        kept = frozenset(open_ones[-MOST_WILDCARDS:])
        for each in gone:
            if each not in kept:
                del self._vitals[each]
        for each in [key for key in self._budgets if key not in models and key not in kept]:
            del self._budgets[each]

    def forget(self, deployment: str, model: str) -> None:
        """Forgets one deployment and one model."""
        self._vitals.pop(deployment, None)
        self._budgets.pop(model, None)

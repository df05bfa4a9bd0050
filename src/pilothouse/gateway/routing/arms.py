"""A/B arms: which arm of an experiment a call falls in, by a stable hash.

Refuses to know calls. Invariant: the same experiment, arms and unit give the same arm, on every worker and
host, for ever; the shares over many units are those of the weights.
"""

from pilothouse.contracts.traffic import Experiment
from pilothouse.gateway.routing.seat import stable_number

RANGE = 1 << 64


def arm_of(experiment: Experiment, unit: str) -> str | None:
    """Returns the name of the arm that a unit falls in; `None` when no arm has weight."""
    total = sum(max(0, arm.weight) for arm in experiment.arms)
    if not total:
        return None
    place = stable_number(experiment.name, unit) * total / RANGE
    for arm in experiment.arms:
        place -= max(0, arm.weight)
        if place < 0:
            return arm.name
    return experiment.arms[-1].name

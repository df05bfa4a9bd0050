"""What contradicts itself in the `objectives:` and `metrics:` sections, each with its place.

Refuses to know how calls are counted. Invariant: what passes can be computed.
"""

from collections.abc import Iterator

from pilothouse.config.document import Path
from pilothouse.config.sections import Configuration
from pilothouse.monitors.metrics.check import problems as metric_problems
from pilothouse.monitors.objectives.settings import problems as objective_problems

__all__ = ["measuring_problems"]


def measuring_problems(configuration: Configuration) -> Iterator[tuple[Path, str, str]]:
    """Yields each mistake: its place, what is wrong, what to do."""
    for name, objective in configuration.objectives.items():
        for setting, message, hint in objective_problems(objective):
            yield ("objectives", name, setting), f"the objective `{name}`: {message}.", hint
    for name, metric in configuration.metrics.items():
        for place, message, hint in metric_problems(name, metric):
            where = ("metrics", name) if place is None else ("metrics", name, place)
            yield where, f"the metric `{name}`: {message}.", hint

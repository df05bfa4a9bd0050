"""What contradicts itself in the `objectives:` section, each with its place.

Refuses to know how calls are counted. Invariant: what passes can be computed.
"""

from collections.abc import Iterator

from pilothouse.config.document import Path
from pilothouse.config.sections import Configuration
from pilothouse.monitors.objectives.settings import problems

__all__ = ["measuring_problems"]


def measuring_problems(configuration: Configuration) -> Iterator[tuple[Path, str, str]]:
    """Yields each mistake: its place, what is wrong, what to do."""
    for name, settings in configuration.objectives.items():
        for setting, message, hint in problems(settings):
            yield ("objectives", name, setting), f"the objective `{name}`: {message}.", hint

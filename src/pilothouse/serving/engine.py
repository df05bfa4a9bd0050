"""What an engine is to us: a program to run, a way to see that it is ready, and its gauges.

Refuses to know any engine in particular. Invariant: three methods are all that a new engine must have.
"""

from dataclasses import dataclass
from typing import Protocol

from pilothouse.contracts.snapshot import EngineSpec
from pilothouse.serving.settings import EngineSettings

__all__ = ["Engine", "Gauges"]


@dataclass(frozen=True, slots=True)
class Gauges:
    """What an engine says of its work."""

    slots: int
    """How many calls it can work on at once."""
    slots_busy: int
    queued: int
    """Calls that wait for a slot."""
    prompt_tokens_total: int
    """Prompt tokens worked on since it started; those found in its cache do not count."""
    output_tokens_total: int


class Engine(Protocol):
    """One kind of engine."""

    def command(self, spec: EngineSpec, settings: EngineSettings) -> tuple[tuple[str, ...], bytes]:
        """Returns the command line, and the settings that are written to its stdin."""

    async def is_ready(self, spec: EngineSpec) -> bool:
        """Says whether it answers calls; never raises."""

    async def gauges(self, spec: EngineSpec) -> Gauges:
        """Asks a ready engine for its gauges.

        Raises:
            UpstreamError: It did not answer.
            TimeoutError: It was too busy to answer soon.
        """

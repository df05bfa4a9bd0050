"""What is told of the configuration in force, and of one just applied.

Refuses to know HTTP. Invariant: no secret is in it, only references.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration in force."""

    revision: int
    digest: str
    """Of the settings: to be sent as `replaces` with a change."""
    settings: dict[str, Any]
    """The sections of the file that decide what serves, each setting with its value, secrets by reference."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration that was put in force."""

    revision: int
    snapshot_revision: int
    """The snapshot that carries it; each gateway's `/status` says which it obeys."""
    models: list[str]
    """The models now served."""
    missing: list[str]
    """Sources of weights that are not on this machine; their models are not served."""

"""The seam to those who take a call's answer besides its client: a cache, and calls that wait for the same.

Refuses to know who they are. Invariant: what they are given is a chat's (or a text completion's, or
embeddings'), whatever dialects the call's ends speak; `ended` comes once, last, however the call ends.
"""

from typing import Protocol

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import Outcome
from pilothouse.gateway.occupant import Occupant


class Capture(Protocol):
    """Whoever takes an answer besides the client."""

    def events(self, batch: bytes) -> None:
        """Hears the next events of a streamed answer, before they are edited for the client."""

    def whole(self, body: bytes) -> None:
        """Hears a whole answer, plain or folded, with the model's public name; the call is completed."""

    def ended(self, outcome: Outcome, error: ApiError | None) -> None:
        """Hears how the call ended."""

    def abandon(self, occupant: Occupant) -> None:
        """Learns that the call's client has gone; whoever answers it goes on for the others."""

    def is_wanted(self) -> bool:
        """Says whether the answer is waited for although the client has gone."""

"""Whoever is answering a request, as the client's connection sees it.

Refuses to know how it answers. Invariant: a connection has at most one occupant.
"""

from typing import Protocol


class Occupant(Protocol):
    """Whoever is answering a request, as the client's connection sees it."""

    def on_client_gone(self) -> None:
        """Learns that nobody will read the answer."""

    def on_client_paused(self) -> None:
        """Learns that the client reads too slowly."""

    def on_client_resumed(self) -> None:
        """Learns that the client reads again."""


class Upload(Occupant, Protocol):
    """An occupant that takes the request's body as it comes."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""

    def feed_end(self) -> None:
        """Learns that the body is whole."""

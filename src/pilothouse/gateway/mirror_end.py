"""The client's end of a mirrored call: takes the answer and throws it away.

Refuses to know what is thrown away. Invariant: the worker's count of mirrors under way goes down once.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pilothouse.gateway.occupant import Occupant


class Counted(Protocol):
    """Where mirrors are counted."""

    shadows: int


class MirrorEnd:
    """What a mirrored call has in the place of a client's connection."""

    __slots__ = ("_counted", "is_gone", "occupant")

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self.is_gone = False
        self.occupant: Occupant | None = None

    @property
    def will_close(self) -> bool:
        """Says no: there is nothing to close."""
        return False

    def hold(self, size: int) -> None:
        """Counts nothing."""

    def begin(self, head: bytes, *, is_chunked: bool = True, is_held: bool = False) -> None:
        """Takes the head of a streamed answer."""

    def write(self, data: bytes) -> None:
        """Takes more of it."""

    def end(self, data: bytes = b"") -> None:  # noqa: ARG002 - thrown away
        """Takes the last of it."""
        self.leave()

    def complete(self, data: bytes) -> None:  # noqa: ARG002 - thrown away
        """Takes a whole answer."""
        self.leave()

    def cut(self) -> None:
        """Takes no more."""
        self.leave()

    def hang_up(self) -> None:
        """Gives the call up, as a client does that has gone."""
        if self.occupant is not None:
            self.occupant.on_client_gone()
        self.leave()

    def leave(self) -> None:
        """Counts the mirror out."""
        self.occupant = None
        if not self.is_gone:
            self.is_gone = True
            self._counted.shadows -= 1

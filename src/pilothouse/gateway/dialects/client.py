"""The seam to a client's dialect: what each one that is not OpenAI's chat must be able to do.

The pivot is OpenAI's chat: a request becomes one, and what a chat answers becomes the client's own. Refuses
to know providers. Invariant: a batch of events in gives its translation at once; nothing waits for more.
"""

from typing import NamedTuple, Protocol

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name


class Translated(NamedTuple):
    """A request, as a chat."""

    chat: bytes
    only_native: str | None = None
    """What of it only a provider of the same dialect can serve; `None` when any can."""


class Asked(NamedTuple):
    """What an answer must know of its request."""

    body: bytes
    """The client's own, as it came."""
    request_id: str
    """What `x-request-id` says."""
    call_id: str
    """32 hexadecimal characters: ids of answers and items are made of it."""
    at_s: int
    """Unix seconds when it was accepted."""
    model: str
    """The public name."""


class ClientStream(Protocol):
    """One answer's way from a chat's events to the client's."""

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of a chat's events (`[DONE]` left out) in the client's dialect."""

    def done(self) -> bytes:
        """Returns the events that end a whole answer, in the place of `[DONE]`."""

    def fail(self, error: ApiError) -> bytes:
        """Returns the events that end an answer which was cut."""


class ClientDialect(Protocol):
    """A protocol that clients speak."""

    name: Name

    def request(self, body: bytes) -> Translated:
        """Returns a request as a chat.

        Raises:
            msgspec.DecodeError: It is not valid (`ValidationError`), or no JSON.
            InvalidRequestError: It asks for what cannot be.
        """

    def answer(self, chat: bytes, asked: Asked) -> bytes:
        """Returns a chat's plain answer in the client's dialect."""

    def stream(self, asked: Asked) -> ClientStream:
        """Returns what translates one streamed answer."""

    def error(self, error: ApiError, *, request_id: str) -> bytes:
        """Returns an error's body in the client's dialect."""

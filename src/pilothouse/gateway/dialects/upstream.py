"""The seam to a provider's dialect: what each one that is not OpenAI's chat must be able to do.

Refuses to know clients. Invariant: what comes out are chats, their answers and their events, as OpenAI's
API would have had them; a batch of events in gives its translation at once.
"""

from typing import Protocol

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name
from pilothouse.contracts.snapshot import Provider


class UpstreamStream(Protocol):
    """One answer's way from a provider's events to a chat's."""

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of whole events as a chat's; the last of an answer with `[DONE]` behind it.

        An error among them becomes an event with the member `error`, and nothing follows it.
        """


class UpstreamDialect(Protocol):
    """A protocol that providers speak."""

    name: Name

    def request_heads(
        self, provider: Provider, authority: str, base_path: str, upstream_model: str, secret: str | None
    ) -> dict[str, bytes]:
        """Returns, for each operation it has, a request's head up to the value of `content-length`."""

    def request(self, chat: bytes, upstream_model: str) -> bytes:
        """Returns a chat as the provider wants it.

        Raises:
            InvalidRequestError: The provider has nothing that does it.
        """

    def own(self, body: bytes) -> bytes:
        """Returns a request that came in this dialect: as it came, but for what only this gateway says so."""

    def answer(self, body: bytes, at_s: int) -> bytes:
        """Returns a plain answer as a chat's.

        Raises:
            msgspec.DecodeError: It is not one.
        """

    def stream(self, at_s: int) -> UpstreamStream:
        """Returns what translates one streamed answer; `at_s` is its time in Unix seconds."""

    def error_of(
        self, status: int, body: bytes, *, provider: str, secrets: frozenset[str], retry_after: bytes | None
    ) -> ApiError:
        """Returns our error for an answer that is not 200."""

"""One request on its way to one upstream, and who hears the answer.

Refuses to know sockets: it is handed from the pool's queue to a connection. Invariant: `on_end` is called
exactly once for each exchange, unless its owner cancels it, and then never.
"""

from asyncio import ReadTransport
from typing import Protocol

from pilothouse.network.errors import NetworkError, Phase
from pilothouse.network.settings import Deadlines


class Carrier(Protocol):
    """The connection that carries an exchange, as far as the exchange needs it."""

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused by whoever hears the answer."""

    def write(self, data: bytes) -> None:
        """Sends more of the request's body."""

    def pause_answer(self) -> None:
        """Stops reading from the peer."""

    def resume_answer(self) -> None:
        """Reads from the peer again."""

    def abandon(self) -> None:
        """Closes at once, telling nobody."""


class ResponseHead:
    """The status and headers of an answer; header names are lower case."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers

    def get(self, name: bytes) -> bytes | None:
        """Returns the first value of the header `name` (lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Receiver(Protocol):
    """Who hears an answer. Calls come from the event loop, never from inside `send`."""

    def on_head(self, head: ResponseHead) -> None:
        """Hears the status and headers."""

    def on_body(self, data: bytes) -> None:
        """Hears the next bytes of the body, all that arrived together in one piece."""

    def on_end(self, error: NetworkError | None) -> None:
        """Hears that the answer is whole (`None`), or why it never will be."""


class Exchange:
    """One request and the state of its answer."""

    __slots__ = (
        "connection",
        "deadline_at",
        "deadlines",
        "is_done",
        "is_head_request",
        "is_heard",
        "is_repeatable",
        "phase",
        "receiver",
        "request",
        "source",
        "tail",
    )

    def __init__(
        self,
        request: bytes,
        receiver: Receiver,
        deadlines: Deadlines,
        *,
        is_repeatable: bool = True,
        is_head_request: bool = False,
        source: ReadTransport | None = None,
    ) -> None:
        self.request = request
        self.receiver = receiver
        self.deadlines = deadlines
        self.is_repeatable = is_repeatable
        self.is_head_request = is_head_request
        self.tail: list[bytes] | None = None
        """Parts of a streamed request body that came before there was a connection."""
        self.source = source
        """Where a streamed request body comes from: paused while the upstream reads too slowly."""
        self.connection: Carrier | None = None
        self.phase: Phase = "wait"
        self.deadline_at = 0.0
        self.is_heard = False
        """A byte came since the last sweep."""
        self.is_done = False

    def feed(self, data: bytes) -> None:
        """Sends more of a streamed request body."""
        if self.connection is None:
            if self.tail is None:
                self.tail = []
            self.tail.append(data)
        else:
            self.connection.write(data)

    def pause(self) -> None:
        """Stops reading the answer, because whoever it is for reads too slowly."""
        if self.connection is not None:
            self.connection.pause_answer()

    def resume(self) -> None:
        """Reads the answer again."""
        if self.connection is not None:
            self.connection.resume_answer()

    def cancel(self) -> None:
        """Gives the request up: the connection is closed and the receiver hears nothing more."""
        if self.is_done:
            return
        self.is_done = True
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abandon()

    def fail(self, error: NetworkError) -> None:
        """Ends the exchange with `error`."""
        if not self.is_done:
            self.is_done = True
            self.connection = None
            self.receiver.on_end(error)

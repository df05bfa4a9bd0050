"""A second attempt beside the first: a hedge against a slow one, or the rescue from a silent one.

It only listens for the first sign of an answer; then its owner takes it over. Refuses to know what the answer
is. Invariant: of two attempts at most one is heard to its end, and both are on record.
"""

from time import perf_counter
from typing import Protocol

from pilothouse.contracts.events import Attempt, AttemptReason
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Target
from pilothouse.gateway.routing.faults import Blame
from pilothouse.network.errors import NetworkError
from pilothouse.network.exchange import Exchange, ResponseHead

OK = 200
RATE_LIMITED = 429
SERVER_ERRORS = 500
EVENT_STREAM = b"text/event-stream"


class Owner(Protocol):
    """Whose attempt this is beside."""

    @property
    def call(self) -> Call:
        """The call of both."""

    second: "Second | None"

    def overtaken(self, second: "Second") -> None:
        """Gives up the first attempt and takes this one over."""

    def on_head(self, head: ResponseHead) -> None:
        """Hears the head of the answer taken over."""

    def on_body(self, data: bytes) -> None:
        """Hears the first bytes of the answer taken over."""


class Second:
    """One attempt until its first byte."""

    __slots__ = ("_owner", "begun_s", "exchange", "head", "is_rescue", "reason", "target")

    def __init__(self, owner: Owner, target: Target, reason: AttemptReason, *, is_rescue: bool) -> None:
        self._owner = owner
        self.target = target
        self.reason: AttemptReason = reason
        self.is_rescue = is_rescue
        self.head: ResponseHead | None = None
        self.exchange: Exchange | None = None
        self.begun_s = perf_counter()
        target.vitals.begin(self, self.begun_s)

    def send(self, request: bytes) -> None:
        """Sends the request.

        Raises:
            PoolFullError: Too many calls wait for this upstream.
        """
        exchange = Exchange(request, self, self._owner.call.state.deadlines)
        self.target.origin.send(exchange)
        self.exchange = exchange

    @property
    def is_stream(self) -> bool:
        """Whether a stream was asked for."""
        return self._owner.call.is_stream

    def overdue(self, now_s: float) -> bool:
        """There is no third attempt."""
        del now_s
        return False

    def on_head(self, head: ResponseHead) -> None:
        """Wins with the head of an answer; a stream only with its first event, a refusal never."""
        owner = self._owner
        if head.status != OK:
            self._lose(head)
        elif owner.call.is_stream and (head.get(b"content-type") or b"").startswith(EVENT_STREAM):
            self.head = head
        else:
            owner.overtaken(self)
            owner.on_head(head)

    def on_body(self, data: bytes) -> None:
        """Wins with the first event."""
        owner, head = self._owner, self.head
        assert head is not None
        owner.overtaken(self)
        owner.on_head(head)
        owner.on_body(data)

    def on_end(self, error: NetworkError | None) -> None:
        """Ends without an answer; the first attempt goes on."""
        del error
        self._owner.second = None
        self.give_up(None, "failed", "failed")

    def give_up(self, status: int | None, error_code: str, blame: Blame) -> None:
        """Ends the attempt, on record too."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()
        now_s, call, target = perf_counter(), self._owner.call, self.target
        if blame == "failed":
            target.vitals.failed(self, self.begun_s, now_s)
        elif blame == "unknown":
            target.vitals.unknown(self, self.begun_s, now_s)
        started_ms = (self.begun_s - call.request.started_s) * 1000
        call.attempts += (
            Attempt(
                target.deployment,
                target.provider,
                status,
                error_code,
                started_ms,
                (now_s - self.begun_s) * 1000,
                self.reason,
            ),
        )

    def _lose(self, head: ResponseHead) -> None:
        blame: Blame = "failed" if head.status >= SERVER_ERRORS else "unknown"
        if head.status == RATE_LIMITED:
            said = head.get(b"retry-after")
            after_s = float(said) if said is not None and said.isdigit() else None
            self.target.vitals.limited(self, self.begun_s, perf_counter(), after_s)
            blame = "limited"
        self._owner.second = None
        self.give_up(head.status, "refused", blame)

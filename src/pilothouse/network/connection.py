"""One keep-alive connection to an upstream: a raw protocol that parses answers for one exchange at a time.

Refuses to know which address it leads to and why it was opened. Invariant: after anything but a whole
answer on a keep-alive connection, the transport is closed and never reused.
"""

import asyncio
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from pilothouse.network.errors import BadResponseError, NetworkError, ResetError, TruncatedError
from pilothouse.network.exchange import Exchange, ResponseHead

LAST_INTERIM_STATUS = 199
SWITCHING_PROTOCOLS = 101
FRAMING = frozenset((b"content-length", b"transfer-encoding"))
BODYLESS = frozenset((204, 304))


class Owner(Protocol):
    """The pool of one address, as its connections see it."""

    max_head_bytes: int

    def release(self, connection: "UpstreamConnection") -> None:
        """Takes back a connection whose exchange is complete."""

    def lost(self, connection: "UpstreamConnection") -> None:
        """Learns that a connection is closed."""

    def repeat(self, exchange: Exchange) -> None:
        """Sends an exchange again on a fresh connection."""


class UpstreamConnection(asyncio.Protocol):
    """An HTTP/1.1 connection, idle or carrying one exchange."""

    __slots__ = (
        "_body",
        "_ended",
        "_has_framing",
        "_head",
        "_head_bytes",
        "_headers",
        "_is_closing",
        "_is_keep_alive",
        "_is_paused",
        "_is_reused",
        "_is_started",
        "_owner",
        "_parser",
        "_pieces",
        "_transport",
        "exchange",
        "idle_since",
        "on_body",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._body: list[bytes] = []
        self.on_body = self._body.append
        """The parser's call for each piece of the body; a list's own method, since streams come in many."""
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # set in connection_made, before any use
        self.exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: ResponseHead | None = None
        self._head_bytes = 0
        self._ended = False
        self._pieces = 0
        """How many pieces of the body belong to the answer that has ended."""
        self._has_framing = False
        self._is_keep_alive = False
        self._is_reused = False
        self._is_started = False
        self._is_paused = False
        self._is_closing = False
        self.idle_since = 0.0

    # -- what the pool asks -------------------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Sends the exchange's request; the answer goes to its receiver."""
        self.exchange = exchange
        exchange.connection = self
        exchange.phase = "first_byte"
        self._is_started = False
        self._head = None
        self._ended = False
        self._head_bytes = 0
        self._transport.write(exchange.request)
        if exchange.tail is not None:
            self._transport.writelines(exchange.tail)
            exchange.tail = None

    def mark_reused(self) -> None:
        """Notes that the peer may have closed this connection without our having seen it yet."""
        self._is_reused = True

    def is_usable(self) -> bool:
        """Says whether a request can still be sent here."""
        return not self._is_closing and not self._transport.is_closing()

    def close(self) -> None:
        """Closes an idle connection."""
        self._is_closing = True
        self._transport.close()

    # -- what an exchange asks ----------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends more of the request's body."""
        self._transport.write(data)

    def pause_answer(self) -> None:
        """Stops reading from the peer."""
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def resume_answer(self) -> None:
        """Reads from the peer again."""
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused by whoever hears the answer."""
        return self._is_paused

    def abandon(self) -> None:
        """Closes at once, telling nobody."""
        self.exchange = None
        self._is_closing = True
        self._transport.abort()

    # -- the transport's calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        """Parses what came and hands it on: head, body and end, each at most once."""
        exchange = self.exchange
        if exchange is None:
            self.close()  # bytes that nobody asked for
            return
        exchange.is_heard = True
        self._is_started = True
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._deliver(exchange)  # what stood before the fault is good
            if self.exchange is exchange:
                self._break(BadResponseError("the bytes are not an HTTP answer"))
            return
        self._deliver(exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the exchange that was under way, or repeats it when that is safe."""
        self._is_closing = True
        self._owner.lost(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None or exchange.is_done:
            return
        exchange.connection = None
        if not self._is_started:
            if self._is_reused and exchange.is_repeatable:
                self._owner.repeat(exchange)
            else:
                exchange.fail(ResetError("the upstream closed the connection before it answered"))
        elif exc is None and self._head is not None and not self._has_framing:
            exchange.is_done = True
            exchange.receiver.on_end(None)
        else:
            exchange.fail(TruncatedError("the upstream closed the connection in the middle of its answer"))

    def pause_writing(self) -> None:
        """Stops the source of a streamed request body."""
        if self.exchange is not None and self.exchange.source is not None:
            self.exchange.source.pause_reading()

    def resume_writing(self) -> None:
        """Lets the source of a streamed request body go on."""
        if self.exchange is not None and self.exchange.source is not None:
            self.exchange.source.resume_reading()

    # -- the parser's calls -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Starts a head; a second one in the same exchange means a peer that cannot count."""
        self._headers = []
        self._has_framing = False
        if self._ended:
            self._is_keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps one header."""
        name = name.lower()
        if name in FRAMING:
            self._has_framing = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Keeps the head, unless it is an interim one (1xx)."""
        status = self._parser.get_status_code()
        if self._ended or (status <= LAST_INTERIM_STATUS and status != SWITCHING_PROTOCOLS):
            return
        self._head = ResponseHead(status, self._headers)
        if status in BODYLESS:
            self._has_framing = True

    def on_message_complete(self) -> None:
        """Notes that the answer is whole."""
        if self._head is not None and not self._ended:
            self._ended = True
            self._pieces = len(self._body)
            self._is_keep_alive = self._parser.should_keep_alive()

    # -- handing on ---------------------------------------------------------------------------------

    def _deliver(self, exchange: Exchange) -> None:
        head = self._head
        if head is None:
            if self._head_bytes > self._owner.max_head_bytes:
                self._break(BadResponseError("the answer's head is too large"))
            return
        if exchange.phase != "idle":
            exchange.phase = "idle"
            if head.status == SWITCHING_PROTOCOLS:
                self._break(BadResponseError("the upstream wants to switch protocols"))
                return
            self._ended = self._ended or exchange.is_head_request
            exchange.receiver.on_head(head)
        pieces = self._body
        if pieces:
            if self._ended:
                del pieces[self._pieces :]  # what a second answer, that nobody asked for, brought
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if not exchange.is_done:
                exchange.receiver.on_body(body)
        if self._ended and not exchange.is_done:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        self.exchange = None
        exchange.connection = None
        exchange.is_done = True
        self.resume_answer()
        if self._is_keep_alive and not exchange.is_head_request and not self._transport.is_closing():
            self._owner.release(self)
        else:
            self.close()
        exchange.receiver.on_end(None)

    def _break(self, error: NetworkError) -> None:
        exchange, self.exchange = self.exchange, None
        self._is_closing = True
        self._transport.abort()
        if exchange is not None:
            exchange.fail(error)

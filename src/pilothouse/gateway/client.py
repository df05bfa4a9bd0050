"""One client's connection: a raw protocol that reads requests and writes their answers, one at a time.

Pipelined requests wait their turn. Refuses to know what is asked. Invariant: for each request handed to the
handler exactly one answer is written, or the occupant learns that the client is gone.
"""

import asyncio
import sys
from collections import deque
from fcntl import ioctl
from termios import FIONREAD
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway import faults
from pilothouse.gateway.answers import error_bytes
from pilothouse.gateway.occupant import Occupant, Upload
from pilothouse.gateway.request import Request

if TYPE_CHECKING:
    from pilothouse.gateway.settings import LimitSettings

__all__ = ["ClientConnection", "Handler", "Listener", "Occupant", "Upload"]

NEVER = 1 << 62
LINGER_TICKS = 20
"""How long a refused sender's bytes are thrown away before the connection is closed (2 s): closing at once
would reset it, and the answer could be lost on its way."""
WRITE_HIGH_WATER = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Handler(Protocol):
    """What requests are handed to."""

    def is_upload(self, target: bytes, headers: dict[bytes, bytes]) -> bool:
        """Says at the end of a request's head whether its body may be streamed to an upload."""

    def open_upload(self, request: Request, client: "ClientConnection") -> Upload | None:
        """Begins such an upload, or declines."""

    def handle(self, request: Request, client: "ClientConnection") -> None:
        """Takes a whole (or faulty) request; the answer is written to `client`, now or later."""


class Listener(Protocol):
    """The listening side, as its connections see it."""

    handler: Handler
    limits: "LimitSettings"
    head_ticks: int
    body_ticks: int
    keep_alive_ticks: int
    stall_ticks: int
    tick: int
    is_stopping: bool
    farewell_ticks: int
    """How long a connection without a request is kept when the worker stops."""
    kept_bytes: int
    """Bodies and answers that are held in memory for all connections."""

    def joined(self, connection: "ClientConnection") -> bool:
        """Notes a new connection. Returns whether there is room for it."""

    def left(self, connection: "ClientConnection") -> None:
        """Forgets a connection."""


class ClientConnection(asyncio.Protocol):
    """An HTTP/1.1 connection of a client."""

    __slots__ = (
        "_arriving_bytes",
        "_body",
        "_body_bytes",
        "_has_head",
        "_head_bytes",
        "_headers",
        "_held",
        "_is_busy",
        "_is_chunking",
        "_is_deaf",
        "_is_last",
        "_is_lingering",
        "_is_reading",
        "_is_within",
        "_keep_alive",
        "_kept_bytes",
        "_parser",
        "_read_bytes",
        "_ready",
        "_server",
        "_target",
        "_transport",
        "_unsent_bytes",
        "_upload",
        "deadline_tick",
        "occupant",
    )

    def __init__(self, server: Listener) -> None:
        self._server = server
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # set in connection_made, before any use
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._held = b""
        self._body_bytes = 0
        self._read_bytes = 0
        self._head_bytes = 0
        self._arriving_bytes = 0
        """Kept of the body that is coming, as `_kept_bytes` is of the request that is being answered, and
        `_unsent_bytes` of answers that the client does not take."""
        self._kept_bytes = 0
        self._unsent_bytes = 0
        self._ready: deque[tuple[Request, bool]] = deque()
        self._upload: Upload | None = None
        self._is_within = False
        """Between a request's first byte and its last."""
        self._has_head = False
        self._is_busy = False
        self._is_chunking = False
        self._is_deaf = False
        """Nothing more is read as HTTP here."""
        self._is_last = False
        """The head of the streamed answer said that the connection ends with it."""
        self._is_lingering = False
        self._is_reading = True
        self._keep_alive = True
        self.occupant: Occupant | None = None
        self.deadline_tick = NEVER

    # -- what a handler asks ------------------------------------------------------------------------

    @property
    def will_close(self) -> bool:
        """Whether the connection is closed after the answer that is being written."""
        return not self._keep_alive or self._is_deaf or (self._server.is_stopping and not self._ready)

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, for a streamed body's back-pressure and the peer's address."""
        return self._transport

    def hold(self, size: int) -> None:
        """Counts bytes that are kept in memory for the request under way, until its answer is written."""
        self._kept_bytes += size
        self._server.kept_bytes += size

    def complete(self, data: bytes) -> None:
        """Writes a whole answer."""
        self._transport.write(data)
        self._end_answer(is_last=self.will_close)

    def begin(self, head: bytes, *, is_chunked: bool = True, is_held: bool = False) -> None:
        """Writes the head of a streamed answer.

        Args:
            head: The head without framing headers and without the empty line at its end.
            is_chunked: Whether the body is framed here; otherwise the head says its length.
            is_held: Whether the head may leave with the body's first bytes, which are already here.
        """
        self._is_chunking = is_chunked and self._parser.get_http_version() != "1.0"
        if self._is_chunking:
            head += b"transfer-encoding: chunked\r\n"
        elif is_chunked:
            self._keep_alive = False
        self._is_last = self.will_close
        if self._is_last:
            head += b"connection: close\r\n"
        if is_held:
            self._held = head + b"\r\n"
        else:
            self._transport.write(head + b"\r\n")

    def write(self, data: bytes) -> None:
        """Writes more of a streamed answer; nothing when `data` is empty, which would end it."""
        if data:
            held, self._held = self._held, b""
            self._transport.write(
                b"%b%x\r\n%b\r\n" % (held, len(data), data) if self._is_chunking else held + data
            )

    def end(self, data: bytes = b"") -> None:
        """Writes the last of a streamed answer."""
        held, self._held = self._held, b""
        if not self._is_chunking:
            data = held + data
        elif data:
            data = b"%b%x\r\n%b\r\n0\r\n\r\n" % (held, len(data), data)
        else:
            data = held + LAST_CHUNK
        if data:
            self._transport.write(data)
        self._end_answer(is_last=self._is_last)

    def cut(self) -> None:
        """Closes at once; an answer under way ends without its end."""
        self._is_deaf = True
        self._transport.abort()

    # -- what the server asks -----------------------------------------------------------------------

    def close_if_idle(self) -> None:
        """Closes, now or after the farewell time, when no request is under way here.

        A connection on which bytes wait in the kernel is not idle: they are read first, and answered.
        """
        if self._is_busy or self._is_within or self._is_lingering:
            return
        if self._server.farewell_ticks or _unread_bytes(self._transport):
            self.deadline_tick = self._server.tick + max(1, self._server.farewell_ticks)
        else:
            self._transport.close()

    def overdue(self) -> None:
        """Acts on a missed deadline, by what was waited for."""
        self.deadline_tick = NEVER
        if self._is_busy or self._is_lingering or self._transport.get_write_buffer_size():
            self.cut()  # the client takes no more of its answer, or lingers
        elif not self._is_within:
            if _unread_bytes(self._transport):
                self.deadline_tick = self._server.tick + 1
            else:
                self._transport.close()
        elif not self._target:
            self._transport.close()
        else:
            self._refuse(faults.too_slow("body" if self._has_head else "headers"))
            self._next()

    # -- the transport's calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport, or turns the client away when there are too many."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.deadline_tick = self._server.tick + self._server.head_ticks
        if not self._server.joined(self):
            self._is_deaf = True
            self._transport.write(error_bytes(faults.too_many_connections(), will_close=True))
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Parses what came and hands on what is whole."""
        if self._is_deaf:
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._is_deaf = True  # the request itself is answered as if it had not asked for an upgrade
        except HttpParserError:
            if not self._is_deaf:
                self._refuse(faults.not_http(data))
        if self._is_within:
            self._watch_size(len(data))
        if self._ready:
            if not self._is_busy:
                self._next()
            if self._ready and self._is_reading:
                self._is_reading = False
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature; why does not matter
        """Tells whoever is answering."""
        self.deadline_tick = NEVER
        self._server.left(self)
        self._server.kept_bytes -= self._arriving_bytes + self._kept_bytes + self._unsent_bytes
        self._server.kept_bytes -= sum(len(request.body) for request, _ in self._ready)
        self._arriving_bytes = self._kept_bytes = self._unsent_bytes = 0
        self._ready.clear()
        occupant, self.occupant = self.occupant, None
        if occupant is not None:
            occupant.on_client_gone()

    def pause_writing(self) -> None:
        """Passes on that the client reads too slowly."""
        self.deadline_tick = self._server.tick + self._server.stall_ticks
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._server.kept_bytes += self._unsent_bytes
        if self.occupant is not None:
            self.occupant.on_client_paused()

    def resume_writing(self) -> None:
        """Passes on that the client reads again."""
        self._server.kept_bytes -= self._unsent_bytes
        self._unsent_bytes = 0
        self.deadline_tick = NEVER if self._is_busy else self._server.tick + self._idle_ticks()
        if self.occupant is not None:
            self.occupant.on_client_resumed()

    # -- the parser's calls -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Starts a request."""
        self._target = b""
        self._headers = {}
        self._body = []
        self._body_bytes = 0
        self._read_bytes = 0
        self._is_within = True
        self._has_head = False
        if not self._is_busy:
            self.deadline_tick = self._server.tick + self._server.head_ticks

    def on_url(self, url: bytes) -> None:
        """Keeps the target, which may come in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps one header; what comes twice is joined, and trailers are let go."""
        if self._has_head:
            return
        name = name.lower()
        held = self._headers.setdefault(name, value)
        if held is not value:
            joint = b"; " if name == b"cookie" else b", "
            self._headers[name] = held + joint + value

    def on_headers_complete(self) -> None:
        """Checks the head, and answers an `Expect`."""
        if self._is_deaf:
            return
        self._has_head = True
        limits, headers = self._server.limits, self._headers
        is_long = self._head_bytes > limits.head_bytes and self._size_of_head() > limits.head_bytes
        if is_long or len(headers) > limits.headers:
            self._refuse(faults.head_too_large(limits))
            return
        length = headers.get(b"content-length")
        if length is not None or b"transfer-encoding" in headers:
            self._await_body(int(length or 0))

    def on_body(self, data: bytes) -> None:
        """Keeps a piece of the body, or passes it on."""
        if self._is_deaf:
            return
        size = len(data)
        self._body_bytes += size
        if self._upload is not None:
            self._upload.feed(data)
            return
        server = self._server
        if self._body_bytes > server.limits.body_bytes:
            self._refuse(faults.body_too_large(server.limits))
        elif server.kept_bytes + size > server.limits.memory_bytes:
            self._refuse(faults.memory_is_full())
        else:
            self._body.append(data)
            self._arriving_bytes += size
            server.kept_bytes += size

    def on_message_complete(self) -> None:
        """Puts the whole request in line."""
        if self._is_deaf:
            return
        self._is_within = False
        self._has_head = False
        self._head_bytes = 0
        if self._upload is not None:
            upload, self._upload = self._upload, None
            self._keep_alive = self._parser.should_keep_alive()
            upload.feed_end()
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._arriving_bytes = 0  # counted as a waiting request's from here on
        self._ready.append((self._request(body, None), self._parser.should_keep_alive()))

    # -- inside -------------------------------------------------------------------------------------

    def _watch_size(self, size: int) -> None:
        """Refuses a head, or framing and trailers of a body, that do not end."""
        limits = self._server.limits
        if not self._has_head:
            if self._head_bytes > limits.head_bytes:
                self._refuse(faults.head_too_large(limits))
            return
        self._read_bytes += size
        if self._read_bytes - self._body_bytes > limits.body_bytes:
            if self._upload is None:
                self._refuse(faults.body_too_large(limits))
            else:
                self.cut()

    def _request(self, body: bytes, fault: ApiError | None) -> Request:
        method = self._parser.get_method() if self._target else b""
        return Request(method, self._target, self._headers, body, time_ns(), perf_counter(), fault)

    def _size_of_head(self) -> int:
        return len(self._target) + sum(len(name) + len(value) for name, value in self._headers.items())

    def _await_body(self, length: int) -> None:
        if not self._is_busy:  # else the call before this one is still being answered
            self.deadline_tick = self._server.tick + self._server.body_ticks
        handler = self._server.handler
        if handler.is_upload(self._target, self._headers) and not self._is_busy and not self._ready:
            self._upload = handler.open_upload(self._request(b"", None), self)
        if self._upload is not None:
            self._is_busy = True
            self.occupant = self._upload
            self.deadline_tick = NEVER
        elif length > self._server.limits.body_bytes:
            self._refuse(faults.body_too_large(self._server.limits))
            return
        elif self._server.kept_bytes + length > self._server.limits.memory_bytes:
            self._refuse(faults.memory_is_full())
            return
        if b"expect" in self._headers and self._headers[b"expect"].lower() == b"100-continue":
            self._transport.write(CONTINUE)

    def _refuse(self, fault: ApiError) -> None:
        """Puts the request, as far as it came, in line with its fault, and reads no more."""
        self._is_deaf = True
        self._is_within = False
        self._body = []
        self._server.kept_bytes -= self._arriving_bytes
        self._arriving_bytes = 0
        self._ready.append((self._request(b"", fault), False))

    def _next(self) -> None:
        """Hands the oldest waiting request to the handler."""
        if not self._ready or self._is_busy or self._transport.is_closing():
            return
        request, self._keep_alive = self._ready.popleft()
        self._kept_bytes = len(request.body)
        self._is_busy = True
        self.deadline_tick = NEVER
        self._server.handler.handle(request, self)

    def _end_answer(self, *, is_last: bool) -> None:
        self._server.kept_bytes -= self._kept_bytes
        self._kept_bytes = 0
        self.occupant = None
        self._is_busy = False
        self._is_chunking = False
        if self._upload is not None:  # answered before the body was whole: the rest is not wanted
            self._upload = None
            self._is_deaf = True
        if self._ready:
            asyncio.get_running_loop().call_soon(self._next)
        elif is_last or self._is_deaf:
            self._close_gently()
        else:
            self._await_next()

    def _await_next(self) -> None:
        self.deadline_tick = self._server.tick + self._idle_ticks()
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    def _idle_ticks(self) -> int:
        server = self._server
        return max(1, server.farewell_ticks) if server.is_stopping else server.keep_alive_ticks

    def _close_gently(self) -> None:
        self._is_lingering = True
        self.deadline_tick = self._server.tick + self._server.stall_ticks
        if not self._is_deaf or self._transport.is_closing():
            self._transport.close()
            return
        self.deadline_tick = self._server.tick + LINGER_TICKS
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()


def _unread_bytes(transport: asyncio.Transport) -> int:
    """Returns how much the kernel holds that was not read yet."""
    opened = transport.get_extra_info("socket")
    if opened is None or opened.fileno() < 0:
        return 0
    return int.from_bytes(ioctl(opened.fileno(), FIONREAD, b"\0\0\0\0"), sys.byteorder)

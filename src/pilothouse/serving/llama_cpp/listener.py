"""A small HTTP/1.1 server on a Unix socket: whole requests in, whole answers, streams or pumps out.

Made for one kind of client, the gateway's pool: keep-alive, one request at a time on a connection, bodies
with a length or chunked. A raw asyncio protocol, because each token of each stream passes through here.

Refuses to know what is asked. Invariant: when a client hangs up, the work for it is cancelled at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

__all__ = ["Connection", "Handler", "Request"]

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request."""

    method: str
    path: str
    """Without the query."""
    body: bytes


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, handler: "Handler", alive: "set[Connection]") -> None:
        self._handler = handler
        self._alive = alive
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._url = b""
        self._body: list[bytes] = []
        self._size = 0
        self._held = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._keep_alive = True
        self.has_begun = False
        """Whether the head of the current answer was written."""
        self.pause_source: Callable[[], None] | None = None
        self.resume_source: Callable[[], None] | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)
        self._alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: so is the reason to go on."""
        del exc
        self._alive.discard(self)
        self._transport = None
        self._may_write.set()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; what comes before the answer is out waits."""
        if self._task is not None:
            self._held += data
            if len(self._held) > MAX_BODY_BYTES:
                self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._may_write.clear()
        if self.pause_source is not None:
            self.pause_source()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._may_write.set()
        if self.resume_source is not None:
            self.resume_source()

    # httptools' side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._body, self._size = b"", [], 0

    def on_url(self, url: bytes) -> None:
        """A piece of its path."""
        self._url += url

    def on_body(self, data: bytes) -> None:
        """A piece of its body."""
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """A request is whole: its work begins."""
        if self._transport is None or self._transport.is_closing():
            return
        self._keep_alive = self._parser.should_keep_alive()
        path = self._url.partition(b"?")[0].decode("ascii", "replace")
        request = Request(self._parser.get_method().decode(), path, b"".join(self._body))
        self.has_begun = False
        self._task = asyncio.get_running_loop().create_task(self._run(request))

    async def _run(self, request: Request) -> None:
        try:
            await self._handler(request, self)
        finally:
            self._task = None
            self.pause_source = self.resume_source = None
        if not self._keep_alive:
            self.close()
        elif self._held and self._transport is not None:
            held, self._held = self._held, b""
            self.data_received(held)

    # the handler's side

    def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Writes a whole answer."""
        self.has_begun = True
        phrase = HTTPStatus(status).phrase
        head = (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.write(head.encode() + body)

    def begin_stream(self) -> None:
        """Writes the head of a stream of server-sent events."""
        self.has_begun = True
        self.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def send_event(self, data: bytes) -> None:
        """Writes one server-sent event, and waits while the client reads too slowly."""
        event = b"data: %s\n\n" % data
        self.write(b"%x\r\n%s\r\n" % (len(event), event))
        await self._may_write.wait()

    def end_stream(self) -> None:
        """Ends a stream that is whole."""
        self.write(b"0\r\n\r\n")

    def write(self, data: bytes) -> None:
        """Writes bytes of an answer."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Breaks the connection: the only honest end of an answer that cannot be finished."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Closes the connection after what was written."""
        if self._transport is not None:
            self._transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        self._keep_alive = False
        self.answer(status, b"{}")
        self.close()


Handler = Callable[[Request, Connection], Awaitable[None]]
"""Answers one request through its connection; cancelled when the client hangs up."""

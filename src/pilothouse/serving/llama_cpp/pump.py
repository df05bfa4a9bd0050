"""Passes one call through to llama.cpp byte for byte: the way of all plain calls.

The head of the answer is rewritten (the client's connection stays open), the body is handed on as it comes,
chunk borders included, with nothing looked at but where it ends. An error is kept back and put in OpenAI's
shape.

Refuses to know what is in a call. Invariant: each byte of a good answer's body leaves in the tick it came in.
"""

import asyncio
from typing import cast

import httptools

from pilothouse.contracts.errors import UpstreamError
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.listener import Connection
from pilothouse.serving.llama_cpp.refusals import refusal

__all__ = ["pump"]

LOWEST_ERROR = 400


class _Pump(asyncio.Protocol):
    """The connection to llama.cpp for one call."""

    def __init__(self, request: bytes, client: Connection) -> None:
        self._request = request
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = b""
        self._is_error = False
        self._error: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._is_headed = False
        self._is_complete = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client.pause_source = self._transport.pause_reading
        self._client.resume_source = self._transport.resume_reading
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        said = f": {exc}" if exc else ""
        self._finish(
            UpstreamError(f"llama.cpp hung up in the middle of an answer{said}", code="upstream_cut")
        )

    def data_received(self, data: bytes) -> None:
        was_headed = self._is_headed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as fault:
            self._finish(UpstreamError(f"llama.cpp did not answer in HTTP: {fault}"))
            return
        if not self._is_headed:
            self._head += data
        elif self._is_error:
            pass
        elif was_headed:
            self._client.write(data)
        else:
            self._client.has_begun = True
            self._client.write(self._new_head() + (self._head + data).partition(b"\r\n\r\n")[2])
        if self._is_complete:
            self._finish(None)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_headed = True
        self._is_error = self._parser.get_status_code() >= LOWEST_ERROR

    def on_body(self, data: bytes) -> None:
        if self._is_error:
            self._error.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = True

    def close(self) -> None:
        """Ends the call; llama.cpp notices and frees its slot."""
        if self._transport is not None:
            self._transport.abort()

    def _new_head(self) -> bytes:
        kept = (b"content-type", b"content-length", b"transfer-encoding")
        lines = [b"%s: %s\r\n" % pair for pair in self._headers if pair[0] in kept]
        return b"HTTP/1.1 %d OK\r\n%s\r\n" % (self._parser.get_status_code(), b"".join(lines))

    def _finish(self, fault: UpstreamError | None) -> None:
        if self.done.done():
            return
        if fault is not None:
            self.done.set_exception(fault)
            return
        if self._is_error:
            status, body = refusal(self._parser.get_status_code(), b"".join(self._error))
            self._client.answer(status, body)
        self.done.set_result(None)


async def pump(inner: Inner, method: str, path: str, body: bytes, client: Connection) -> None:
    """Passes one call through; returns when its answer has been written.

    Raises:
        UpstreamError: llama.cpp did not answer, or stopped in the middle.
    """
    request = inner.head(method, path, len(body)) + body
    loop = asyncio.get_running_loop()
    try:
        _, flow = await loop.create_unix_connection(lambda: _Pump(request, client), inner.socket)
    except OSError as fault:
        raise UpstreamError(f"llama.cpp does not answer: {fault}") from fault
    try:
        await flow.done
    finally:
        flow.close()

"""Asks llama.cpp's own server, over its inner socket: whole answers, and streams as events.

A connection serves one call and is closed with it: closing is how a call is cancelled and its slot freed.

Refuses to know what is asked. Invariant: leaving a call early, by an error or a cancelled task, closes its
connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httptools

from pilothouse.contracts.errors import UpstreamError

__all__ = ["Answer", "Inner"]

READ_BYTES = 262_144
OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


class _Parsed:
    """Collects what httptools finds in an answer."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.is_headed = False
        self.is_complete = False

    def on_headers_complete(self) -> None:
        self.is_headed = True

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True


class Inner:
    """llama.cpp's server behind its inner socket."""

    def __init__(self, socket: str, key: str) -> None:
        self.socket = socket
        self._key = key

    def head(self, method: str, path: str, length: int) -> bytes:
        """Returns the head of a request."""
        return (
            f"{method} {path} HTTP/1.1\r\nhost: engine\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        ).encode()

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Sends one request and returns the whole answer, whatever its status."""
        async with self._call(method, path, body) as (reader, parser, parsed):
            await _read(reader, parser, parsed, whole=True)
            return Answer(parser.get_status_code(), b"".join(parsed.body))

    @asynccontextmanager
    async def stream(self, path: str, body: bytes) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """Sends one request whose answer is a stream of server-sent events.

        Gives the answer (its body empty unless it is an error) and the data of its events, one at a time.
        """
        async with self._call("POST", path, body) as (reader, parser, parsed):
            await _read(reader, parser, parsed, whole=False)
            status = parser.get_status_code()
            if status != OK:
                await _read(reader, parser, parsed, whole=True)
                yield Answer(status, b"".join(parsed.body)), _nothing()
                return
            yield Answer(status, b""), _events(reader, parser, parsed)

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, body: bytes
    ) -> AsyncIterator[tuple[asyncio.StreamReader, httptools.HttpResponseParser, _Parsed]]:
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError as fault:
            raise UpstreamError(f"llama.cpp does not answer: {fault}") from fault
        try:
            writer.write(self.head(method, path, len(body)) + body)
            parsed = _Parsed()
            yield reader, httptools.HttpResponseParser(parsed), parsed
        finally:
            writer.transport.abort()


async def _read(
    reader: asyncio.StreamReader, parser: httptools.HttpResponseParser, parsed: _Parsed, *, whole: bool
) -> None:
    """Reads up to the end of the answer's head, or of all of it."""
    while not (parsed.is_complete or (parsed.is_headed and not whole)):
        data = await reader.read(READ_BYTES)
        if not data:
            raise UpstreamError("llama.cpp hung up in the middle of an answer", code="upstream_cut")
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as fault:
            raise UpstreamError(f"llama.cpp did not answer in HTTP: {fault}") from fault


async def _events(
    reader: asyncio.StreamReader, parser: httptools.HttpResponseParser, parsed: _Parsed
) -> AsyncIterator[bytes]:
    rest = b""
    while True:
        data, parsed.body = b"".join(parsed.body), []
        *whole, rest = (rest + data).split(b"\n\n")
        for event in whole:
            if event.startswith(b"data: "):
                yield event[6:]
        if parsed.is_complete:
            return
        more = await reader.read(READ_BYTES)
        if not more:
            raise UpstreamError("llama.cpp hung up in the middle of a stream", code="upstream_cut")
        parser.feed_data(more)


async def _nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for data in none:
        yield data

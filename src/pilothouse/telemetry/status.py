"""A process's `/status`: live gauges as JSON on a Unix socket, over the least HTTP that clients accept.

Refuses to know what the gauges mean. Invariant: a slow or broken reader cannot hold the process up.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

__all__ = ["serve_status"]

READ_DEADLINE_S = 5.0
MOST_HEAD_BYTES = 16_384

_encode = msgspec.json.Encoder().encode


async def serve_status(
    path: str,
    status: Callable[[], msgspec.Struct],
    *,
    more: Mapping[bytes, Callable[[], msgspec.Struct]] | None = None,
) -> asyncio.Server:
    """Serves `GET /status` on the Unix socket at `path`, replacing what a dead process left there.

    `more` are further paths, for what is too much to be asked for often. The caller closes the returned
    server.
    """
    answers: dict[bytes, Callable[[], msgspec.Struct]] = {b"/status": status, **(more or {})}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer_to(head, answers))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    _clear(path)
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(answer, path, limit=MOST_HEAD_BYTES)
    finally:
        os.umask(mask)


def _clear(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _answer_to(head: bytes, answers: Mapping[bytes, Callable[[], msgspec.Struct]]) -> bytes:
    words = head.split(b" ", 2)
    answer = answers.get(words[1].split(b"?")[0]) if words[0] == b"GET" and words[1:2] else None
    if answer is not None:
        line, body = b"HTTP/1.1 200 OK", _encode(answer())
    else:
        line, body = b"HTTP/1.1 404 Not Found", b'{"error":{"message":"only GET /status is here"}}'
    return b"%b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        line,
        len(body),
        body,
    )

"""An OpenAI-compatible upstream that costs almost nothing: a raw asyncio protocol on uvloop and httptools.

    python -m bench.mock_upstream --port 9000          (from the repository's root; port 0 takes a free one)

It answers `/v1/chat/completions` (plain and streamed), `/v1/completions`, `/v1/embeddings`, `/v1/models`,
`/health` and `/stats`. Knobs stand in the path or in a header, so that any peer can be pointed at them:

    /with/tokens=20,gap_ms=5,fault=cut/v1/chat/completions        or        x-mock: gap_ms=5,fault=cut

`GET /default/<knobs>` makes them everybody's until the next such call: peers whose upstream address is fixed
at their start are measured so.

Refuses to know who asks. Invariant: without a fault asked for, every answer is valid and the same.
"""

import argparse
import asyncio
import contextlib
import random
import socket
import struct
from functools import lru_cache
from typing import Any, Literal, cast

import httptools
import msgspec
import uvloop

from bench import mock_answers as answers

Fault = Literal[
    "none",  # a right answer
    "hang",  # no byte ever comes
    "hang_mid",  # half of the answer, then silence
    "reset",  # RST instead of an answer
    "reset_mid",  # RST after half of the answer
    "garbage",  # bytes that are not HTTP
    "garbage_json",  # 200 and a body that is not JSON
    "cut",  # the connection ends cleanly after half of the answer
    "half_chunk",  # a stream's event is begun, then the connection ends
    "slow",  # the answer in ten pieces, `gap_ms` (or 20 ms) apart
    "close",  # a right answer with `connection: close`
    "drop_idle",  # a right answer, then the kept-alive connection is closed without a word
    "until_close",  # a right answer without a length: it ends when the connection does
]


class Knobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one request is to be answered."""

    tokens: int = 20
    gap_ms: float = 0.0
    """Between two events of a stream; 0 sends the whole stream in one write."""
    delay_ms: float = 0.0
    """Before the first byte of the answer."""
    each: int = 0
    """1 sends every event of a stream in a write of its own, without waiting between them."""
    dims: int = 384
    """Length of an embedding."""
    status: int = 200
    """Anything else is answered with an error in OpenAI's shape."""
    fault: Fault = "none"
    share: float = 1.0
    """The share of requests that `status` and `fault` befall, drawn by lot; the others are answered right."""


@lru_cache(maxsize=1024)
def spared(chosen: Knobs) -> Knobs:
    """Returns the knobs of a request that the lot did not fall on."""
    return msgspec.structs.replace(chosen, status=200, fault="none")


CALM = Knobs()
DEFAULT = [CALM]
LOT = random.Random(7)
"""Seeded: the same requests in the same order meet the same fate."""
QUESTION = msgspec.json.Decoder(answers.Question)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: close() sends RST (socket(7))."""


@lru_cache(maxsize=1024)
def knobs(text: str) -> Knobs:
    """Reads `name=value,name=value`; raises `msgspec.ValidationError` for an unknown name or value."""
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    return msgspec.convert(pairs, Knobs, strict=False)


@lru_cache(maxsize=4096)
def route(url: bytes) -> tuple[str, Knobs | None]:
    """Splits a request target into its path below `/v1` (or whole) and the knobs named in it."""
    path = url.partition(b"?")[0].decode("latin-1")
    chosen = None
    if path.startswith("/with/"):
        text, _, rest = path[len("/with/") :].partition("/")
        chosen, path = knobs(text), "/" + rest
    return path.removeprefix("/v1"), chosen


class Stats(msgspec.Struct):
    """What the mock has seen since it started."""

    requests: int = 0
    streams: int = 0
    bad_bodies: int = 0
    connections: int = 0
    hung_up_midway: int = 0
    """Connections that the caller closed while an answer was still being written or awaited."""


STATS = Stats()
UNCACHED = ("/stats", "/default/")
SEEN: list[Any] = [None, 0, b""]
"""The last (target, body) that was answered at once, whether it was a stream, and its answer: under load
the same question comes again and again, and comparing it is ten times cheaper than reading it."""


class Upstream(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_body", "_loop", "_parser", "_pending", "_transport", "_url", "_x_mock")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._body: list[bytes] = []
        self._url = b""
        self._x_mock: Knobs | None = None
        self._pending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        STATS.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Stops an answer that nobody waits for."""
        if self._pending is not None:
            STATS.hung_up_midway += 1
            self._pending.cancel()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; a header of knobs is looked for in the first KB only."""
        # Headers are read only where the marker is: a callback a header would halve the mock's speed.
        if data.find(b"\r\nx-mock:", 0, 1024) > 0:
            value = data.partition(b"\r\nx-mock:")[2].partition(b"\r\n")[0]
            self._x_mock = knobs(value.strip().decode("latin-1"))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(answers.error(400, "not HTTP"))
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Collects the target."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Collects the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answers the request."""
        url, parts, x_mock = self._url, self._body, self._x_mock
        self._url, self._body, self._x_mock = b"", [], None
        STATS.requests += 1
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if x_mock is None and (url, body) == SEEN[0]:
            STATS.streams += SEEN[1]
            self._transport.write(SEEN[2])
            return
        try:
            path, asked = route(url)
            question = QUESTION.decode(body or b"{}")
        except (msgspec.DecodeError, ValueError) as problem:
            STATS.bad_bodies += 1
            self._transport.write(answers.error(400, f"{problem}"))
            return
        chosen = x_mock or asked or (CALM if path.startswith(UNCACHED) else DEFAULT[0])
        if chosen.share < 1 and LOT.random() >= chosen.share:
            chosen = spared(chosen)
        pieces = compose(path, question, chosen)
        if chosen.gap_ms or chosen.delay_ms or chosen.each or chosen.fault != "none":
            self._pending = self._loop.create_task(self._perform(pieces, chosen))
            return
        answer = b"".join(pieces)
        if x_mock is None and chosen.share >= 1 and not path.startswith(UNCACHED):
            SEEN[:] = [(url, body), int(len(pieces) > 1), answer]
        self._transport.write(answer)

    async def _perform(self, pieces: tuple[bytes, ...], chosen: Knobs) -> None:
        """Sends `pieces` as `chosen` says: late, apart, or broken."""
        if chosen.delay_ms:
            await asyncio.sleep(chosen.delay_ms / 1000)
        pieces, ending = sabotage(pieces, chosen.fault)
        # A stream's head leaves with its first event, as it does from real engines.
        if len(pieces) > 1 and pieces[0].startswith(b"HTTP/"):
            pieces = (pieces[0] + pieces[1], *pieces[2:])
        gap_s = chosen.gap_ms / 1000 or (0.02 if chosen.fault == "slow" else 0.0)
        for number, piece in enumerate(pieces):
            if number and (gap_s or chosen.each):
                await asyncio.sleep(gap_s)
            self._transport.write(piece)
        if ending == "hang":
            await asyncio.Event().wait()
        self._pending = None
        if ending == "close":
            self._transport.close()
        elif ending == "reset":
            raw = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()


def compose(path: str, question: answers.Question, chosen: Knobs) -> tuple[bytes, ...]:
    """Returns the right answer to a request, in the pieces that it may be sent in."""
    if chosen.status != 200 and not path.startswith(UNCACHED):
        return (answers.error(chosen.status, "asked for by status="),)
    if path == "/chat/completions":
        if question.stream:
            STATS.streams += 1
            options = question.stream_options
            with_usage = options is not None and options.include_usage
            stream = answers.chat_stream(question.model, chosen.tokens, with_usage=with_usage)
            return (answers.STREAM_HEAD, *stream)
        return (answers.chat(question.model, chosen.tokens),)
    if path == "/completions":
        return (answers.completion(question.model, chosen.tokens),)
    if path == "/embeddings":
        return (answers.embeddings(question, chosen.dims),)
    fixed = {"/models": answers.MODELS, "/health": answers.HEALTH}.get(path)
    if path.startswith("/default/"):
        DEFAULT[0] = knobs(path.removeprefix("/default/"))
        SEEN[:] = [None, 0, b""]
    if (fixed is None and path == "/stats") or path.startswith("/default/"):
        fixed = answers.whole(200, msgspec.to_builtins(STATS))
    return (fixed or answers.error(404, f"no such path: {path}"),)


def sabotage(pieces: tuple[bytes, ...], fault: Fault) -> tuple[tuple[bytes, ...], str]:
    """Returns what is sent of `pieces` under `fault`, and how it ends: `keep`, `close`, `reset` or `hang`."""
    data = b"".join(pieces)
    half = pieces[: len(pieces) // 2] if len(pieces) > 1 else (data[: len(data) - 40],)
    step = max(1, len(data) // 10)
    begun = pieces[len(half)][:30] if len(pieces) > 1 else b""
    top, _, body = data.partition(b"\r\n\r\n")
    endless = b"\r\n".join(line for line in top.split(b"\r\n") if not line.startswith(b"content-length"))
    performed: dict[Fault, tuple[tuple[bytes, ...], str]] = {
        "none": (pieces, "keep"),
        "hang": ((), "hang"),
        "hang_mid": (half, "hang"),
        "reset": ((), "reset"),
        "reset_mid": (half, "reset"),
        "garbage": ((b"\x16\x03\x01 this is not HTTP\r\n\r\n",), "close"),
        "garbage_json": ((answers.head(200, "application/json", 9) + b'{"a": oop',), "keep"),
        "cut": (half, "close"),
        "half_chunk": ((*half, begun), "close"),
        "slow": (tuple(data[start : start + step] for start in range(0, len(data), step)), "keep"),
        "close": ((data.replace(b"\r\n", b"\r\nconnection: close\r\n", 1),), "close"),
        "drop_idle": (pieces, "close"),
        "until_close": ((endless + b"\r\nconnection: close\r\n\r\n" + body,), "close"),
    }
    return performed[fault]


async def serve(host: str, port: int, uds: str | None) -> None:
    """Listens until cancelled; the first line printed names the address."""
    loop = asyncio.get_running_loop()
    if uds is not None:
        await loop.create_unix_server(Upstream, uds)
        print(f"listening on unix:{uds}", flush=True)
    else:
        server = await loop.create_server(Upstream, host, port, backlog=4096)
        print(f"listening on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Runs the mock from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--uds", help="listen on this Unix socket instead")
    chosen = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(chosen.host, chosen.port, chosen.uds))


if __name__ == "__main__":
    main()

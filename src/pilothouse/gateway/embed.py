"""The embedder of the gateway: asks an embedding model of its own snapshot, over the pool, with a deadline.

Such a question is no call of anybody's: it is not recorded, limited or paid for by a key. Refuses to know
what a vector is for. Invariant: `done` hears exactly once, never from inside `embed`, and nothing here waits.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from time import perf_counter

import msgspec

from pilothouse.contracts.embedder import Done
from pilothouse.gateway.directory import Directory, Target
from pilothouse.network.errors import NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead
from pilothouse.network.settings import Deadlines

OK = 200
MOST_FAILURES = 5
"""In a row, then nothing is asked for `REST_S`: a model that is slow would make every call slow."""
REST_S = 2.0
MOST_BYTES = 1_048_576
"""Of an answer: a vector of 4,096 numbers takes 90 KB."""
_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct, gc=False):
    embedding: list[float]


class _Answer(msgspec.Struct, gc=False):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode


class RouteEmbedder:
    """Embeds with a model that the directory in force knows."""

    __slots__ = ("_deadlines", "_directory", "_failures", "_loop", "_rests_until_s")

    def __init__(
        self, directory: Callable[[], Directory | None], loop: AbstractEventLoop, deadlines: Deadlines
    ) -> None:
        self._directory = directory
        self._loop = loop
        self._deadlines = deadlines
        self._failures = 0
        self._rests_until_s = 0.0

    def embed(self, model: str, text: str, *, within_s: float, done: Done) -> None:
        """Gives `done` the vector of a text, or `None` when there was none within the time."""
        directory, now_s = self._directory(), perf_counter()
        route = directory.routes.get(model) if directory is not None else None
        target = None
        if route is not None and route.kind == "embedding" and now_s >= self._rests_until_s:
            target = route.whole.choose(0, now_s, is_stream=False)
        if target is None or target.dialect is not None:
            self._loop.call_soon(done, None)
            return
        _Question(done, self, self._loop).ask(target, text, within_s, self._deadlines)

    def note(self, *, is_good: bool) -> None:
        """Learns how a question ended."""
        self._failures = 0 if is_good else self._failures + 1
        if self._failures >= MOST_FAILURES:
            self._failures = 0
            self._rests_until_s = perf_counter() + REST_S


class _Question:
    """One text on its way."""

    __slots__ = ("_asker", "_done", "_exchange", "_is_good", "_loop", "_parts", "_size", "_timer")

    def __init__(self, done: Done, asker: RouteEmbedder, loop: AbstractEventLoop) -> None:
        self._done: Done | None = done
        self._asker = asker
        self._loop = loop
        self._exchange: Exchange | None = None
        self._timer: TimerHandle | None = None
        self._is_good = False
        self._parts: list[bytes] = []
        self._size = 0

    def ask(self, target: Target, text: str, within_s: float, deadlines: Deadlines) -> None:
        """Sends the text."""
        body = _encode({"model": target.upstream_model, "input": [text]})
        request = b"%b%d\r\n\r\n%b" % (target.heads["embeddings"], len(body), body)
        exchange = Exchange(request, self, deadlines)
        try:
            target.origin.send(exchange)
        except PoolFullError:
            self._loop.call_soon(self._tell, None)
            return
        self._exchange = exchange
        self._timer = self._loop.call_later(within_s, self._late)

    def on_head(self, head: ResponseHead) -> None:
        """Notes whether it is an answer."""
        self._is_good = head.status == OK

    def on_body(self, data: bytes) -> None:
        """Keeps a piece."""
        self._size += len(data)
        if self._size <= MOST_BYTES:
            self._parts.append(data)

    def on_end(self, error: NetworkError | None) -> None:
        """Reads the vector."""
        self._exchange = None
        vector = None
        if error is None and self._is_good and self._size <= MOST_BYTES:
            vector = _vector(b"".join(self._parts))
        self._tell(vector)

    def _late(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()
        self._tell(None)

    def _tell(self, vector: list[float] | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        done, self._done = self._done, None
        if done is not None:
            self._asker.note(is_good=vector is not None)
            done(vector)


def _vector(body: bytes) -> list[float] | None:
    try:
        data = _decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return data[0].embedding if len(data) == 1 else None

"""A JSON body that many ask for: made at most once in a while, then shared, gzipped and tagged.

Refuses to know what is in it. Invariant: while one thread makes a body the others wait for that one, and
nobody is given a body older than it may be.
"""

import gzip
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from threading import Lock

from fastapi import Request, Response

__all__ = ["Body", "KeptBodies", "respond_with"]

GZIP_LEVEL = 6
ASK_AGAIN = "private, no-cache"


@dataclass(frozen=True)
class Body:
    """One body, as JSON."""

    content: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The same, gzipped."""
        return gzip.compress(self.content, GZIP_LEVEL, mtime=0)

    @cached_property
    def etag(self) -> str:
        """Its identity. Weak, since gzipped or not it is the same answer."""
        return f'W/"{blake2b(self.content, digest_size=16).hexdigest()}"'


class _Slot:
    """One question's newest body; `lock` is held while it is made."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.body: Body | None = None
        self.made_at_ms = 0


class KeptBodies:
    """The newest body of each question."""

    def __init__(self, *, good_for_ms: int) -> None:
        self._good_for_ms = good_for_ms
        self._slots: dict[Hashable, _Slot] = {}

    def get(self, question: Hashable, make: Callable[[], bytes], *, now_ms: int) -> Body:
        """Returns the body of a question.

        Args:
            question: What is asked; of few values, since each keeps a body.
            make: Makes the body, as JSON.
            now_ms: When it is asked for.
        """
        slot = self._slots.setdefault(question, _Slot())
        with slot.lock:
            is_old = not 0 <= now_ms - slot.made_at_ms < self._good_for_ms
            if slot.body is None or is_old:
                slot.body, slot.made_at_ms = Body(make()), now_ms
            return slot.body


def respond_with(request: Request, body: Body) -> Response:
    """Returns a body as an answer: gzipped where the client takes it, 304 when the client has it."""
    headers = {"cache-control": ASK_AGAIN, "etag": body.etag, "vary": "accept-encoding"}
    if body.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = body.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = body.compressed
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers, media_type="application/json")

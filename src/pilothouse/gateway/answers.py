"""Answers as bytes: heads put together once, bodies of errors in OpenAI's shape.

Refuses to know what was asked. Invariant: no header holds a line end that came from outside.
"""

from email.utils import formatdate
from http import HTTPStatus

import msgspec

from pilothouse.contracts.errors import ApiError

OK = 200
"""A plain number: reading a member of `HTTPStatus` costs a Python call each time in 3.11."""
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
JSON = b"application/json"
CLOSE = b"connection: close\r\n"
_encode = msgspec.json.Encoder().encode


class Clock:
    """The `date` header, made once a second."""

    __slots__ = ("_second", "line")

    def __init__(self) -> None:
        self._second = 0
        self.line = b""

    def set(self, now_s: int) -> None:
        """Brings the header up to date."""
        if now_s != self._second:
            self._second = now_s
            self.line = b"date: " + formatdate(now_s, usegmt=True).encode() + b"\r\n"


def error_body(error: ApiError) -> bytes:
    """Returns an error's body in OpenAI's shape."""
    return _encode(error.body())


def error_event(error: ApiError) -> bytes:
    """Returns an error as an event of a stream."""
    return b"data: " + error_body(error) + b"\n\n"


def whole(
    status: int, body: bytes, *, extra: bytes = b"", content_type: bytes = JSON, will_close: bool = False
) -> bytes:
    """Returns a whole answer.

    Args:
        status: The HTTP status.
        body: The body.
        extra: Further header lines, each with its line end.
        content_type: The body's type.
        will_close: Whether the connection ends with this answer.
    """
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n%b" % (
        STATUS_LINES[status],
        content_type,
        len(body),
        extra,
        CLOSE if will_close else b"",
        body,
    )


def error_bytes(
    error: ApiError,
    *,
    extra: bytes = b"",
    will_close: bool = False,
    body: bytes | None = None,
    content_type: bytes = JSON,
) -> bytes:
    """Returns an error as a whole answer; its body is in OpenAI's shape unless another is given."""
    if error.retry_after_s is not None:
        extra += b"retry-after: %d\r\n" % max(1, round(error.retry_after_s))
    if error.status == HTTPStatus.UNAUTHORIZED:
        extra += b"www-authenticate: Bearer\r\n"
    return whole(
        error.status,
        body or error_body(error),
        extra=extra,
        content_type=content_type,
        will_close=will_close,
    )
